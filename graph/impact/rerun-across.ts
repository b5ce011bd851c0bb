/** Rerun plans that reach into other runs (protocol E, A11): who is redone there. Pure; the runs are read by services/rerun/rerun-across.ts. */
import type { Graph } from '../compiled/compact.ts';
import { reachOf } from '../compiled/reach.ts';
import { hasStarted } from '../run/settle.ts';
import { FLAG, has, type RunState } from '../run/state.ts';

/**
 * Finds, in a run that waits for redone flows, what has started on their old results: `users` and everything below them. What has not
 * started waits by itself, its upstream not being done any more. In topological order. O(V + E).
 */
export function membersBelow(graph: Graph, s: RunState, users: readonly number[]): number[] {
  return reachOf(graph, users)
    .order.filter((v) => hasStarted(s, v) && !has(s, v, FLAG.RETIRED))
    .sort((a, b) => a - b);
}
