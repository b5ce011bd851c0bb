/** What most queries look at: the scheduled runs of a day or a month, with their flows as they stand. */
import type { z } from 'zod';
import { GivenId, listOf, text } from '../../contract/fields.ts';
import { SluiceError } from '../../errors.ts';
import { parsePeriod } from '../../graph/calendar/calendar.ts';
import { type Cycle, type Flow, Layer } from '../../graph/model.ts';
import type { State } from '../../graph/run/status.ts';
import type { UsualTimes } from '../../graph/usual/usual-times.ts';
import { type FlowStateRow, readFirstFlowStates } from '../../store/history/flows.ts';
import type { RunContext } from '../../store/record/run-context.ts';
import { readClock } from '../../store/record/snapshot.ts';
import { readUsual } from '../../store/record/usual-times.ts';
import { newestPeriod, newestRun, scheduledRuns } from '../../store/schedules/scheduled-runs.ts';
import { newestOpenings } from '../catalogue/newest-catalogue.ts';
import type { ServiceDeps } from '../deps.ts';
import { openContext, requireGroups } from '../runs/find.ts';

/** `date`: a day, for most queries a month as well; `month`: a month. Default: the newest one that was opened. */
export const DayInput = { date: text(10).optional() };
export const MonthInput = { month: text(7).optional() };

/** Filters of flows. Several values of a filter are written with commas between them. */
export const FlowFilter = {
  platform: listOf(GivenId).optional(),
  group: listOf(GivenId).optional(),
  layer: listOf(Layer).optional(),
};
export type FlowFilter = z.output<z.ZodObject<typeof FlowFilter>>;
export const PlatformFilter = { platform: FlowFilter.platform };

/** A run as a query reads it. */
export interface ScopedRun extends RunContext {
  /** PostgreSQL's clock when it was read, ms. */
  readonly now: number;
  readonly usual: UsualTimes;
}

export interface ScopedFlow {
  readonly run: ScopedRun;
  readonly flow: Flow;
  readonly row: FlowStateRow;
}

export interface Scope {
  readonly period: string;
  readonly now: number;
  readonly runs: readonly ScopedRun[];
}

/** The runs of a day: its day run and those of its hours. Throws `invalid_period`. */
export const scopeOfDay = (deps: ServiceDeps, date: string | undefined): Promise<Scope> =>
  scopeOf(deps, 'day', date, (period) => [
    ['day', period],
    ...Array.from({ length: 24 }, (_, hour): [Cycle, string] => [
      'hour',
      `${period.replaceAll('-', '')}${String(hour).padStart(2, '0')}`,
    ]),
  ]);

/** A day, or a month `2026-10`; default: the newest day, or where no day was ever opened the newest month. Throws `invalid_period`. */
export async function scopeOfDate(deps: ServiceDeps, date: string | undefined): Promise<Scope> {
  const isMonth =
    date === undefined
      ? (await newestPeriod(deps.pool, 'day', await newestOpenings(deps))) === null
      : /^\d{4}-\d{2}$/.test(date);
  return isMonth ? scopeOfMonth(deps, date) : scopeOfDay(deps, date);
}

/** The run of a month. Throws `invalid_period`. */
export const scopeOfMonth = (deps: ServiceDeps, month: string | undefined): Promise<Scope> =>
  scopeOf(deps, 'month', month, (period) => [['month', period]]);

async function scopeOf(
  deps: ServiceDeps,
  cycle: Cycle,
  given: string | undefined,
  periods: (period: string) => [Cycle, string][],
): Promise<Scope> {
  const asked = given === undefined ? null : parsePeriod(cycle, given);
  const now = await readClock(deps.pool);
  const period = asked ?? (await newestPeriod(deps.pool, cycle, await newestOpenings(deps)));
  if (period === null) return { period: '', now, runs: [] };
  const ids = await scheduledRuns(deps.pool, periods(period));
  return { period, now, runs: await Promise.all(ids.map((id) => scopedRun(deps, id, now))) };
}

/** The run that is meant when none is named: that of the newest month, else that of the newest day. Throws `unknown_run`. */
export async function usualRun(deps: ServiceDeps): Promise<string> {
  const { pool } = deps;
  const openings = await newestOpenings(deps);
  const found = (await newestRun(pool, 'month', openings)) ?? (await newestRun(pool, 'day', openings));
  if (found === null) throw new SluiceError('unknown_run', 'no run was opened yet');
  return found;
}

/** Throws `unknown_run`. */
export async function scopedRun(deps: ServiceDeps, id: string, now: number): Promise<ScopedRun> {
  const context = await openContext(deps, id);
  return { ...context, now, usual: await readUsual(deps.pool, context) };
}

/** Throws `unknown_group` when no flow of the runs' catalogue versions has the group, whatever its cycle. */
export const knowGroups = (runs: readonly ScopedRun[], groups: readonly string[] | undefined): void =>
  requireGroups(
    [...new Set(runs.map(({ version }) => version))].flatMap(({ flows }) => [...flows.values()]),
    groups,
  );

/** The flows of the runs that pass the filter and are in one of the states (null: any), in the order of their graphs. Throws `unknown_group`. */
export async function flowsOf(
  deps: ServiceDeps,
  { runs }: Pick<Scope, 'runs'>,
  filter: FlowFilter,
  states: readonly State[] | null = null,
): Promise<ScopedFlow[]> {
  knowGroups(runs, filter.group);
  const found: ScopedFlow[] = [];
  for (const run of runs) {
    const flows = run.graph.ids.filter((id) => fits(run.flow(id), filter));
    const wanted = { states, keep: () => true, limit: flows.length };
    for (const row of await readFirstFlowStates(deps.pool, run.run.id, flows, wanted))
      found.push({ run, flow: run.flow(row.flow), row });
  }
  return found;
}

/** Whether a flow passes the filter. */
export const fits = (flow: Flow, { platform, group, layer }: FlowFilter): boolean =>
  (platform === undefined || platform.includes(flow.platform ?? '')) &&
  (group === undefined || flow.groups.some((other) => group.includes(other))) &&
  (layer === undefined || layer.includes(flow.layer));

/** Items by their key, the keys in the order in which they first come. */
export function grouped<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const list = groups.get(key(item));
    if (list === undefined) groups.set(key(item), [item]);
    else list.push(item);
  }
  return groups;
}

/** Whether a flow is still to be done: it is not complete, nor skipped, nor retired. */
export const isOpen = (row: Pick<FlowStateRow, 'result' | 'state'>): boolean =>
  !isComplete(row) && row.state !== 'skipped' && row.state !== 'retired';

/** Whether a flow counts as done in lists: it has succeeded or was passed (docs/queries.md). */
export const isComplete = ({ result }: Pick<FlowStateRow, 'result'>): boolean =>
  result === 'succeeded' || result === 'force_passed';
