/** When the engine has something to do by itself, and when it has nothing left to do. */
import type { Graph } from '../compiled/compact.ts';
import { FLAG, has, isDone, isTriggered, type RunState } from './state.ts';

/**
 * Next instant after `s.now` at which `decide` may have something to do by itself; 0 = none. Ask only when `decide` has nothing to say
 * for `s.now`: what fell due between the last decision and the exchange's clock is its business. O(V).
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

/** All flows that the run was opened for, or that somebody has triggered since, have a releasing result or left the graph. */
export function isFinished(graph: Graph, s: RunState): boolean {
  for (let v = 0; v < graph.n; v++)
    if (!isDone(s, v) && !has(s, v, FLAG.RETIRED) && !isLeftOut(graph, s, v)) return false;
  return true;
}

/** The run was opened for others, and nobody has asked for this one since. */
function isLeftOut(graph: Graph, s: RunState, v: number): boolean {
  return has(s, v, FLAG.EXCLUDED) && s.result[v] === 0 && !isTriggered(graph, s, v);
}
