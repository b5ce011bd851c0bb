/** NOTIFY to other processes: what has changed, by channel (store/schema/listen.ts hears it). */
import type { Queryable, Transaction } from './pool.ts';

/**
 * Payloads: `sluice_log`, `sluice_wake`, `sluice_run`, `sluice_stop` a run; `sluice_outbox` a platform, `*` = all; `sluice_operation` an
 * operation; `sluice_actors` an actor; `sluice_schedules` a schedule, '' = all.
 */
export type Channel =
  | 'sluice_log'
  | 'sluice_wake'
  | 'sluice_run'
  | 'sluice_stop'
  | 'sluice_outbox'
  | 'sluice_operation'
  | 'sluice_actors'
  | 'sluice_schedules';

/** Heard when the transaction commits. */
export async function notify(client: Queryable, channel: Channel, payload: string): Promise<void> {
  await client.query(`select pg_notify('${channel}', $1)`, [payload]);
}

/** The same without a round trip. */
export function sendNotify(client: Transaction, channel: Channel, payload: string): void {
  client.send(`select pg_notify('${channel}', $1)`, [payload]);
}
