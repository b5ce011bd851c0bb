/** The walk of `why` from one or several flows upwards over unmet conditions. Breadth first, so the way to each cause is a shortest one. */
import type { Graph } from '../compiled/compact.ts';
import { type Unmet, waitsForOthers } from './unmet.ts';

export interface Walk {
  readonly targets: ReadonlySet<number>;
  /** Vertices reached because something waits for them, the targets among them; of a loop all members. */
  readonly visited: readonly number[];
  /** All nodes that were reached: the visited flows, and nodes on the way to members of rerun plans. */
  readonly nodes: readonly number[];
  /** Of those, first members of loops and flows that wait for nobody else: final causes. */
  readonly finals: readonly number[];
  /** The others. */
  readonly symptoms: readonly number[];
  /** Per node the node it was reached from; -1: not reached, or a target. Node `v` is a flow, node `n + v` lies on the way to one. */
  readonly from: Int32Array;
}

/**
 * The nodes one step up from a node within the run: over unmet edges, and on the way to members of a rerun plan, also through flows that are done.
 * Node `v` is a flow, node `n + v` lies on such a way. O(in-degree).
 */
export function stepsUp(graph: Graph, unmet: Unmet, node: number, step: (to: number) => void): void {
  const { n } = graph;
  const v = node < n ? node : node - n;
  const onWay = node >= n || unmet.above[v] === 1;
  for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++) {
    const u = graph.up[e]!;
    if (node < n && unmet.edge[e] === 1) step(u);
    if (!onWay || graph.loopEdge[e] === 1) continue;
    step(n + u);
    if (unmet.member[u] === 1) step(u);
  }
}

/** O(V + E). */
export function walkUp(graph: Graph, unmet: Unmet, targets: readonly number[]): Walk {
  const { n } = graph;
  const { rep } = unmet;
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
    stepsUp(graph, unmet, node, (to) => reach(to, node));
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
  return { targets: new Set(targets), visited, nodes: queue, finals, symptoms, from };
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
