/** The state of a flow as people see it (protocol D4), from the coordinator's side: leases as the last exchange reported them. */
import type { Graph } from '../compiled/compact.ts';
import { FLAG, has, phaseOf, type RunState } from './state.ts';
import { resultOf, type State } from './status.ts';

/** The state of a flow (protocol D4). O(1). */
export function stateOf(s: RunState, graph: Graph, v: number): State {
  // Retired comes before the other results: a failed flow that was retired has left the graph.
  if (has(s, v, FLAG.RETIRED)) return 'retired';
  const result = resultOf(s.result[v]!);
  if (result !== null) return result;
  if (isClaimed(s, v)) return s.lease[v] === 2 ? 'running' : 'sent_to_agent';
  return phaseOf(graph, s, v);
}

/** An agent has claimed the flow, as far as the last exchange said: it was sent or is running. What lies above it is not waited for any more. */
export function isClaimed(s: RunState, v: number): boolean {
  return has(s, v, FLAG.DISPATCHED) && s.lease[v] !== 0;
}
