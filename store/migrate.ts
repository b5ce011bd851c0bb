/** Numbered plain .sql files, forward only. Model: graphile/worker src/migrate.ts. */
import { readdir, readFile } from 'node:fs/promises';
import type pg from 'pg';
import { SluiceError } from '../errors.ts';

const folder = new URL('./migrations/', import.meta.url);

/**
 * Brings a database to the newest schema. Safe to call from several processes at once and any number of times.
 * Throws `database_too_new` when the database was migrated by a newer Sluice than this one.
 */
export async function migrate(pool: pg.Pool): Promise<void> {
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
      if (applied.has(id)) continue;
      await client.query('begin');
      // The bookkeeping row must come first, so that a second starter conflicts before it changes anything.
      await client.query('insert into migrations (id, name) values ($1, $2)', [id, name]);
      await client.query(await readFile(new URL(name, folder), 'utf8'));
      await client.query('commit');
    }
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw error;
  } finally {
    await client.query('select pg_advisory_unlock(746583)').catch(() => {});
    client.release();
  }
}
