/** What a run of a backfill stands beside: the other runs of it, and which flows each of them is for. Reading only. */
import type { Beside } from '../../graph/run/foreign-runs.ts';
import type { Queryable } from '../schema/pool.ts';

/** The other runs of the backfill of this one, opened or not, with the flows that they are for; none for a run of no backfill. */
export async function runsBeside(client: Queryable, run: string): Promise<Beside[]> {
  const found = await client.query<{ run: string; flows: string[] | null }>(
    `select r.run_id as run, coalesce(r.flows, b.flows) as flows from backfill_runs r join backfills b on b.id = r.backfill_id
     where r.backfill_id = (select backfill_id from backfill_runs where run_id = $1) and r.run_id <> $1`,
    [run],
  );
  // Most runs of a backfill are for the same flows: one set serves them all.
  const sets = new Map<string, ReadonlySet<string>>();
  return found.rows.map(({ run, flows }) => {
    if (flows === null) return { run, flows };
    const key = flows.join(' ');
    const set = sets.get(key) ?? new Set(flows);
    sets.set(key, set);
    return { run, flows: set };
  });
}

/** Flows that a run of a backfill is for; null: all, or no run of a backfill. */
export async function flowsOfBackfill(client: Queryable, run: string): Promise<string[] | null> {
  const found = await client.query<{ flows: string[] | null }>(
    'select coalesce(r.flows, b.flows) as flows from backfill_runs r join backfills b on b.id = r.backfill_id where r.run_id = $1',
    [run],
  );
  return found.rows[0]?.flows ?? null;
}
