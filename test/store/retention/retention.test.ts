import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { estate } from '../../../bench/estate/catalogue.ts';
import { makeEstate } from '../../../bench/estate/estate.ts';
import { pastRuns } from '../../../bench/estate/past.ts';
import { writePast } from '../../../bench/estate/write-past.ts';
import { checkCatalogue } from '../../../graph/catalogue/check.ts';
import type { Subscription } from '../../../graph/run/subscriptions.ts';
import { saveVersion } from '../../../store/catalogue/catalogue.ts';
import { subscribe } from '../../../store/record/subscriptions.ts';
import { restoreRun } from '../../../store/retention/archived-runs.ts';
import { dueRuns, type RetentionPolicy, runRetention } from '../../../store/retention/retention.ts';
import { RUN_TABLES } from '../../../store/retention/run-archive.ts';
import { createPool, inTransaction } from '../../../store/schema/pool.ts';
import { createTestDatabase } from '../../support/database.ts';
import { openTestRun } from '../../support/estate.ts';

const database = await createTestDatabase('retention');
const pool = createPool(database.url, { max: 5, name: 'test', copies: true });
const folder = await mkdtemp(join(tmpdir(), 'sluice-test-archive-'));
const policy: RetentionPolicy = { keepDays: { hour: 45, day: 190, month: 800 }, auditDays: 1_100, folder };
afterAll(async () => {
  await pool.end();
  await rm(folder, { recursive: true, force: true });
});

/** Two days and their hours at the end of May 2025, with the month; all over for more than a year. */
beforeAll(async () => {
  const files = estate(200, 7);
  const { flows, catalogue } = checkCatalogue(files);
  const { flows: _, distributions: __, ...frame } = catalogue;
  const version = { hash: 'x', mode: 'apply', actor: 'test', files, frame, flows: [...flows] } as const;
  await inTransaction(pool, (client) => saveVersion(client, version));
  const past = pastRuns(makeEstate({ flows: 200, seed: 7 }), { last: '2025-05-31', days: 2 });
  await writePast(pool, past, () => {});
});

/** Every row of a run, apart from the ids that the database gives. */
async function rowsOf(run: string): Promise<Record<string, string[]>> {
  const rows: Record<string, string[]> = {};
  for (const { table, where } of RUN_TABLES) {
    const id = ['overrides', 'notices', 'pauses'].includes(table) ? " - 'id'" : '';
    const found = await pool.query<{ row: string }>(
      `select (to_jsonb(t)${id})::text as row from ${table} t where ${where} order by 1`,
      [run],
    );
    rows[table] = found.rows.map(({ row }) => row);
  }
  return rows;
}

const due = async (): Promise<string[]> =>
  (await dueRuns(pool, policy, 100)).filter((run) => run.keptBecause === null).map((run) => run.run);
const kept = async (): Promise<Record<string, string>> =>
  Object.fromEntries(
    (await dueRuns(pool, policy, 100)).flatMap((run) =>
      run.keptBecause === null ? [] : [[run.run, run.keptBecause]],
    ),
  );

test('a run is due when it is over for longer than its cycle is kept, the oldest first', async () => {
  const runs = await due();
  expect(runs).toHaveLength(50);
  expect(runs[0]).toBe('hour-2025053000');
  expect(runs).not.toContain('month-2025-05');
  const days = await dueRuns(pool, { ...policy, keepDays: { hour: 45, day: 190, month: 95 } }, 100);
  expect(days.map((day) => day.run)).toContain('month-2025-05');
});

test('nothing goes of a run that is open, frozen or undecided, nor what an unfinished run waits for', async () => {
  const open = await openTestRun(pool, '2025-06-01', 'day');
  await pool.query(
    `insert into subscriptions (run_id, flow_id, upstream_run, upstream_flow) values ($1, 'X', 'day-2025-05-31', 'Y')
     on conflict do nothing`,
    [open],
  );
  await pool.query("update runs set frozen = 'looked at' where id = 'hour-2025053000'");
  await pool.query("update run_counters set log_seq = log_seq + 1 where run_id = 'hour-2025053001'");
  expect(await kept()).toMatchObject({
    'day-2025-05-31': 'waited_for',
    'hour-2025053000': 'frozen',
    'hour-2025053001': 'undecided',
  });
  expect(await due()).not.toContain(open);
  await pool.query('update runs set frozen = null');
  await pool.query('update run_counters set log_seq = cursor');
  await pool.query('update runs set finished_ms = opened_ms where id = $1', [open]);
});

test('a run goes as a whole, its file holds every row, and it comes back as it was', async () => {
  const run = 'day-2025-05-30';
  const before = await rowsOf(run);
  const others = await rowsOf('month-2025-05');
  expect(before.run_flows!.length).toBeGreaterThan(150);
  const report = await runRetention(pool, policy, { limit: 100 });
  expect(report!.archived.map((entry) => entry.run)).toContain(run);
  expect(report!.more).toBe(false);
  for (const [table, rows] of Object.entries(await rowsOf(run))) expect([table, rows]).toEqual([table, []]);
  expect(await rowsOf('month-2025-05')).toEqual(others);
  const { archive } = report!.archived.find((entry) => entry.run === run)!;
  expect(archive.file).toBe('day/202505/day-2025-05-30.jsonl.gz');
  for (const [table, rows] of Object.entries(before)) expect(archive.rows[table] ?? 0).toBe(rows.length);
  const manifest = (await readFile(join(folder, 'manifest.jsonl'), 'utf8')).trim().split('\n');
  expect(manifest.map((line) => JSON.parse(line).file)).toContain(archive.file);
  // Told to people of later runs and kept longer: the audit.
  expect((await pool.query('select 1 from audit where run_id = $1', [run])).rowCount).toBeGreaterThan(0);

  await restoreRun(pool, folder, run);
  const after = await rowsOf(run);
  for (const table of Object.keys(before).filter((key) => key !== 'runs'))
    expect([table, after[table]]).toEqual([table, before[table]]);
  expect(JSON.parse(after.runs![0]!)).toMatchObject({ id: run, state: 'closed' });
  expect(await kept()).toMatchObject({ [run]: 'restored' });
  await expect(restoreRun(pool, folder, run)).rejects.toMatchObject({ code: 'run_exists' });
});

test('an edge to an archived run is met by what was done in it (A11)', async () => {
  const { rows } = await pool.query<{ done: string[]; tainted: string[] }>(
    "select done, tainted from archived_runs where run_id = 'day-2025-05-31'",
  );
  const { done, tainted } = rows[0]!;
  expect(done.length + tainted.length).toBeGreaterThan(150);
  const ids = [done[0]!, 'Nowhere'];
  const wanted = ids.map((from, v) => ({ v, from, run: 'day-2025-05-31' })) as unknown as Subscription[];
  const open = await openTestRun(pool, '2025-07-01', 'day');
  await pool.query('delete from subscriptions where run_id = $1', [open]);
  await inTransaction(pool, (client) => subscribe(client, open, ['F0', 'F1'], wanted));
  const told = await pool.query(
    'select upstream_flow as from, told from subscriptions where run_id = $1 order by told desc',
    [open],
  );
  expect(told.rows).toEqual([
    { from: done[0], told: 1 },
    { from: 'Nowhere', told: 0 },
  ]);
});

test('a file that is not the one that was written is refused, and nothing comes back', async () => {
  const run = 'hour-2025053012';
  await expect(restoreRun(pool, folder, 'hour-2020010100')).rejects.toMatchObject({ code: 'unknown_run' });
  const path = join(folder, 'hour/202505/hour-2025053012.jsonl.gz');
  expect(existsSync(path)).toBe(true);
  await writeFile(path, 'spoilt');
  await expect(restoreRun(pool, folder, run)).rejects.toMatchObject({ code: 'archive_unreadable' });
  expect((await rowsOf(run)).runs).toEqual([]);
});

test('retention gives a lock up that it does not get, asks again, and goes on when it is free (A10)', async () => {
  await restoreRun(pool, folder, 'hour-2025053013');
  await pool.query("update archived_runs set restored_ms = 1 where run_id = 'hour-2025053013'");
  const holder = await pool.connect();
  await holder.query('begin');
  await holder.query("select 1 from run_counters where run_id = 'hour-2025053013' for update");
  const pass = runRetention(pool, policy, { limit: 100 });
  // It gives up after its lock timeout and asks again: each wait has a beginning of its own.
  const waits = new Set<string>();
  const look = async (): Promise<number> => {
    const waiting = await pool.query<{ since: string }>(
      `select query_start::text as since from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock'`,
    );
    for (const { since } of waiting.rows) waits.add(since);
    return waits.size;
  };
  await expect.poll(look, { interval: 20 }).toBeGreaterThanOrEqual(3);
  await holder.query('rollback');
  holder.release();
  const report = await pass;
  expect(report!.archived.map((entry) => entry.run)).toEqual(['hour-2025053013']);
});

test('a pass ends after its time, and says that more is due', async () => {
  await restoreRun(pool, folder, 'hour-2025053014');
  await pool.query("update archived_runs set restored_ms = 1 where run_id = 'hour-2025053014'");
  expect(await runRetention(pool, policy, { limit: 5, forMs: -1 })).toMatchObject({
    archived: [],
    more: true,
  });
  const report = await runRetention(pool, policy, { limit: 5, forMs: 60_000 });
  expect(report).toMatchObject({ archived: [{ run: 'hour-2025053014' }], more: false });
});

test('two passes at once: the second does nothing', async () => {
  const holder = await pool.connect();
  await holder.query('select pg_advisory_lock(746584)');
  expect(await runRetention(pool, policy, { limit: 1 })).toBeNull();
  await holder.query('select pg_advisory_unlock(746584)');
  holder.release();
});

test('the audit leaves after its own time, into files', async () => {
  const rows = (await pool.query('select 1 from audit')).rowCount!;
  const report = await runRetention(pool, { ...policy, auditDays: 30 }, { limit: 0 });
  expect(report!.auditRows).toBe(rows);
  expect((await pool.query('select 1 from audit')).rowCount).toBe(0);
  expect(await readFile(join(folder, 'manifest.jsonl'), 'utf8')).toContain('"audit":"2025-05-');
});

test('exchanges of a run whose workflow has completed go without it', async () => {
  await pool.query(
    `insert into exchanges (run_id, n, decisions_hash, decisions, seq_from, seq_to, answer, at_ms)
     select 'month-2025-05', n, '', '[]', 0, 0, '{}', 0 from generate_series(1, 200) n`,
  );
  const report = await runRetention(pool, policy, { limit: 0 });
  expect(report!.exchangeRows).toBe(200);
});
