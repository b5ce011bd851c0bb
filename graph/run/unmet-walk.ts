/** The walk of `why` from one or several flows upwards over unmet conditions. Breadth first, so the way to each cause is a shortest one. */
import type { Graph } from '../compiled/compact.ts';
import { type Unmet, waitsForOthers } from './unmet.ts';

export interface Walk {
  readonly targets: ReadonlySet<number>;
  /** Vertices reached because something waits for them, the targets among them; of a loop all members. */
  readonly visited: readonly number[];
  /** Of those, first members of loops and flows that wait for nobody else: final causes. */
  readonly finals: readonly number[];
  /** The others. */
  readonly symptoms: readonly number[];
  /** Per node the node it was reached from; -1: not reached, or a target. Node `v` is a flow, node `n + v` lies on the way to one. */
  readonly from: Int32Array;
}

/** O(V + E). */
export function walkUp(graph: Graph, unmet: Unmet, targets: readonly number[]): Walk {
  const { n } = graph;
  const { rep, edge, above, member } = unmet;
  const from = new Int32Array(2 * n).fill(-1);
  const seen = new Uint8Array(2 * n);
  const queue: number[] = [];
  const finals: number[] = [];
  const symptoms: number[] = [];
  const reach = (node: number, by: number): void => {
    if (seen[node] === 1) return;
    seen[node] = 1;
    from[node] = by;
    queue.push(node);
  };
  for (const target of targets) reach(target, -1);
  for (let head = 0; head < queue.length; head++) {
    const node = queue[head]!;
    const v = node < n ? node : node - n;
    for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++) {
      const u = graph.up[e]!;
      if (node < n && edge[e] === 1) reach(u, node);
      // On the way to members of a rerun plan, also through flows that are done.
      if ((node < n && above[v] === 0) || graph.loopEdge[e] === 1) continue;
      reach(n + u, node);
      if (member[u] === 1) reach(u, node);
    }
  }
  const visited = queue.filter((node) => node < n);
  const asked = new Set<number>();
  for (const v of visited) {
    const r = rep[v]!;
    if (asked.has(r)) continue;
    asked.add(r);
    if (waitsForOthers(graph, unmet, r)) symptoms.push(...(unmet.loops.get(r) ?? [r]));
    else finals.push(r);
  }
  return { targets: new Set(targets), visited, finals, symptoms, from };
}

/** Ids from the nearest target to the cause, both included; a cause outside the run ends the way of the nearest flow that waits for it. */
export function chainOf(
  graph: Graph,
  unmet: Unmet,
  walk: Walk,
  cause: { readonly own: number; readonly flow: string; readonly at: readonly number[] },
): string[] {
  if (cause.own < 0) {
    const ways = cause.at.filter((v) => isReached(walk, v)).map((v) => wayTo(graph, walk, v));
    ways.sort((a, b) => a.length - b.length);
    return [...(ways[0] ?? []), cause.flow];
  }
  const members = unmet.loops.get(cause.own) ?? [cause.own];
  const ways = members.filter((v) => isReached(walk, v)).map((v) => wayTo(graph, walk, v));
  ways.sort((a, b) => a.length - b.length);
  return ways[0] ?? [cause.flow];
}

const isReached = (walk: Walk, v: number): boolean => walk.targets.has(v) || walk.from[v] !== -1;

function wayTo(graph: Graph, walk: Walk, v: number): string[] {
  const way: string[] = [];
  for (let node = v; node !== -1; node = walk.from[node]!) {
    const id = graph.ids[node < graph.n ? node : node - graph.n]!;
    // Node n + v and node v are the same flow.
    if (way.at(-1) !== id) way.push(id);
  }
  return way.reverse();
}
