/** Numbered plain .sql files, forward only. Model: graphile/worker src/migrate.ts. */
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { SluiceError } from '../../errors.ts';
import { sqlState } from './pool.ts';

const folder = new URL('./migrations/', import.meta.url);

/** Lock timeout in ms, after which a migration steps back: while it waits for a lock on a table, all later users of the table wait for it. */
const LOCK_TIMEOUT_MS = 2_000;
/** Tries before a migration gives up. Between two of them other users of the table go first. */
const TRIES = 60;

export interface MigrateOptions {
  readonly lockTimeoutMs?: number;
  /** The last one to apply, for tests of those after it. */
  readonly upTo?: number;
}

/**
 * Brings a database to the newest schema. Safe to call from several processes at once and any number of times, also while others work
 * on it: what a migration may do to tables that are large is said in docs/operations.md.
 * Throws `database_too_new` when the database was migrated by a newer Sluice than this one.
 */
export async function migrate(pool: pg.Pool, options: MigrateOptions = {}): Promise<void> {
  const files = (await readdir(folder)).filter((name) => /^\d{4}_.+\.sql$/.test(name)).sort();
  const client = await pool.connect();
  try {
    await client.query('select pg_advisory_lock(746583)');
    await client.query(
      'create table if not exists migrations (id integer primary key, name text not null, applied_at timestamptz not null default now())',
    );
    const done = await client.query<{ id: number; name: string }>('select id, name from migrations');
    const known = new Set(files.map((name) => Number(name.slice(0, 4))));
    const unknown = done.rows.find((row) => !known.has(row.id));
    if (unknown)
      throw new SluiceError(
        'database_too_new',
        `the database has migration ${unknown.name}, which this Sluice does not know`,
      );
    const applied = new Set(done.rows.map((row) => row.id));
    for (const name of files) {
      const id = Number(name.slice(0, 4));
      if (applied.has(id) || id > (options.upTo ?? id)) continue;
      const text = await readFile(new URL(name, folder), 'utf8');
      await apply(client, { id, name, text }, options.lockTimeoutMs ?? LOCK_TIMEOUT_MS);
    }
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw error;
  } finally {
    await client.query('select pg_advisory_unlock(746583)').catch(() => {});
    client.release();
  }
}

async function apply(
  client: pg.PoolClient,
  { id, name, text }: { id: number; name: string; text: string },
  lockTimeoutMs: number,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await client.query(`begin; set local lock_timeout = ${Math.round(lockTimeoutMs)}`);
      // The bookkeeping row must come first, so that a second starter conflicts before it changes anything.
      await client.query('insert into migrations (id, name) values ($1, $2)', [id, name]);
      await client.query(text);
      await client.query('commit');
      return;
    } catch (error) {
      await client.query('rollback').catch(() => {});
      if (sqlState(error) !== '55P03' || tries >= TRIES) throw error;
      await pause(lockTimeoutMs / 2);
    }
  }
}
