/**
 * Epochs of leases (protocol C3): microseconds since 1970, given out by one row. They are never used twice, not by a record that was
 * restored or rebuilt either, as long as clocks agree; where one does not, the fence of a platform tells (`raiseEpochs`).
 */
import type pg from 'pg';
import type { Queryable, Transaction } from '../schema/pool.ts';

/** Larger ones are no moment before the year 2223: somebody wrote them by hand. Numbers stay exact up to 9.0e15. */
export const HIGHEST_EPOCH = 8e15;

/** Takes `count` epochs; the last of them is answered. The row stays locked until the transaction ends: after the agents' rows (protocol A10). */
export function takingEpochs(count: number): pg.QueryConfig {
  return {
    name: 'take-epochs',
    text: 'update epoch_clock set last = greatest(last + $1::int, clock_us()) returning last',
    values: [count],
  };
}

/** A platform has seen this epoch: those given out from now on are larger. */
export function raiseEpochs(client: Transaction, epoch: number): void {
  client.send('update epoch_clock set last = greatest(last, $1::bigint)', [epoch]);
}

/** The newest epoch that was given out by transactions that have ended. */
export async function newestEpoch(client: Queryable): Promise<number> {
  const found = await client.query<{ last: number }>('select last from epoch_clock');
  return found.rows[0]!.last;
}

/** Whose record this is. */
export async function readRecordId(client: Queryable): Promise<string> {
  const found = await client.query<{ id: string }>('select id from record_identity');
  return found.rows[0]!.id;
}
