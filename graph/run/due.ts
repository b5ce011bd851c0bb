/** When the coordinator has to decide without a new log row, and when its run is finished. */
import type { Graph } from '../compiled/compact.ts';
import { FLAG, has, isDone, isTriggered, type RunState } from './state.ts';

/**
 * The next instant after `s.now`, ms, at which `decide` may have something to do without a new log row; 0 = none. Call it when `decide`
 * has nothing to do for `s.now`: what fell due before that is not found here. O(V).
 */
export function nextDue(graph: Graph, s: RunState): number {
  if (s.closed) return 0;
  let next = Number.POSITIVE_INFINITY;
  const now = s.now;
  for (let v = 0; v < graph.n; v++) {
    if (s.result[v] !== 0 && !has(s, v, FLAG.ENDING)) continue;
    const due = s.due[v]!;
    if (due > now && due < next) next = due;
    const start = s.start[v]!;
    if (start > now && start < next) next = start;
  }
  for (const { v, at } of s.moments) if (at > now && at < next && s.result[v] === 0) next = at;
  return Number.isFinite(next) ? next : 0;
}

/** Whether every flow that the run was opened for, or that was triggered since, is done or retired. O(V). */
export function isFinished(graph: Graph, s: RunState): boolean {
  for (let v = 0; v < graph.n; v++)
    if (!isDone(s, v) && !has(s, v, FLAG.RETIRED) && !isLeftOut(graph, s, v)) return false;
  return true;
}

/** The run was opened for other procedures, and the flow was not triggered since. */
function isLeftOut(graph: Graph, s: RunState, v: number): boolean {
  return has(s, v, FLAG.EXCLUDED) && s.result[v] === 0 && !isTriggered(graph, s, v);
}
