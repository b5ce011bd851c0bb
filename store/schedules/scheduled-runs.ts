/** Scheduled runs as lists look at them: which there are, and how far earlier ones had come. Reading only. */
import { runId, shiftPeriod } from '../../graph/calendar/calendar.ts';
import { newestMeant } from '../../graph/calendar/far-period.ts';
import type { Openings } from '../../graph/calendar/openings.ts';
import { DEFAULT_CALENDAR } from '../../graph/calendar/work-days.ts';
import type { Cycle } from '../../graph/model.ts';
import type { Queryable } from '../schema/pool.ts';

/** Runs looked through for one of a period that a schedule opens. */
const LATEST = 100;

/**
 * The latest period of which there is a scheduled run, or null; of those that schedules open, where there is one among the latest
 * (protocol D10): a run that somebody opened by hand for a day off is not what the others mean by the newest. One that lies further ahead than the
 * period after the present is meant only where there is no other (graph/calendar/far-period.ts): one who tries out a year to come changes nobody's
 * default.
 */
export async function newestPeriod(
  client: Queryable,
  cycle: Cycle,
  openings: Openings | null = null,
): Promise<string | null> {
  const meant = newestMeant(cycle, Date.now(), DEFAULT_CALENDAR.timeZone);
  const by = openings?.ofCycle(cycle) ?? null;
  if (by !== null) {
    const latest = await client.query<{ period: string }>({
      name: 'latest-periods',
      text: `select period from runs where cycle = $1 and purpose = 'scheduled' and period <= $2 order by period desc limit $3`,
      values: [cycle, meant, LATEST],
    });
    const opened = latest.rows.find((row) => openings!.opens(by, cycle, row.period));
    if (opened !== undefined) return opened.period;
  }
  const found = await client.query<{ period: string | null }>({
    name: 'newest-period',
    text: `select coalesce((select max(period) from runs where cycle = $1 and purpose = 'scheduled' and period <= $2),
      (select max(period) from runs where cycle = $1 and purpose = 'scheduled')) as period`,
    values: [cycle, meant],
  });
  return found.rows[0]!.period;
}

/** The scheduled run of that period, or null. */
export async function newestRun(
  client: Queryable,
  cycle: Cycle,
  openings: Openings | null = null,
): Promise<string | null> {
  const period = await newestPeriod(client, cycle, openings);
  return period === null ? null : runId(cycle, period);
}

/** Those of the scheduled runs of the periods that were opened, in the given order. */
export async function scheduledRuns(
  client: Queryable,
  periods: readonly (readonly [Cycle, string])[],
): Promise<string[]> {
  const ids = periods.map(([cycle, period]) => runId(cycle, period));
  const found = await client.query<{ id: string }>({
    name: 'scheduled-runs',
    text: 'select id from runs where id = any($1::text[])',
    values: [ids],
  });
  const there = new Set(found.rows.map((row) => row.id));
  return ids.filter((id) => there.has(id));
}

/** Scheduled runs of the `count` periods before one, of an hour the same hours of the days before; the newest first, those that there are. */
export async function runsBefore(
  client: Queryable,
  cycle: Cycle,
  period: string,
  count: number,
): Promise<{ readonly run: string; readonly period: string }[]> {
  const step = cycle === 'hour' ? 24 : 1;
  const before = Array.from({ length: count }, (_, i) => shiftPeriod(cycle, period, -step * (i + 1)));
  const opened = new Set(
    await scheduledRuns(
      client,
      before.map((entry) => [cycle, entry] as const),
    ),
  );
  return before
    .map((entry) => ({ run: runId(cycle, entry), period: entry }))
    .filter(({ run }) => opened.has(run));
}

/**
 * In how many of the runs each flow was done (succeeded or passed) by an instant of that run, ms. A flow that never was is left out. The
 * time is that of reading the runs: 30 days of 13,000 flows are 390,000 rows.
 */
export async function doneBy(
  client: Queryable,
  runs: readonly { readonly run: string; readonly at: number }[],
): Promise<Map<string, number>> {
  const found = await client.query<{ flow: string; n: number }>({
    name: 'done-by',
    text: `select f.flow_id as flow, count(*)::int as n from unnest($1::text[], $2::bigint[]) as x (run_id, at_ms)
      join run_flows f on f.run_id = x.run_id
      where f.result in ('succeeded', 'force_passed') and f.result_ms <= x.at_ms group by f.flow_id`,
    values: [runs.map((run) => run.run), runs.map((run) => run.at)],
  });
  return new Map(found.rows.map((row) => [row.flow, row.n]));
}

/** Scheduled runs of a cycle that are open and not finished, the oldest period first. */
export async function openScheduledRuns(client: Queryable, cycle: Cycle): Promise<string[]> {
  const found = await client.query<{ id: string }>({
    name: 'open-scheduled-runs',
    text: `select id from runs where cycle = $1 and purpose = 'scheduled' and state = 'open' and finished_ms is null order by period`,
    values: [cycle],
  });
  return found.rows.map((row) => row.id);
}
