/** What the scheduled runs have done so far: which there are, and which of their flows have run. Reading only. */
import { runId } from '../../graph/calendar/calendar.ts';
import type { Cycle } from '../../graph/model.ts';
import type { Queryable } from '../schema/pool.ts';

/** Periods of scheduled runs by cycle, archived ones included, in order of time. */
export async function scheduledPeriods(client: Queryable): Promise<Record<Cycle, readonly string[]>> {
  const found = await client.query<{ cycle: Cycle; periods: string[] }>(
    `select cycle, array_agg(period order by period collate "C") as periods from (
       select cycle, period from runs where purpose = 'scheduled'
       union select cycle, period from archived_runs where purpose = 'scheduled') x group by cycle`,
  );
  const by = new Map(found.rows.map((row) => [row.cycle, row.periods]));
  return { hour: by.get('hour') ?? [], day: by.get('day') ?? [], month: by.get('month') ?? [] };
}

/** Flows that have a result or an attempt in the scheduled runs of the periods, by run; of archived runs those that were done. */
export async function flowsRun(
  client: Queryable,
  periods: readonly { readonly cycle: Cycle; readonly period: string }[],
): Promise<Map<string, ReadonlySet<string>>> {
  const found = await client.query<{ run: string; flows: string[] }>(
    `select f.run_id as run, array_agg(f.flow_id) as flows from run_flows f
     where f.run_id = any($1::text[]) and (f.result is not null
       or exists (select 1 from attempts a where a.run_id = f.run_id and a.flow_id = f.flow_id)) group by 1
     union all
     select a.run_id, a.done from archived_runs a
     where a.run_id = any($1::text[]) and not exists (select 1 from runs r where r.id = a.run_id)`,
    [periods.map(({ cycle, period }) => runId(cycle, period))],
  );
  return new Map(found.rows.map((row) => [row.run, new Set(row.flows)]));
}
