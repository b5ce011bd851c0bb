/** Which flows each cause blocks: one pass over the graph for 512 causes at a time, one bit for each cause. */
import type { Graph } from '../compiled/compact.ts';
import type { RunState } from '../run/state.ts';
import { isOpen, type Unmet } from '../run/unmet.ts';

/** Where a cause is. `own`: the vertex that is the cause (the first member of a loop); -1 = the cause is outside the run. */
export interface CauseSource {
  readonly own: number;
  readonly at: readonly number[];
}

export interface Blocked {
  /** Per cause: number of open flows that wait for it, directly or through others, without the cause itself. */
  readonly flows: Int32Array;
  /** Per vertex: sum of the weights of its final causes; 0 without weights. */
  readonly causes: Int32Array;
}

/** Words of 32 causes that one pass carries through the graph; memory is `4 x WORDS x V` bytes. */
const WORDS = 16;

/** Counts the flows that each cause blocks, and the causes of each flow. O((V + E) x causes / 32). */
export function countBlocked(
  graph: Graph,
  s: RunState,
  unmet: Unmet,
  { list: sources, weights }: { list: readonly CauseSource[]; weights: ArrayLike<number> | null },
): Blocked {
  const flows = new Int32Array(sources.length);
  const causes = new Int32Array(graph.n);
  const open: number[] = [];
  const openIn = new Int32Array(graph.n);
  for (let v = 0; v < graph.n; v++)
    if (isOpen(s, v)) {
      open.push(v);
      openIn[unmet.rep[v]!]!++;
    }
  const planes = new Int32Array(32);
  for (let first = 0; first < sources.length; first += 32 * WORDS) {
    const count = Math.min(32 * WORDS, sources.length - first);
    const words = Math.ceil(count / 32);
    const bits = spread(graph, unmet, sources.slice(first, first + count), words);
    const masks = weights === null ? [] : masksOf(weights, first, count, words);
    for (let w = 0; w < words; w++) {
      planes.fill(0);
      for (let i = 0; i < open.length; i++) {
        const v = open[i]!;
        const word = bits[unmet.rep[v]! * words + w]!;
        if (word === 0) continue;
        addBits(planes, word);
        for (const mask of masks) causes[v]! += ones(word & mask[w]!);
      }
      const end = Math.min(count, 32 * (w + 1));
      for (let k = 32 * w; k < end; k++) flows[first + k] = sumOf(planes, k & 31);
    }
    for (let k = 0; k < count; k++) {
      const { own } = sources[first + k]!;
      // A cause does not block itself, nor a loop its members.
      if (own >= 0) flows[first + k]! -= openIn[own]!;
    }
  }
  return { flows, causes };
}

/** For each weight 1, 2, ...: the bits of the causes with at least this weight. */
function masksOf(weights: ArrayLike<number>, first: number, count: number, words: number): Int32Array[] {
  const masks: Int32Array[] = [];
  for (let k = 0; k < count; k++)
    for (let level = 0; level < weights[first + k]!; level++) {
      masks[level] ??= new Int32Array(words);
      masks[level]![k >> 5]! |= 1 << (k & 31);
    }
  return masks;
}

/** Counts how often each bit of a word was set: 32 binary counters side by side, in about two steps a word instead of 32. */
function addBits(planes: Int32Array, word: number): void {
  let carry = word;
  for (let p = 0; carry !== 0; p++) {
    const plane = planes[p]!;
    planes[p] = plane ^ carry;
    carry &= plane;
  }
}

function sumOf(planes: Int32Array, bit: number): number {
  let sum = 0;
  for (let p = 0; p < planes.length; p++) sum += ((planes[p]! >>> bit) & 1) * 2 ** p;
  return sum;
}

function ones(word: number): number {
  let w = word - ((word >>> 1) & 0x55555555);
  w = (w & 0x33333333) + ((w >>> 2) & 0x33333333);
  return Math.imul((w + (w >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** The bits of the causes of every vertex; those of a loop are at its first member. O((V + E) x words). */
function spread(graph: Graph, unmet: Unmet, sources: readonly CauseSource[], words: number): Int32Array {
  const { rep, edge, above } = unmet;
  const bits = new Int32Array(graph.n * words);
  /** Causes of open members of rerun plans at or above a vertex; they also pass through flows that are done. */
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

/** Per vertex the place of its first cause in `sources`; -1 = it has none. O(V + E). */
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
 * Visits all vertices, upstream first. `enter` collects from the upstreams of a vertex; `leave` is called after all members of the vertex's loop
 * were entered, and only when there are open members of rerun plans.
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
