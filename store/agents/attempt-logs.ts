/** Attempts as their logs need them. Reading only. */
import type { Queryable } from '../schema/pool.ts';

/** Whose attempts the epochs are, and of which flows; epochs that no attempt has are left out. */
export async function placesOfEpochs(
  client: Queryable,
  epochs: readonly number[],
): Promise<{ epoch: number; agent: string; run: string; flow: string }[]> {
  const found = await client.query<{ epoch: number; agent: string; run: string; flow: string }>({
    name: 'own-epochs',
    text: 'select epoch, agent, run_id as run, flow_id as flow from attempts where epoch = any($1::bigint[])',
    values: [epochs],
  });
  return found.rows;
}

/**
 * How long ago an attempt ended, and how many bytes its log has then: null where its agent did not say (it was lost, or wrote nothing).
 * Null while the attempt is open.
 */
export async function readLogEnd(
  client: Queryable,
  epoch: number,
): Promise<{ bytes: number | null; agoMs: number } | null> {
  const found = await client.query<{ bytes: number | null; agoMs: number }>({
    name: 'log-end',
    text: `select log_bytes as bytes, clock_ms() - ended_ms as "agoMs" from attempts where epoch = $1 and ended_ms is not null`,
    values: [epoch],
  });
  return found.rows[0] ?? null;
}
