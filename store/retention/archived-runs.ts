/** Runs that have left the record, and their way back (docs/decisions/0007). */
import type pg from 'pg';
import { SluiceError } from '../../errors.ts';
import type { Cycle, Purpose } from '../../graph/model.ts';
import { inTransaction, type Queryable } from '../schema/pool.ts';
import { readArchive } from './run-archive.ts';

export interface ArchivedRun {
  readonly run: string;
  readonly cycle: Cycle;
  readonly period: string;
  readonly purpose: Purpose;
  readonly file: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly rows: Readonly<Record<string, number>>;
  readonly archivedAt: number;
  readonly restoredAt: number | null;
}

const ARCHIVED = `select run_id as run, cycle, period, purpose, file, sha256, bytes, rows, archived_ms as "archivedAt",
  restored_ms as "restoredAt" from archived_runs`;

/** Newest first. */
export async function listArchived(client: Queryable, limit: number): Promise<ArchivedRun[]> {
  const found = await client.query<ArchivedRun>(
    `${ARCHIVED} order by archived_ms desc, run_id desc limit $1`,
    [limit],
  );
  return found.rows;
}

/** Those of the runs that have left the record and are not back in it. */
export async function archivedAmong(client: Queryable, runs: readonly string[]): Promise<string[]> {
  const found = await client.query<{ run_id: string }>(
    `select run_id from archived_runs a where run_id = any($1::text[]) and not exists (select 1 from runs r where r.id = a.run_id)`,
    [runs],
  );
  return found.rows.map((row) => row.run_id);
}

/** The day on which the run was archived, YYYY-MM-DD; null: it never was. */
export async function archivedOn(client: Queryable, run: string): Promise<string | null> {
  const found = await client.query<{ day: string }>(
    `select to_char(to_timestamp(archived_ms / 1000), 'YYYY-MM-DD') as day from archived_runs where run_id = $1`,
    [run],
  );
  return found.rows[0]?.day ?? null;
}

/**
 * Puts an archived run back for reading: closed, so that nothing in it begins. It is left alone for 30 days, then goes again. Throws
 * `unknown_run` when it was not archived, `run_exists` when it is there, `archive_unreadable`.
 */
export async function restoreRun(pool: pg.Pool, folder: string, run: string): Promise<ArchivedRun> {
  const found = await pool.query<ArchivedRun>(`${ARCHIVED} where run_id = $1`, [run]);
  const archived = found.rows[0];
  if (archived === undefined)
    throw new SluiceError('unknown_run', `no run ${run} was archived`, { facts: { run } });
  await inTransaction(
    pool,
    async (client) => {
      const there = await client.query('select 1 from runs where id = $1', [run]);
      if (there.rowCount !== 0)
        throw new SluiceError('run_exists', `the run ${run} is in the record`, { facts: { run } });
      await readArchive(client, folder, archived);
      await client.query(
        `update runs set state = 'closed', closed_ms = coalesce(closed_ms, finished_ms) where id = $1`,
        [run],
      );
      await client.query('update archived_runs set restored_ms = clock_ms() where run_id = $1', [run]);
    },
    { guarded: false },
  );
  return { ...archived, restoredAt: Date.now() };
}
