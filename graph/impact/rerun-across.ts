/** Rerun plans over several runs (protocol E4, A11): which flows of another run are redone. Pure; services/rerun/rerun-across.ts reads the runs. */
import type { Graph } from '../compiled/compact.ts';
import { reachOf } from '../compiled/reach.ts';
import { hasStarted } from '../run/settle.ts';
import { FLAG, has, type RunState } from '../run/state.ts';

/**
 * Flows of another run that have started on old results: those of `users`, which wait for redone flows, and of everything below them.
 * Flows that have not started wait anyway, as their upstream is not done any more. In topological order. O(V + E).
 */
export function membersBelow(graph: Graph, s: RunState, users: readonly number[]): number[] {
  return reachOf(graph, users)
    .order.filter((v) => hasStarted(s, v) && !has(s, v, FLAG.RETIRED))
    .sort((a, b) => a - b);
}
