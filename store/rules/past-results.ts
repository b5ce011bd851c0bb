/** Results of the past that were newer than others may have used: flows that succeeded in a generation after their first. Reading only. */
import type { Queryable } from '../schema/pool.ts';

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
