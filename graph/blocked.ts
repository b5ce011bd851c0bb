/** From causes down to what they block: one pass over the graph for all causes together, in words of bits. */
import type { Graph } from './compact.ts';
import type { RunState } from './state.ts';
import { isOpen, type Unmet } from './unmet.ts';

/** Where a cause begins. `own`: the vertex that is the cause (of a loop its first member); -1 when it is no vertex of the run. */
export interface CauseSource {
  readonly own: number;
  readonly at: readonly number[];
}

export interface Blocked {
  /** Per cause: open flows that wait for it directly or through others; the cause itself does not count. */
  readonly flows: Int32Array;
  /** Per vertex: sum of the weights of its final causes. */
  readonly causes: Int32Array;
}

/** Words of 32 causes that are carried through the graph at once: bounds the memory to `4 x WORDS x V` bytes. */
const WORDS = 16;

/** O((V + E) x causes / 32), plus one step for each pair of cause and blocked flow. */
export function countBlocked(
  graph: Graph,
  s: RunState,
  unmet: Unmet,
  sources: readonly CauseSource[],
  weights: ArrayLike<number>,
): Blocked {
  const flows = new Int32Array(sources.length);
  const causes = new Int32Array(graph.n);
  for (let first = 0; first < sources.length; first += 32 * WORDS) {
    const count = Math.min(32 * WORDS, sources.length - first);
    const words = Math.ceil(count / 32);
    const bits = spread(graph, unmet, sources.slice(first, first + count), words);
    for (let v = 0; v < graph.n; v++) {
      if (!isOpen(s, v)) continue;
      const r = unmet.rep[v]!;
      for (let w = 0; w < words; w++) {
        let word = bits[r * words + w]!;
        while (word !== 0) {
          const k = first + 32 * w + 31 - Math.clz32(word & -word);
          word &= word - 1;
          causes[v]! += weights[k]!;
          if (sources[k]!.own !== r) flows[k]!++;
        }
      }
    }
  }
  return { flows, causes };
}

/** Bits of the causes of every vertex; those of a loop stand at its first member. */
function spread(graph: Graph, unmet: Unmet, sources: readonly CauseSource[], words: number): Int32Array {
  const { rep, edge, above } = unmet;
  const bits = new Int32Array(graph.n * words);
  /** What open members of rerun plans at or above a vertex wait for; it passes through flows that are done. */
  const carried = unmet.anyAbove ? new Int32Array(graph.n * words) : bits;
  sources.forEach(({ at }, k) => {
    for (const v of at) bits[rep[v]! * words + (k >> 5)]! |= 1 << (k & 31);
  });
  const add = (to: Int32Array, t: number, from: Int32Array, f: number): void => {
    for (let w = 0; w < words; w++) to[t * words + w]! |= from[f * words + w]!;
  };
  forEachVertex(graph, unmet, {
    enter(v) {
      for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++) {
        const u = rep[graph.up[e]!]!;
        if (edge[e] === 1 && u !== rep[v]) add(bits, rep[v]!, bits, u);
        if (above[v] === 1 && graph.loopEdge[e] === 0) add(bits, rep[v]!, carried, graph.up[e]!);
      }
    },
    leave(v, isMember) {
      if (isMember) add(carried, v, bits, rep[v]!);
      for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++)
        if (graph.loopEdge[e] === 0) add(carried, v, carried, graph.up[e]!);
    },
  });
  return bits;
}

/** Per vertex the least rank among its causes; `sources` in the order of their rank; -1 where there is none. O(V + E). */
export function firstCauses(graph: Graph, unmet: Unmet, sources: readonly CauseSource[]): Int32Array {
  const { rep, edge, above } = unmet;
  const none = sources.length;
  const first = new Int32Array(graph.n).fill(none);
  const carried = unmet.anyAbove ? new Int32Array(graph.n).fill(none) : first;
  sources.forEach(({ at }, k) => {
    for (const v of at) if (first[rep[v]!]! > k) first[rep[v]!] = k;
  });
  const least = (to: Int32Array, t: number, rank: number): void => {
    if (rank < to[t]!) to[t] = rank;
  };
  forEachVertex(graph, unmet, {
    enter(v) {
      for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++) {
        const u = graph.up[e]!;
        if (edge[e] === 1 && rep[u] !== rep[v]) least(first, rep[v]!, first[rep[u]!]!);
        if (above[v] === 1 && graph.loopEdge[e] === 0) least(first, rep[v]!, carried[u]!);
      }
    },
    leave(v, isMember) {
      if (isMember) least(carried, v, first[rep[v]!]!);
      for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++)
        if (graph.loopEdge[e] === 0) least(carried, v, carried[graph.up[e]!]!);
    },
  });
  return first.map((_, v) => (first[rep[v]!] === none ? -1 : first[rep[v]!]!));
}

/**
 * Visits all vertices upstream first. `enter` gathers what comes in; `leave`, only called when members of rerun plans are about, after
 * the whole loop of a vertex was entered.
 */
function forEachVertex(
  graph: Graph,
  unmet: Unmet,
  visit: { enter(v: number): void; leave(v: number, isMember: boolean): void },
): void {
  const { order, rep, anyAbove } = unmet;
  for (let i = 0; i < graph.n; ) {
    let end = i + 1;
    while (end < graph.n && rep[order[end]!] === rep[order[i]!]) end++;
    for (let k = i; k < end; k++) visit.enter(order[k]!);
    if (anyAbove) for (let k = i; k < end; k++) visit.leave(order[k]!, unmet.member[order[k]!] === 1);
    i = end;
  }
}
