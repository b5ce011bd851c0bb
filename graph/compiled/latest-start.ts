/** The latest start of a flow with which no deadline below it is missed: the waiting order of protocol C10. */
import type { Graph } from './compact.ts';

/** Latest start of a flow with no deadline below it: after all others. Fits PostgreSQL's bigint and JavaScript's exact integers. */
export const NO_DEADLINE = 9_000_000_000_000_000;

/** Latest start of flows of backfills and rehearsals: after those of scheduled runs. Their own deadlines lie in the past and would come first. */
export const AFTER_SCHEDULED = NO_DEADLINE + 1;

/**
 * Latest start per vertex, ms, counted backwards from deadlines (ms, 0 = none) by median durations (ms). Edges inside loops do not count.
 * O(V + E).
 */
export function latestStarts(graph: Graph, deadlines: Float64Array, durations: Float64Array): Float64Array {
  const latest = new Float64Array(graph.n);
  for (let v = graph.n - 1; v >= 0; v--) {
    let end = deadlines[v]! === 0 ? NO_DEADLINE : deadlines[v]!;
    for (let k = graph.downOff[v]!; k < graph.downOff[v + 1]!; k++) {
      if (graph.loopEdge[graph.downEdge[k]!] === 1) continue;
      const start = latest[graph.down[k]!]!;
      if (start < end) end = start;
    }
    latest[v] = end === NO_DEADLINE ? NO_DEADLINE : Math.round(end - durations[v]!);
  }
  return latest;
}
