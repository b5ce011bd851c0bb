/** Attempts of many flows, for lists. Reading only. */
import type { GaveUp } from '../../graph/run/run-facts.ts';
import type { Queryable } from '../schema/pool.ts';

export interface ListedAttempt {
  readonly run: string;
  readonly flow: string;
  readonly generation: number;
  readonly attempt: number;
  readonly agent: string;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly outcome: string | null;
  readonly failure: string | null;
  readonly message: string | null;
  readonly rows: number | null;
}

/** One that ended without success, with why the engine gave its flow up after it. */
export interface FailedAttempt extends ListedAttempt {
  readonly gaveUp: GaveUp | null;
}

const COLUMNS = `a.run_id as run, a.flow_id as flow, a.generation, a.attempt, a.agent,
  a.started_ms as "startedAt", a.ended_ms as "endedAt", a.outcome, a.failure_kind as failure, a.message, a.rows`;

/** The latest attempt of each of the flows, by flow. */
export async function lastAttempts(
  client: Queryable,
  run: string,
  flows: readonly string[],
): Promise<Map<string, ListedAttempt>> {
  if (flows.length === 0) return new Map();
  const found = await client.query<ListedAttempt>({
    name: 'last-attempts-of',
    text: `select distinct on (a.flow_id) ${COLUMNS} from attempts a where a.run_id = $1 and a.flow_id = any($2::text[])
      order by a.flow_id, a.epoch desc`,
    values: [run, flows],
  });
  return new Map(found.rows.map((row) => [row.flow, row]));
}

/** From a row as text. */
export const gaveUpOf = (cause = '', used = '', allowed = ''): GaveUp => ({
  cause: cause as GaveUp['cause'],
  used: Number(used),
  allowed: Number(allowed),
});

const GAVE_UP = `case when g.cause is not null then json_build_object('cause', g.cause, 'used', g.used, 'allowed', g.allowed) end as "gaveUp"`;

/**
 * Attempts of the runs that ended without success, the newest first; a claim that was given back is none. With the last answer `false` of
 * checks that were given up.
 */
export async function failedAttempts(client: Queryable, runs: readonly string[]): Promise<FailedAttempt[]> {
  const found = await client.query<FailedAttempt>({
    name: 'failed-attempts',
    text: `select ${COLUMNS}, ${GAVE_UP} from attempts a left join give_ups g using (run_id, flow_id, generation, attempt)
      where a.run_id = any($1::text[]) and (a.outcome in ('failed', 'lost') or (a.outcome = 'false' and g.cause is not null))
      order by a.ended_ms desc, a.epoch desc`,
    values: [runs],
  });
  return found.rows;
}

export interface Handling {
  readonly run: string;
  readonly flow: string;
  readonly actor: string;
  readonly at: number;
}

/** What people decided about flows of the runs, the oldest first. */
export async function decisionsAbout(client: Queryable, runs: readonly string[]): Promise<Handling[]> {
  const found = await client.query<Handling>({
    name: 'decisions-about',
    text: `select o.run_id as run, t.flow, o.actor, o.decided_ms as at from operations o
      cross join lateral json_array_elements_text(coalesce(o.body -> 'flows', '[]'::json)) as t (flow)
      where o.run_id = any($1::text[]) and o.state = 'applied' order by o.decided_ms, o.id`,
    values: [runs],
  });
  return found.rows;
}

/** Rows that the last successful attempt of each flow of a run reported, by flow; those that reported none are left out. */
export async function reportedRows(client: Queryable, run: string): Promise<Map<string, number>> {
  const found = await client.query<{ flow: string; rows: number }>({
    name: 'reported-rows',
    text: `select distinct on (flow_id) flow_id as flow, rows from attempts
      where run_id = $1 and outcome = 'succeeded' and rows is not null order by flow_id, epoch desc`,
    values: [run],
  });
  return new Map(found.rows.map((row) => [row.flow, row.rows]));
}

/** Median of the rows that flows reported in the runs, by flow, and in how many runs. */
export async function usualRows(
  client: Queryable,
  runs: readonly string[],
): Promise<Map<string, { readonly median: number; readonly n: number }>> {
  const found = await client.query<{ flow: string; median: number; n: number }>({
    name: 'usual-rows',
    text: `select flow_id as flow, percentile_cont(0.5) within group (order by rows)::float8 as median, count(distinct run_id)::int as n
      from attempts where run_id = any($1::text[]) and outcome = 'succeeded' and rows is not null group by flow_id`,
    values: [runs],
  });
  return new Map(found.rows.map(({ flow, ...rest }) => [flow, rest]));
}

export interface FlowEffort {
  readonly flow: string;
  /** Successful attempts, their whole run time, ms, and the rows that they reported. */
  readonly runs: number;
  readonly ms: number;
  readonly rows: number;
  readonly failures: number;
}

/** What flows took in the runs, all together, by flow. */
export async function effortOf(client: Queryable, runs: readonly string[]): Promise<FlowEffort[]> {
  const found = await client.query<FlowEffort>({
    name: 'effort-of',
    text: `select flow_id as flow, count(*) filter (where outcome = 'succeeded')::int as runs,
        coalesce(sum(ended_ms - started_ms) filter (where outcome = 'succeeded'), 0)::float8 as ms,
        coalesce(sum(rows) filter (where outcome = 'succeeded'), 0)::float8 as rows,
        count(*) filter (where outcome in ('failed', 'lost'))::int as failures
      from attempts where run_id = any($1::text[]) group by flow_id`,
    values: [runs],
  });
  return found.rows;
}
