/** What a flow did in runs that are not asked for by name. Reading only. */
import type { Cycle } from '../../graph/model.ts';
import type { Queryable } from '../schema/pool.ts';

export interface LastAttempt {
  readonly run: string;
  readonly outcome: string;
  readonly agent: string;
  /** null: it ended before it had started. */
  readonly startedAt: number | null;
  readonly endedAt: number;
  readonly rows: number | null;
}

/**
 * Its last ended attempt in the newest run in which it has one; null when there is none in the record. Rehearsals are no history. O(runs of
 * the cycle) at worst, one look into an index each.
 */
export async function lastAttempt(
  client: Queryable,
  cycle: Cycle,
  flow: string,
): Promise<LastAttempt | null> {
  const found = await client.query<LastAttempt>({
    name: 'last-attempt',
    text: `select r.id as run, a.outcome, a.agent, a.started_ms as "startedAt", a.ended_ms as "endedAt", a.rows
      from runs r cross join lateral (
        select * from attempts where run_id = r.id and flow_id = $2 and ended_ms is not null order by epoch desc limit 1) a
      where r.cycle = $1 and r.purpose <> 'rehearsal' order by r.opened_ms desc, r.id desc limit 1`,
    values: [cycle, flow],
  });
  return found.rows[0] ?? null;
}
