/** What claims that wait are woken for. Reading only. */
import type { Queryable } from '../schema/pool.ts';

/** Agents that carry out something of the run and have to end it. */
export async function agentsToStop(client: Queryable, run: string): Promise<string[]> {
  const found = await client.query<{ agent: string }>(
    'select distinct agent from leases where stop and run_id = $1',
    [run],
  );
  return found.rows.map((row) => row.agent);
}

/** Platforms of released flows that no agent has claimed. */
export async function platformsWithWork(client: Queryable): Promise<string[]> {
  const found = await client.query<{ platform: string }>({
    name: 'waiting-platforms',
    text: 'select distinct platform from outbox where claimed_epoch is null',
  });
  return found.rows.map((row) => row.platform);
}
