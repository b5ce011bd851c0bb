/** Which runs the edges of a run to other runs mean (protocol A11). Not for workflow code: the record has the answer. */
import { mapPeriod, mappedCycle, parseRunId, runId } from './calendar.ts';
import type { ForeignEdge, Graph } from './compact.ts';
import type { Cycle } from './model.ts';
import type { Subscription } from './subscriptions.ts';

/** The run whose edges are meant, and the runs that stand beside it. */
export interface Standing {
  readonly cycle: Cycle;
  readonly period: string;
  /** Runs of the same backfill, whether opened yet or not: an edge to a period that one of them has means that run (decision 0006). */
  readonly beside: readonly string[];
  /** Flows that the runs beside it were opened for; an edge from any other means the scheduled run. Missing: all. */
  readonly included?: ReadonlySet<string> | undefined;
}

/** Runs that one edge means: the scheduled run of each mapped period, unless one of the same backfill has the period. */
export function runsOf(
  graph: Graph,
  edge: ForeignEdge,
  { cycle, period, beside, included }: Standing,
): string[] {
  const own = graph.attrOf(edge.v).period;
  const seen = mapPeriod(own, cycle, period)[0]!;
  const near = included === undefined || included.has(edge.from) ? beside : [];
  return mapPeriod(edge.period, mappedCycle(own, cycle), seen, edge.cycle).map(
    (it) => besideOf(near, edge.cycle, it) ?? runId(edge.cycle, it),
  );
}

function besideOf(beside: readonly string[], cycle: Cycle, period: string): string | undefined {
  return beside.find((id) => {
    const key = parseRunId(id);
    return key?.cycle === cycle && key.period === period;
  });
}

/** All subscriptions of a run; two edges that mean the same flow of the same run are one. O(edges x periods). */
export function resolveForeign(graph: Graph, standing: Standing): Subscription[] {
  const found = new Map<string, Subscription>();
  for (const edge of graph.foreign)
    for (const run of runsOf(graph, edge, standing))
      found.set(`${edge.v} ${edge.from} ${run}`, { v: edge.v, from: edge.from, run });
  return [...found.values()];
}
