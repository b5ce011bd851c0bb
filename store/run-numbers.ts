/** Numbers of runs that are not the scheduled one: backfills and rehearsals of a period count from 1. */
import type { Cycle, Purpose } from '../graph/model.ts';
import type { Queryable } from './pool.ts';

/**
 * The first number that none of the periods has a run of, archived ones included. Numbers of backfills are taken before their runs are
 * opened. Two that ask at once may get the same: the key of `runs` refuses the second.
 */
export async function nextRunNumber(
  client: Queryable,
  cycle: Cycle,
  purpose: Purpose,
  periods: readonly string[],
): Promise<number> {
  const found = await client.query<{ number: number }>(
    `select greatest(
       (select coalesce(max(number), 0) from runs where cycle = $1 and purpose = $2 and period = any($3::text[])),
       (select coalesce(max(substring(run_id from '[0-9]+$')::int), 0) from archived_runs
        where cycle = $1 and purpose = $2 and period = any($3::text[])),
       (select coalesce(max(b.number), 0) from backfills b join backfill_runs r on r.backfill_id = b.id
        where b.cycle = $1 and r.period = any($3::text[]) and $2 = 'backfill')) + 1 as number`,
    [cycle, purpose, periods],
  );
  return found.rows[0]!.number;
}
