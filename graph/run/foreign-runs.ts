/** Which runs the edges of a run to other runs mean (protocol A11). Not for workflow code: the record has the answer. */
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

/** A run of the same backfill, whether opened yet or not. */
export interface Beside {
  readonly run: string;
  /** Flows that it is opened for; null: all. An edge from any other means the scheduled run. */
  readonly flows: ReadonlySet<string> | null;
}

/** The run whose edges are meant, and the runs that stand beside it. */
export interface Standing {
  readonly cycle: Cycle;
  readonly period: string;
  /** By the id of the scheduled run of their period: an edge to that period means the run beside instead (decision 0006). */
  readonly beside: ReadonlyMap<string, Beside>;
}

/** Ids that are no runs', and those of scheduled runs, stand beside nothing. */
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
 * Periods that an edge asks for, seen from a run of `period`, whether there are runs of them or not. Where schedules open the upstream,
 * `previous`, negative offsets and `every...` count the periods that are opened (protocol D10).
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
 * The period before the flow's own, as its program gets it (`:previous_period`): the one that its edge to the period before leads to, to itself
 * rather than to another flow; without such an edge the plain one.
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
 * Runs that one edge means: the scheduled run of each mapped period, unless one of the same backfill has the period. A period before the
 * upstream's beginning has no run: of a month in whose middle the days begin, the days that exist count.
 */
function runsOf(edge: ForeignEdge, standing: Standing, periods: readonly string[]): string[] {
  return periods.flatMap((period) => {
    const scheduled = runId(edge.cycle, period);
    const beside = standing.beside.get(scheduled);
    // A backfill that was asked for from before the beginning has results that nobody else has.
    if (beside !== undefined && beside.flows?.has(edge.from) !== false) return [beside.run];
    return isBefore(period, edge.begins) ? [] : [scheduled];
  });
}

/** All subscriptions of a run; two edges that mean the same flow of the same run are one. O(edges x periods); periods once for each kind of edge. */
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

/** Something that a flow does not wait for: it lies before the beginning. */
export interface NeverThere {
  readonly from: string;
  /** The scheduled run that never will be. */
  readonly run: string;
  readonly begins: string;
}

/** What the run's subscriptions leave out of the edges into `v` because it lies before a beginning. O(its periods). */
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
