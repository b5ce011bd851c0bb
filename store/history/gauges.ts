/** How much of everything is in the record now, as metrics. Reading only. */
import type { Queryable } from '../schema/pool.ts';

export interface Gauge {
  /** Name of the metric. */
  readonly name: string;
  /** A state or a platform; null: the metric has one value. */
  readonly label: string | null;
  readonly value: number;
}

/** Values of a metric stand one after the other. */
export async function readGauges(client: Queryable): Promise<Gauge[]> {
  const found = await client.query<Gauge>(
    `select 'sluice_open_runs' as name, null as label, count(*)::float8 as value from runs where state = 'open' and finished_ms is null
     union all select 'sluice_log_lag', null, coalesce(sum(log_seq - cursor), 0)::float8 from run_counters
     union all select 'sluice_operations_waiting', state, count(*)::float8 from operations
       where state in ('requested', 'approval_required') group by state
     union all select 'sluice_outbox_waiting', platform, count(*)::float8 from outbox where claimed_epoch is null group by platform
     union all select 'sluice_leases', platform, count(*)::float8 from leases group by platform`,
  );
  return found.rows;
}
