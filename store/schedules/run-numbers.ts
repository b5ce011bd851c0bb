/** Numbers of runs that are not the scheduled one: backfills and rehearsals of a period count from 1. */
import type { Cycle, Purpose } from '../../graph/model.ts';
import type { Queryable } from '../schema/pool.ts';

/**
 * The first number that none of the periods has a run of, archived ones included. Numbers of backfills are taken before their runs are
 * opened. Two that ask at once may get the same: the key of `runs` refuses the second. A period's text says its cycle, too.
 */
export async function nextRunNumber(
  client: Queryable,
  purpose: Purpose,
  periods: readonly { readonly cycle: Cycle; readonly period: string }[],
): Promise<number> {
  const found = await client.query<{ number: number }>(
    `select greatest(
       (select coalesce(max(r.number), 0) from unnest($1::text[], $2::text[]) as x (cycle, period)
        join runs r on r.cycle = x.cycle and r.period = x.period and r.purpose = $3),
       (select coalesce(max(substring(run_id from '[0-9]+$')::int), 0) from unnest($1::text[], $2::text[]) as x (cycle, period)
        join archived_runs a on a.cycle = x.cycle and a.period = x.period and a.purpose = $3),
       (select coalesce(max(b.number), 0) from backfills b join backfill_runs r on r.backfill_id = b.id
        where r.period = any($2::text[]) and $3 = 'backfill')) + 1 as number`,
    [periods.map((period) => period.cycle), periods.map((period) => period.period), purpose],
  );
  return found.rows[0]!.number;
}
