/** Results of the past at which rules would have looked: newer ones than others may have used, and failures for good. Reading only. */
import type { Queryable } from '../schema/pool.ts';
import { LAST_FAILURE } from './facts.ts';

export interface PastResult {
  readonly run: string;
  readonly flow: string;
  readonly generation: number;
  readonly at: number;
  /** Who asked for the generation; null: it is not known. */
  readonly actor: string | null;
}

/** Maximum number of results that are looked at, the newest. */
const LIMIT = 5_000;

/** The oldest first, of runs that were not finished before. Rehearsals are left out. */
export async function resultsSince(client: Queryable, since: number): Promise<PastResult[]> {
  const found = await client.query<PastResult>(
    `select * from (
       select x.run_id as run, x.flow_id as flow, x.generation, x.result_ms as at, o.actor
       from runs r
       cross join lateral (
         select run_id, flow_id, generation, result, result_ms from run_flows
         where run_id = r.id and generation > 1 and result_ms > $1
         union all
         select run_id, flow_id, generation, result, result_ms from flow_generations
         where run_id = r.id and generation > 1 and result_ms > $1
       ) x
       left join flow_generations g on g.run_id = x.run_id and g.flow_id = x.flow_id and g.generation = x.generation - 1
       left join operations o on o.id = g.operation_id
       where r.purpose <> 'rehearsal' and (r.finished_ms is null or r.finished_ms > $1) and x.result = 'succeeded'
       order by x.result_ms desc, x.run_id, x.flow_id limit $2
     ) y order by at, run, flow`,
    [since, LIMIT],
  );
  return found.rows;
}

export interface PastFailure {
  readonly run: string;
  readonly flow: string;
  readonly generation: number;
  readonly at: number;
  /** Kind of the last failure. */
  readonly failure: string;
  /** When the next generation began; null: it has not. */
  readonly endedAt: number | null;
}

/** Flows of agents that failed for good, the oldest first, of runs that were not finished before. Rehearsals are left out. */
export async function failuresSince(client: Queryable, since: number): Promise<PastFailure[]> {
  const found = await client.query<PastFailure>(
    `select * from (
       select f.run_id as run, f.flow_id as flow, f.generation, f.result_ms as at, t.failure, f.ended_ms as "endedAt"
       from runs r
       cross join lateral (
         select run_id, flow_id, generation, result_ms, null::bigint as ended_ms from run_flows
         where run_id = r.id and result = 'failed' and result_ms > $1
         union all
         select run_id, flow_id, generation, result_ms, ended_ms from flow_generations
         where run_id = r.id and result = 'failed' and result_ms > $1
       ) f
       cross join lateral ${LAST_FAILURE} t
       where r.purpose <> 'rehearsal' and (r.finished_ms is null or r.finished_ms > $1)
       order by f.result_ms desc, f.run_id, f.flow_id limit $2
     ) x order by at, run, flow`,
    [since, LIMIT],
  );
  return found.rows;
}
