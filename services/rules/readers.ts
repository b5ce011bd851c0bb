/** Who has used rows of a table for a period (protocol E5): flows by lineage, in the runs whose data contains the period. */
import {
  cycleOf,
  formatPeriod,
  mapPeriod,
  parseRunId,
  periodStartLocal,
  programPeriod,
  shiftPeriod,
} from '../../graph/calendar/calendar.ts';
import type { TableKey } from '../../graph/impact/lineage.ts';
import { Cycle, type Flow } from '../../graph/model.ts';
import type { RunContext } from '../../store/record/run-context.ts';
import type { EstateLineage } from '../lineage/estate-lineage.ts';

/** The period itself and the longer ones that it lies in: an hour lies in its day and its month. */
export function containingPeriods(period: string): string[] {
  const cycle = cycleOf(period);
  const start = periodStartLocal(cycle, period);
  return Cycle.options.slice(Cycle.options.indexOf(cycle)).map((longer) => formatPeriod(longer, start));
}

/** All periods that have a moment in common with this one: those that contain it, and the shorter ones within it. */
export function overlappingPeriods(period: string): string[] {
  const cycle = cycleOf(period);
  const end = periodStartLocal(cycle, shiftPeriod(cycle, period, 1));
  const within = Cycle.options.slice(0, Cycle.options.indexOf(cycle)).flatMap((shorter) => {
    const periods: string[] = [];
    let at = formatPeriod(shorter, periodStartLocal(cycle, period));
    for (; periodStartLocal(shorter, at) < end; at = shiftPeriod(shorter, at, 1)) periods.push(at);
    return periods;
  });
  return [...containingPeriods(period), ...within];
}

export interface Readers {
  /** Flows of the run that read the rows. */
  readonly reads: readonly string[];
  /** Flows that read the table and write it for the same period: redoing them would overwrite the correction. */
  readonly writes: readonly string[];
}

/**
 * Flows of a run that use rows of the table for the period. An edge to a flow that writes the table says which period is read; without one the run
 * whose period contains the corrected one reads it. O(readers x their edges).
 */
export function readersIn(
  context: RunContext,
  lineage: EstateLineage,
  table: TableKey,
  period: string,
): Readers {
  const wanted = programPeriod(period);
  const writers = new Set(lineage.producers.get(table) ?? []);
  const reads: string[] = [];
  const writes: string[] = [];
  for (const id of lineage.readers.get(table) ?? []) {
    const v = context.index.get(id);
    if (v === undefined) continue;
    if (writers.has(id) && overlap(context.periodOf(context.flow(id)), wanted)) writes.push(id);
    else if (usesPeriod(context, v, writers, wanted)) reads.push(id);
  }
  return { reads, writes };
}

function usesPeriod(context: RunContext, v: number, writers: ReadonlySet<string>, wanted: string): boolean {
  const { graph, subscriptions, run } = context;
  let isLinked = false;
  for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++) {
    const from = graph.ids[graph.up[e]!]!;
    if (!writers.has(from)) continue;
    if (overlap(context.periodOf(context.flow(from)), wanted)) return true;
    isLinked = true;
  }
  for (let i = subscriptions.off[v]!; i < subscriptions.off[v + 1]!; i++) {
    const { from, run: other } = subscriptions.list[i]!;
    if (!writers.has(from)) continue;
    if (overlap(writtenPeriod(other, context.version.flows.get(from)), wanted)) return true;
    isLinked = true;
  }
  return !isLinked && wanted.startsWith(programPeriod(run.period));
}

/** The period for which a flow writes in another run. */
function writtenPeriod(run: string, flow: Flow | undefined): string {
  const key = parseRunId(run);
  if (key === null) return '';
  return programPeriod(mapPeriod(flow?.period ?? 'same', key.cycle, key.period)[0]!);
}

/** Of periods as programs get them: 202610 and 20261031 have days in common. */
const overlap = (a: string, b: string): boolean => a !== '' && (a.startsWith(b) || b.startsWith(a));
