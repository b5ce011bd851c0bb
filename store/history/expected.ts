/**
 * What the past of scheduled runs tells about the next one (decision 0013): learned from attempts and results into `expected_times`, by one
 * process at a time, and read from there by everybody.
 */
import { setImmediate as immediately } from 'node:timers/promises';
import type pg from 'pg';
import { periodSpan, shiftPeriod } from '../../graph/calendar/calendar.ts';
import { durationClass } from '../../graph/calendar/day-class.ts';
import { DEFAULT_CALENDAR } from '../../graph/calendar/work-days.ts';
import { Cycle } from '../../graph/model.ts';
import {
  alikeKey,
  type Learned,
  learn,
  type PastDuration,
  type Spread,
  spreadOf,
} from '../../graph/usual/expected.ts';
import { type UsualEnd, usualEnd } from '../../graph/usual/reference-time.ts';
import { type CatalogueVersion, newestVersion } from '../catalogue/catalogue.ts';
import { newestPeriod } from '../schedules/scheduled-runs.ts';
import { inTransaction, type Queryable } from '../schema/pool.ts';
import { readRows } from '../schema/rows-as-text.ts';

/** Periods looked back: five weeks, so that each class of day has some; thirteen months. */
const LOOKED_BACK = { hour: 35 * 24, day: 35, month: 13 } as const satisfies Record<Cycle, number>;
const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
/** Attempts read at once: a run of 13,000 flows and some. */
const READ_TOGETHER = 20_000;
const WRITTEN_TOGETHER = 5_000;
/** Flows reckoned at one go: a few milliseconds. */
const PIECE = 100;

export interface LearnReport {
  readonly cycle: Cycle;
  readonly runs: number;
  readonly durations: number;
  /** Rows that were written. */
  readonly series: number;
}

/**
 * Learns the cycles of which there is something new: a scheduled run that was finished, another catalogue version, or a day has passed.
 * Null while another process is at it; `signal` ends it between two pieces, and nothing was learned. 30 days of 13,000 flows take seconds (decision 0013).
 */
export async function learnExpected(
  pool: pg.Pool,
  versionOf: (version: number) => Promise<CatalogueVersion>,
  signal?: AbortSignal,
): Promise<LearnReport[] | null> {
  const holder = await pool.connect();
  const lock = "hashtext('sluice.expected')";
  let broken: Error | undefined;
  try {
    const got = await holder.query<{ ok: boolean }>(`select pg_try_advisory_lock(${lock}) as ok`);
    if (!got.rows[0]!.ok) return null;
    try {
      const version = await newestVersion(pool);
      if (version === null) return [];
      const reports: LearnReport[] = [];
      for (const cycle of await dueCycles(pool, version))
        reports.push(await learnCycle(pool, await versionOf(version), cycle, signal));
      return reports;
    } finally {
      await holder.query(`select pg_advisory_unlock(${lock})`);
    }
  } catch (error) {
    // The lock goes with its connection.
    broken = error as Error;
    throw error;
  } finally {
    holder.release(broken);
  }
}

async function dueCycles(client: Queryable, version: number): Promise<Cycle[]> {
  const found = await client.query<{ cycle: Cycle }>({
    name: 'expected-due',
    text: `select c.cycle from unnest($1::text[]) as c (cycle) left join expected_learned l on l.cycle = c.cycle
      where exists (select 1 from runs r where r.cycle = c.cycle and r.purpose = 'scheduled') and (
        l.cycle is null or l.catalogue_version <> $2 or l.learned_ms < clock_ms() - $3::bigint
        or l.finished_runs <> (select count(*) from runs r where r.cycle = c.cycle and r.purpose = 'scheduled' and r.finished_ms is not null))`,
    values: [Cycle.options, version, DAY_MS],
  });
  return found.rows.map((row) => row.cycle);
}

/** A flow's past as it is collected, newest period first. */
interface Past {
  readonly durations: PastDuration[];
  readonly ends: number[];
}

async function learnCycle(
  pool: pg.Pool,
  version: CatalogueVersion,
  cycle: Cycle,
  signal: AbortSignal | undefined,
): Promise<LearnReport> {
  const { graph } = version.graphOf(cycle);
  const calendar = version.frame.calendars[0] ?? DEFAULT_CALENDAR;
  // Before what is read, so that a run that is finished meanwhile is learned next time.
  const { learnedAt, finishedRuns } = await readMark(pool, cycle);
  const runs = await pastRuns(pool, cycle);
  const people = graph.ids.filter((_, v) => graph.attrOf(v).runner !== 'agent');
  const past = new Map<string, Past>();
  const pastOf = (flow: string): Past => {
    const known = past.get(flow) ?? { durations: [], ends: [] };
    past.set(flow, known);
    return known;
  };
  let durations = 0;
  const together = Math.max(1, Math.floor(READ_TOGETHER / Math.max(1, graph.n)));
  for (let i = 0; i < runs.length; i += together) {
    signal?.throwIfAborted();
    const some = runs.slice(i, i + together);
    const [attempts, confirmed] = await Promise.all([
      readAttempts(pool, some),
      readConfirmed(pool, some, people),
    ]);
    for (const { run, period } of some) {
      const { startMs } = periodSpan(cycle, period, calendar.timeZone);
      const dayClass = durationClass(cycle, period, calendar);
      for (const [flow, { ms, firstEnd, lastEnd }] of attempts.get(run) ?? []) {
        const { durations: list, ends } = pastOf(flow);
        list.push({ ms, dayClass, lately: lastEnd > learnedAt - WEEK_MS });
        ends.push(firstEnd - startMs);
        durations++;
      }
      for (const [flow, at] of confirmed.get(run) ?? []) pastOf(flow).ends.push(at - startMs);
    }
  }
  const rows = await seriesOf(version, cycle, past);
  await write(pool, cycle, rows, { learnedAt, finishedRuns, version: version.version });
  return { cycle, runs: runs.length, durations, series: rows.length };
}

async function readMark(
  client: Queryable,
  cycle: Cycle,
): Promise<{ learnedAt: number; finishedRuns: number }> {
  const found = await client.query<{ learnedAt: number; finishedRuns: number }>({
    name: 'expected-mark',
    text: `select clock_ms() as "learnedAt", count(*) as "finishedRuns" from runs
      where cycle = $1 and purpose = 'scheduled' and finished_ms is not null`,
    values: [cycle],
  });
  return found.rows[0]!;
}

interface PastRunRow {
  readonly run: string;
  readonly period: string;
}

/** Newest first. */
async function pastRuns(client: Queryable, cycle: Cycle): Promise<PastRunRow[]> {
  const newest = await newestPeriod(client, cycle, null);
  if (newest === null) return [];
  const found = await client.query<PastRunRow>({
    name: 'expected-runs',
    text: `select id as run, period from runs where cycle = $1 and purpose = 'scheduled' and period > $2 order by period desc`,
    values: [cycle, shiftPeriod(cycle, newest, -LOOKED_BACK[cycle])],
  });
  return found.rows;
}

/** For each flow that succeeded: how long its last successful attempt took, and when the first and the last one ended. */
async function readAttempts(client: Queryable, runs: readonly PastRunRow[]) {
  const found = new Map<string, Map<string, { ms: number; firstEnd: number; lastEnd: number }>>();
  for (const [run, flow, started, ended] of await readRows(client, {
    name: 'expected-attempts',
    columns: ['run_id', 'flow_id', 'started_ms', 'ended_ms'],
    from: `from attempts where run_id = any($1::text[]) and outcome = 'succeeded' and started_ms is not null`,
    order: 'epoch',
    values: [runs.map((run) => run.run)],
  })) {
    const flows = found.get(run!) ?? new Map();
    found.set(run!, flows);
    const end = Number(ended);
    const firstEnd = flows.get(flow!)?.firstEnd ?? end;
    flows.set(flow!, { ms: end - Number(started), firstEnd, lastEnd: end });
  }
  return found;
}

/** When people and the engine were done with what no agent runs. */
async function readConfirmed(client: Queryable, runs: readonly PastRunRow[], flows: readonly string[]) {
  const found = new Map<string, Map<string, number>>();
  if (flows.length === 0) return found;
  for (const [run, flow, at] of await readRows(client, {
    name: 'expected-confirmed',
    columns: ['run_id', 'flow_id', 'result_ms'],
    from: `from run_flows where run_id = any($1::text[]) and result = 'succeeded' and flow_id = any($2::text[])`,
    values: [runs.map((run) => run.run), flows],
  })) {
    const ends = found.get(run!) ?? new Map();
    found.set(run!, ends.set(flow!, Number(at)));
  }
  return found;
}

interface SeriesRow {
  readonly dayClass: string;
  readonly series: string;
  readonly spread: Spread | null;
  readonly week: Learned['week'];
  readonly end: UsualEnd | null;
}

/** Piece by piece: the process answers requests beside it. */
async function seriesOf(
  version: CatalogueVersion,
  cycle: Cycle,
  past: ReadonlyMap<string, Past>,
): Promise<SeriesRow[]> {
  const rows: SeriesRow[] = [];
  /** Medians of the flows that are alike: each flow counts once, however often it ran. */
  const alike = new Map<string, number[]>();
  let reckoned = 0;
  for (const [series, { durations, ends }] of past) {
    if (++reckoned % PIECE === 0) await immediately();
    const { spreads, week } = learn(durations);
    const end = usualEnd(ends);
    const all = spreads.get('') ?? null;
    if (all !== null || end !== null) rows.push({ dayClass: '', series, spread: all, week, end });
    for (const [dayClass, spread] of spreads)
      if (dayClass !== '') rows.push({ dayClass, series, spread, week: null, end: null });
    const flow = version.flows.get(series);
    if (all === null || flow === undefined) continue;
    const key = alikeKey(cycle, flow);
    const medians = alike.get(key) ?? [];
    alike.set(key, medians);
    medians.push(all.p50);
  }
  for (const [series, medians] of alike)
    rows.push({ dayClass: '', series, spread: spreadOf(medians), week: null, end: null });
  return rows;
}

/** All rows of the cycle are new ones. */
async function write(
  pool: pg.Pool,
  cycle: Cycle,
  rows: readonly SeriesRow[],
  mark: { readonly learnedAt: number; readonly finishedRuns: number; readonly version: number },
): Promise<void> {
  await inTransaction(
    pool,
    async (client) => {
      client.send('delete from expected_times where cycle = $1', [cycle]);
      for (let i = 0; i < rows.length; i += WRITTEN_TOGETHER) {
        const some = rows.slice(i, i + WRITTEN_TOGETHER);
        const column = <T>(of: (row: SeriesRow) => T | undefined) => some.map((row) => of(row) ?? null);
        client.send({
          name: 'write-expected',
          text: `insert into expected_times (cycle, day_class, series, n, p10_ms, p50_ms, p90_ms, week_n, week_ms, end_n, end_ms)
            select $1, * from unnest($2::text[], $3::text[], $4::int[], $5::bigint[], $6::bigint[], $7::bigint[], $8::int[], $9::bigint[],
              $10::int[], $11::bigint[])`,
          values: [
            cycle,
            column((row) => row.dayClass),
            column((row) => row.series),
            column((row) => row.spread?.n ?? 0),
            column((row) => row.spread?.p10),
            column((row) => row.spread?.p50),
            column((row) => row.spread?.p90),
            column((row) => row.week?.n),
            column((row) => row.week?.ms),
            column((row) => row.end?.n),
            column((row) => row.end?.ms),
          ],
        });
      }
      client.send(
        `insert into expected_learned (cycle, learned_ms, finished_runs, catalogue_version) values ($1, $2, $3, $4)
         on conflict (cycle) do update set learned_ms = excluded.learned_ms, finished_runs = excluded.finished_runs,
           catalogue_version = excluded.catalogue_version`,
        [cycle, mark.learnedAt, mark.finishedRuns, mark.version],
      );
    },
    { guarded: false },
  );
}
