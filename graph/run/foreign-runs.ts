/** Which runs an edge to another run means (protocol A11). Not for workflow code: subscriptions in the record hold the answer. */
import { SluiceError } from '../../errors.ts';
import { isBefore } from '../calendar/beginning.ts';
import {
  mapPeriod,
  mappedCycle,
  parseRunId,
  periodText,
  previousPeriod,
  runId,
  shiftOf,
} from '../calendar/calendar.ts';
import type { ForeignEdge, Graph } from '../compiled/compact.ts';
import type { Cycle } from '../model.ts';
import type { Subscription, Subscriptions } from './subscriptions.ts';

/** A run of the same backfill, opened or not. */
export interface Beside {
  readonly run: string;
  /** Flows that it is opened for; null = all. An edge from a flow that is not among them means the scheduled run. */
  readonly flows: ReadonlySet<string> | null;
}

/** The run whose edges are resolved, and the other runs of its backfill. */
export interface Standing {
  readonly cycle: Cycle;
  readonly period: string;
  /** Id of a scheduled run -> the run of the backfill with the same period, which the edge means instead (decision 0006). */
  readonly beside: ReadonlyMap<string, Beside>;
}

/** Runs of a backfill by the id of the scheduled run of their period. Ids of scheduled runs and ids that are no runs' are left out. */
export function besides(list: readonly Beside[]): Map<string, Beside> {
  return new Map(
    list.flatMap((item) => {
      const key = parseRunId(item.run);
      return key === null || key.n === null ? [] : [[runId(key.cycle, key.period), item] as const];
    }),
  );
}

type Run = Pick<Standing, 'cycle' | 'period'>;

/**
 * Periods that an edge means, seen from a run of `period`, whether runs of them exist or not. Where schedules open the upstream, `previous`,
 * negative offsets and `every...` count only periods that are opened (protocol D10). Throws `internal` when the graph lacks the schedules.
 */
export function periodsOf(graph: Graph, edge: ForeignEdge, { cycle, period }: Run): string[] {
  const own = graph.attrOf(edge.v).period;
  const seen = mapPeriod(own, cycle, period)[0]!;
  const from = mappedCycle(own, cycle);
  if (edge.opened === undefined) return mapPeriod(edge.period, from, seen, edge.cycle);
  if (graph.openings === null)
    throw new SluiceError('internal', `nothing tells which periods ${edge.opened.join(', ')} opens`, {
      facts: { from: edge.from, period: edge.period },
    });
  return graph.openings.map(edge.opened, edge.period, { cycle: from, period: seen }, edge.cycle);
}

/**
 * The parameter `:previous_period` of a flow's program: the period that its edge to an earlier period leads to, preferably an edge to the flow
 * itself; without such an edge the period before its own.
 */
export function previousOf(graph: Graph, v: number, run: Run): string {
  const own = graph.attrOf(v).period;
  const cycle = mappedCycle(own, run.cycle);
  const back = graph.foreign
    .slice(graph.foreignOff[v], graph.foreignOff[v + 1])
    .filter((edge) => edge.cycle === cycle && shiftOf(edge.period) === -1);
  const edge = back.find(({ from }) => from === graph.ids[v]) ?? back[0];
  if (edge !== undefined) return periodsOf(graph, edge, run)[0]!;
  return previousPeriod(cycle, mapPeriod(own, run.cycle, run.period)[0]!);
}

/**
 * Runs that one edge means: for each period the run of the same backfill, else the scheduled run. Periods before the upstream's beginning
 * are left out; when days begin in the middle of a month, an edge to all days of the month means the days from then on.
 */
function runsOf(edge: ForeignEdge, standing: Standing, periods: readonly string[]): string[] {
  return periods.flatMap((period) => {
    const scheduled = runId(edge.cycle, period);
    const beside = standing.beside.get(scheduled);
    // A backfill may begin before the beginning; its own runs exist then.
    if (beside !== undefined && beside.flows?.has(edge.from) !== false) return [beside.run];
    return isBefore(period, edge.begins) ? [] : [scheduled];
  });
}

/** All subscriptions of a run. Two edges that mean the same flow of the same run give one. O(edges x periods). */
export function resolveForeign(graph: Graph, standing: Standing): Subscription[] {
  const found = new Map<string, Subscription>();
  const known = new Map<string, readonly string[]>();
  const mapped = (edge: ForeignEdge): readonly string[] => {
    const own = periodText(graph.attrOf(edge.v).period);
    const key = `${own} ${edge.cycle} ${periodText(edge.period)} ${edge.opened?.join(' ') ?? ''}`;
    const periods = known.get(key) ?? periodsOf(graph, edge, standing);
    known.set(key, periods);
    return periods;
  };
  for (const edge of graph.foreign)
    for (const run of runsOf(edge, standing, mapped(edge)))
      found.set(`${edge.v} ${edge.from} ${run}`, { v: edge.v, from: edge.from, run });
  return [...found.values()];
}

/** An upstream in a period before its beginning, for which a flow does not wait. */
export interface NeverThere {
  readonly from: string;
  /** Id of the scheduled run, which will never exist. */
  readonly run: string;
  readonly begins: string;
}

/** Upstreams of `v` in other runs for which the run has no subscription, because their periods lie before a beginning. O(its periods). */
export function beforeBeginning(
  graph: Graph,
  subscriptions: Subscriptions,
  run: Pick<Standing, 'cycle' | 'period'>,
  v: number,
): NeverThere[] {
  const found = new Map<string, NeverThere>();
  for (let e = graph.foreignOff[v]!; e < graph.foreignOff[v + 1]!; e++) {
    const { from, cycle, begins } = graph.foreign[e]!;
    if (begins === undefined) continue;
    const waitedFor = new Set(
      subscriptions.list
        .slice(subscriptions.off[v]!, subscriptions.off[v + 1]!)
        .flatMap((item) => (item.from === from ? [periodOf(item.run)] : [])),
    );
    for (const period of periodsOf(graph, graph.foreign[e]!, run))
      if (isBefore(period, begins) && !waitedFor.has(`${cycle} ${period}`)) {
        const never = runId(cycle, period);
        found.set(`${from} ${never}`, { from, run: never, begins });
      }
  }
  return [...found.values()];
}

function periodOf(run: string): string {
  const key = parseRunId(run);
  return `${key?.cycle} ${key?.period}`;
}
