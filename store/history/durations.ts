/** How long flows ran lately, for lists: averages of a window of time and of the one before it. Reading only. */
import type { Cycle } from '../../graph/model.ts';
import type { Queryable } from '../schema/pool.ts';

export interface RecentDurations {
  readonly cycle: Cycle;
  readonly flow: string;
  /** Successful attempts of scheduled runs that ended within the window. */
  readonly runs: number;
  readonly avgMs: number;
  readonly maxMs: number;
  readonly p95Ms: number;
  /** Average in the window before; null: no attempt ended in it. */
  readonly beforeMs: number | null;
}

/** How long before the window a run may have been opened whose attempts end in it: a month start takes weeks. */
const OPEN_DAYS: Readonly<Record<Cycle, number>> = { hour: 2, day: 7, month: 45 };
const DAY_MS = 86_400_000;

/**
 * Flows whose attempts took `atLeastMs` on average in the window from `from` to now, ms, and those of the flows `also` that ran in it. Two
 * weeks of 13,000 flows are 180,000 attempts (0.3 s).
 */
export async function recentDurations(
  client: Queryable,
  asked: {
    readonly now: number;
    readonly windowMs: number;
    readonly atLeastMs: number;
    readonly also: readonly string[];
  },
): Promise<RecentDurations[]> {
  const cycles = Object.keys(OPEN_DAYS) as Cycle[];
  const found = await client.query<RecentDurations>({
    name: 'recent-durations',
    text: `with took as (
        select r.cycle, a.flow_id, a.ended_ms - a.started_ms as ms, a.ended_ms > $1::bigint - $2::bigint as lately
        from unnest($3::text[], $4::bigint[]) as c (cycle, open_ms)
        join runs r on r.cycle = c.cycle and r.purpose = 'scheduled' and r.opened_ms > $1::bigint - 2 * $2::bigint - c.open_ms
        join attempts a on a.run_id = r.id
        where a.outcome = 'succeeded' and a.started_ms is not null and a.ended_ms > $1::bigint - 2 * $2::bigint and a.ended_ms <= $1::bigint)
      select cycle, flow_id as flow, count(*) filter (where lately)::int as runs, round(avg(ms) filter (where lately))::bigint as "avgMs",
        max(ms) filter (where lately) as "maxMs",
        round(percentile_cont(0.95) within group (order by ms) filter (where lately))::bigint as "p95Ms",
        round(avg(ms) filter (where not lately))::bigint as "beforeMs"
      from took group by cycle, flow_id
      having avg(ms) filter (where lately) >= $5::bigint or flow_id = any($6::text[]) and count(*) filter (where lately) > 0
      order by "avgMs" desc, flow_id`,
    values: [
      asked.now,
      asked.windowMs,
      cycles,
      cycles.map((cycle) => OPEN_DAYS[cycle] * DAY_MS),
      asked.atLeastMs,
      asked.also,
    ],
  });
  return found.rows;
}

export interface RunningFlow {
  readonly run: string;
  readonly flow: string;
  readonly agent: string;
  readonly startedAt: number;
}

/** What agents of scheduled runs are carrying out, the longest first. */
export async function runningFlows(client: Queryable): Promise<RunningFlow[]> {
  const found = await client.query<RunningFlow>({
    name: 'running-flows',
    text: `select l.run_id as run, l.flow_id as flow, l.agent, l.started_ms as "startedAt" from leases l
      join runs r on r.id = l.run_id and r.purpose = 'scheduled' where l.started_ms is not null order by l.started_ms, l.epoch`,
  });
  return found.rows;
}
