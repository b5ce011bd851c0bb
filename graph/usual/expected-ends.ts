/**
 * When the open flows of a run end if each takes its expected time and none waits for an agent, a pool or a person. This is the longest way
 * through the graph, so a lower bound. Pure; integer ms when the durations are integers.
 */
import type { Graph } from '../compiled/compact.ts';

export interface Work {
  readonly now: number;
  /** Per vertex: 1 when it will run. */
  readonly runs: Uint8Array;
  /** Per vertex: 1 for a member of a rerun plan. Members wait for all members above them, also over flows in between (protocol E3). */
  readonly members: Uint8Array;
  /** Per vertex: 1 for a root. Only roots and what waits for them is `moved`. */
  readonly roots: Uint8Array;
  /** Per vertex, ms. */
  readonly durations: Float64Array;
  /** Earliest start per vertex, ms; 0 = none. */
  readonly starts: Float64Array;
}

export interface ExpectedEnds {
  /** Per vertex: its end, ms; 0 = it does not run. */
  readonly ends: Float64Array;
  /** Per vertex: the flow whose end it waits for last; -1 = none. */
  readonly by: Int32Array;
  /** Per vertex: 1 when it runs and is a root, or waits for one. */
  readonly moved: Uint8Array;
}

/** Expected ends of all flows that will run. Edges inside loops do not count. O(V + E). */
export function expectedEnds(graph: Graph, work: Work): ExpectedEnds {
  const { now, runs, members, roots, durations, starts } = work;
  const ends = new Float64Array(graph.n);
  const by = new Int32Array(graph.n).fill(-1);
  const moved = new Uint8Array(graph.n);
  // The member at or above with the latest end.
  const last = new Int32Array(graph.n).fill(-1);
  // 1: a moved member is it or lies above it.
  const below = new Uint8Array(graph.n);
  for (let v = 0; v < graph.n; v++) {
    let ready = Math.max(now, starts[v]!);
    let member = -1;
    let waits = -1;
    let touched = roots[v]!;
    for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++) {
      if (graph.loopEdge[e] === 1) continue;
      const u = graph.up[e]!;
      const above = last[u]!;
      if (above >= 0 && (member < 0 || ends[above]! > ends[member]!)) member = above;
      if (below[u] === 1) below[v] = 1;
      if (runs[u] === 0) continue;
      if (moved[u] === 1) touched = 1;
      if (ends[u]! > ready) {
        ready = ends[u]!;
        waits = u;
      }
    }
    last[v] = member;
    if (runs[v] === 0) continue;
    if (members[v] === 1 && member >= 0) {
      if (below[v] === 1) touched = 1;
      if (ends[member]! > ready) {
        ready = ends[member]!;
        waits = member;
      }
    }
    ends[v] = ready + durations[v]!;
    by[v] = waits;
    moved[v] = touched;
    if (members[v] === 0) continue;
    if (member < 0 || ends[v]! >= ends[member]!) last[v] = v;
    if (touched === 1) below[v] = 1;
  }
  return { ends, by, moved };
}

/** The longest way to `v`, which is its end: each flow on it waits last for the one before. O(length of the way). */
export function longestWayTo({ by }: ExpectedEnds, v: number): number[] {
  const way = [v];
  for (let u = by[v]!; u !== -1; u = by[u]!) way.push(u);
  return way.reverse();
}

/** Moved flows with a deadline (ms, 0 = none), in the order of the graph. `lateMs` is 0 for those that meet it. O(V). */
export function deadlinesMoved(
  { ends, moved }: ExpectedEnds,
  deadlines: Float64Array,
): { v: number; endsAt: number; lateMs: number }[] {
  const found: { v: number; endsAt: number; lateMs: number }[] = [];
  for (let v = 0; v < ends.length; v++)
    if (moved[v] === 1 && deadlines[v] !== 0)
      found.push({ v, endsAt: ends[v]!, lateMs: Math.max(0, ends[v]! - deadlines[v]!) });
  return found;
}
