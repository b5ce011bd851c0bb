/** Connections to the record. */
import pg from 'pg';

/** bigint columns of the record hold instants in ms and counters: all below 2^53. Other databases keep pg's reading, as text. */
const TYPES = new pg.TypeOverrides();
TYPES.setTypeParser(pg.types.builtins.INT8, Number);

/** TCP keep-alive after 10 s of silence: a lost machine or connection is noticed within half a minute. */
export const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelayMillis: 10_000 } as const;

export type Queryable = Pick<pg.ClientBase, 'query'>;

/** A connection inside a transaction. */
export interface Transaction extends Queryable {
  /**
   * Sends a statement whose rows nobody needs. The end of the transaction waits for it, and the transaction fails when it fails. Such a
   * statement costs no round trip (unless the pool is for COPY), so locks are held for a shorter time.
   */
  send(query: string | pg.QueryConfig, values?: unknown[]): void;
}

/** A pool whose idle connections may break without ending the process (a restart of PostgreSQL does that). */
export function createPool(
  url: string,
  options: {
    max: number;
    name: string;
    onError?: (error: Error) => void;
    /** Statement timeout in ms, after which the connection is dropped. Default: none. */
    answerMs?: number;
    /** Whether the pool is for COPY. Otherwise statements are pipelined, which COPY does not allow. Default: false. */
    copies?: boolean;
  },
): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.max,
    application_name: `sluice-${options.name}`,
    connectionTimeoutMillis: 5_000,
    ...KEEP_ALIVE,
    ...(options.answerMs === undefined ? {} : { query_timeout: options.answerMs }),
    pipeline: options.copies !== true,
    types: TYPES,
  });
  pool.on('error', (error) => options.onError?.(error));
  // pg takes its own listener away before a connection is handed over. A server that ends a connection in that moment, or while somebody only
  // holds it, would end the process: 'error' without a listener. The next statement on the connection fails, and says why.
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

export interface TransactionOptions {
  /** Sets transaction_timeout 5 s and lock_timeout 2 s, so that a process that hangs frees its locks (protocol A10). Default: true. */
  readonly guarded?: boolean;
  readonly begin?: string;
  /** Whether the end of the transaction is waited for; a transaction that only reads need not. Default: true. */
  readonly awaitsEnd?: boolean;
  /** For this time, ms, a transaction that a lock timeout, a deadlock or a serialisation failure rolled back is repeated. Default: 0. */
  readonly retryForMs?: number;
}

/** Rest before the transaction is repeated, ms. */
const AGAIN_MS = 50;

/** Does `work` in one transaction. A connection on which the transaction did not end cleanly is closed. */
export async function inTransaction<T>(
  pool: pg.Pool,
  work: (client: Transaction) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> {
  const until = performance.now() + (options.retryForMs ?? 0);
  for (;;) {
    try {
      return await once(pool, work, options);
    } catch (error) {
      // Lock timeout, deadlock, serialisation: PostgreSQL has rolled back, nothing was done.
      if (!/^(55P03|40P01|40001)$/.test(sqlState(error) ?? '') || performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

async function once<T>(
  pool: pg.Pool,
  work: (client: Transaction) => Promise<T>,
  options: TransactionOptions,
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  const sent: Promise<unknown>[] = [];
  const send = (query: string | pg.QueryConfig, values?: unknown[]): void => {
    const done = client.query(query as string, values as unknown[]);
    // The error reaches the caller by the end of the transaction.
    done.catch(() => undefined);
    sent.push(done);
  };
  try {
    send(
      options.guarded === false
        ? (options.begin ?? 'begin')
        : `${options.begin ?? 'begin'}; set local transaction_timeout = '5s'; set local lock_timeout = '2s'`,
    );
    const result = await work({ query: client.query.bind(client) as Queryable['query'], send });
    send('commit');
    await Promise.all(options.awaitsEnd === false ? sent.slice(0, -1) : sent);
    return result;
  } catch (error) {
    const cause = await firstCause(error, sent);
    // A rollback would get no answer either.
    if (cause instanceof Error && CONNECTION_LOST.test(cause.message)) broken = cause;
    else
      await client.query('rollback').catch((failed: Error) => {
        broken = failed;
      });
    throw cause;
  } finally {
    client.release(broken);
  }
}

/** Messages of pg about a connection that gave no answer in time (`answerMs`), or is closed. */
const CONNECTION_LOST = /Connection terminated|is not queryable|Query read timeout/;

/** After a statement has failed, all later ones fail with 25P02. Answers the error that is the cause. */
async function firstCause(error: unknown, sent: readonly Promise<unknown>[]): Promise<unknown> {
  const settled = await Promise.allSettled(sent);
  const errors = settled.flatMap((entry) => (entry.status === 'rejected' ? [entry.reason as unknown] : []));
  return [error, ...errors].find((entry) => sqlState(entry) !== '25P02') ?? error;
}

/** SQLSTATE of an error of PostgreSQL; null for other errors. The class decides, as system codes such as EPIPE have five letters, too. */
export function sqlState(error: unknown): string | null {
  return error instanceof pg.DatabaseError ? (error.code ?? null) : null;
}

/** True for errors after which the same transaction may succeed: broken connection, lock timeout, deadlock, restart. */
export function isTransient(error: unknown): boolean {
  const state = sqlState(error);
  if (state === null)
    return (
      (error as { code?: unknown } | null)?.code !== undefined ||
      /terminat|timeout|ECONN/i.test(String(error))
    );
  return /^(08|40|53|57P|55P03|25P04)/.test(state);
}

/** Whether the record could not be asked: nothing is wrong with what was asked for. */
export function isOutage(error: unknown): boolean {
  if (sqlState(error) !== null) return isTransient(error);
  const { code, message } = (error ?? {}) as { code?: string; message?: string };
  return (
    /^E(CONN|PIPE|TIMEDOUT|NOTFOUND|AI_AGAIN|HOST)/.test(code ?? '') ||
    /^(timeout exceeded when trying to connect|Cannot use a pool after)/.test(message ?? '') ||
    CONNECTION_LOST.test(message ?? '')
  );
}
