/** What the database refuses for its content (protocol A5): told apart from every other failure, and undone alone. */
import type pg from 'pg';
import { sqlState, type Transaction } from './pool.ts';

/** Data that no column takes (class 22: NUL, numbers out of range, ...), or that is too large or too deep for it (class 54). */
export const isRefusedContent = (error: unknown): boolean => /^(22|54)/.test(stateOf(error) ?? '');

/** Content that this transaction would store, and that a later one could not: refused as the database would. */
export class ContentRefusal extends Error {
  readonly state = '54000';
}

const stateOf = (error: unknown): string | null =>
  error instanceof ContentRefusal ? error.state : sqlState(error);

/** Stands in the place of a text that the database has refused. */
export const notStorable = (state: string): string => `[not storable: ${state}]`;

export interface Refusal {
  readonly state: string;
  readonly message: string;
}

/**
 * Does `work` within a savepoint. Null when it is done; when the database refuses it for its content, nothing of it is done and the
 * refusal is answered. Any other failure is thrown.
 */
export async function underSavepoint(
  client: Transaction,
  work: (client: Transaction) => void | Promise<void>,
): Promise<Refusal | null> {
  await client.query('savepoint one_row');
  const sent: Promise<unknown>[] = [];
  const send = (query: string | pg.QueryConfig, values?: unknown[]): void => {
    const done = client.query(query as string, values as unknown[]);
    done.catch(() => undefined);
    sent.push(done);
  };
  let failure: unknown = null;
  try {
    await work({ query: client.query, send });
    await Promise.all(sent);
  } catch (error) {
    const settled = await Promise.allSettled(sent);
    const errors = settled.flatMap((entry) => (entry.status === 'rejected' ? [entry.reason as unknown] : []));
    // Behind the statement that failed all others fail because it did.
    failure = [error, ...errors].find((entry) => sqlState(entry) !== '25P02') ?? error;
    if (!isRefusedContent(failure)) throw failure;
    await client.query('rollback to savepoint one_row');
  }
  await client.query('release savepoint one_row');
  return failure === null
    ? null
    : { state: stateOf(failure)!, message: (failure as Error).message.slice(0, 500) };
}
