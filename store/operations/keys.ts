/** What was done under an idempotency key (protocol B1). Reading only. */

import type { Queryable } from '../schema/pool.ts';
import type { OperationRow } from './operation-rows.ts';
import { operationOfKey } from './operations.ts';

/** All null: nothing came to the record under this key. */
export interface Keyed {
  readonly operation: OperationRow | null;
  readonly backfill: string | null;
  readonly event: string | null;
}

/** Searches the actor's own keys. An operation is also found by its id, also of another actor. */
export async function readKeyed(client: Queryable, actor: string, key: string): Promise<Keyed> {
  const [operation, others] = await Promise.all([
    operationOfKey(client, actor, key),
    client.query<{ backfill: string | null; event: string | null }>(
      `select (select id from backfills where actor = $1 and idempotency_key = $2) as backfill,
         (select id from external_events where actor = $1 and idempotency_key = $2) as event`,
      [actor, key],
    ),
  ]);
  return { operation, ...others.rows[0]! };
}
