import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { expect, test } from 'vitest';
import { projectFolder } from '../../../config.ts';
import { RUN_TABLES } from '../../../store/retention/run-archive.ts';
import { migrate } from '../../../store/schema/migrate.ts';
import { createPool } from '../../../store/schema/pool.ts';
import { createEmptyDatabase, createTestDatabase } from '../../support/database.ts';

const folder = join(projectFolder, 'store/schema/migrations');
const files = readdirSync(folder).sort();
const textOf = (file: string) => readFileSync(join(folder, file), 'utf8').replace(/--.*$/gm, '');

test('the schema is made from nothing, and a second time nothing is done', async () => {
  const pool = createPool((await createEmptyDatabase('migrate')).url, { max: 3, name: 'test' });
  await Promise.all([migrate(pool), migrate(pool)]);
  await migrate(pool);
  const done = await pool.query<{ name: string }>('select name from migrations order by id');
  expect(done.rows.map((row) => row.name)).toEqual(files);
  await pool.end();
});

// Its locks are held until it has done all of its work.
test('no migration of a record of 50,000 flow runs reads and writes more rows than the record has', async () => {
  const database = await createEmptyDatabase('migrate_filled');
  const pool = createPool(database.url, {
    max: 2,
    name: 'test',
    copies: true,
  });
  await migrate(pool, { upTo: 1 });
  await pool.query(`
    insert into catalogue_versions select 1, 'main', 'x', 'apply', 'a', 0, '[]', '{}', '[]', 0;
    insert into runs (id, cycle, period, purpose, catalogue_version, opened_by, opened_ms)
      select 'hour-' || i, 'hour', i::text, 'scheduled', 1, 'a', i from generate_series(1, 2000) i;
    insert into run_counters (run_id, now_ms) select id, 0 from runs;
    insert into run_flows (run_id, flow_id, phase, generation_ms)
      select 'hour-' || r, 'F' || f, 'waiting_agent', 0 from generate_series(1, 50) r, generate_series(1, 1000) f;
    insert into attempts (epoch, run_id, flow_id, generation, attempt, agent, sent_ms)
      select row_number() over (), run_id, flow_id, 1, 1, 'a', 0 from run_flows;
    insert into run_log (run_id, seq, kind, at_ms) select run_id, row_number() over (partition by run_id), 'completion', 0 from run_flows;
    insert into operations (id, run_id, actor, idempotency_key, verb, body, body_hash, state, requested_ms)
      select 'op' || i, 'hour-' || i % 2000 + 1, 'a', 'k' || i, 'hold', '{}', '', 'applied', i from generate_series(1, 5000) i;
    insert into audit (at_ms, actor, verb, run_id, targets, outcome) select i, 'a', 'hold', 'hour-1', '{F1,F2}', 'applied' from generate_series(1, 20000) i;
    insert into subscriptions (run_id, flow_id, upstream_run, upstream_flow) select 'hour-' || i % 2000 + 1, 'F' || i, 'u', 'F' from generate_series(1, 20000) i;
    insert into overrides (run_id, flow_id, kind, generation, actor, at_ms) select 'hour-1', 'F' || i, 'hold', 1, 'a', 0 from generate_series(1, 5000) i;
  `);
  await pool.query('analyze');
  const filled = await pool.query<{ rows: number }>(
    'select sum(reltuples)::float8 as rows from pg_class where relnamespace = current_schema()::regnamespace and reltuples > 0',
  );
  const limit = filled.rows[0]!.rows;
  expect(limit).toBeGreaterThan(150_000);
  let before = await touchedRows(pool);
  for (const file of files.slice(1)) {
    // What a connection has read is counted at the latest when it ends.
    const migrating = createPool(database.url, { max: 1, name: 'test', copies: true });
    await migrate(migrating, { upTo: Number(file.slice(0, 4)) });
    await migrating.end();
    const after = await touchedRows(pool);
    expect([file, after - before <= limit]).toEqual([file, true]);
    before = after;
  }
  await pool.end();
});

test('a migration that meets a lock steps back, so that those behind it wait no longer than its timeout', async () => {
  const pool = createPool((await createEmptyDatabase('migrate_locked')).url, { max: 4, name: 'test' });
  await migrate(pool, { upTo: 22 });
  const holder = await pool.connect();
  await holder.query('begin; lock table runs in row exclusive mode');
  const migrated = migrate(pool, { lockTimeoutMs: 150 });
  for (let i = 0; i < 5; i++) {
    await expect.poll(() => waitingFor(pool, 'runs'), { interval: 5 }).toBe(1);
    // What an exchange does: an update behind the waiting migration. Without the step back it would wait for `holder`, which waits for it.
    await pool.query("update runs set frozen = null where id = 'none'");
  }
  await holder.query('commit');
  holder.release();
  await migrated;
  expect((await pool.query('select 1 from archived_runs')).rowCount).toBe(0);
  await pool.end();
});

test('tables that grow with every flow are neither scanned nor rewritten by a migration', () => {
  const large = '(run_flows|attempts|run_log|flow_generations|exchanges)';
  const heavy = [
    new RegExp(`create (unique )?index (?!concurrently).*\\son ${large}\\b`, 'i'),
    new RegExp(`^\\s*update ${large}\\b`, 'im'),
    new RegExp(
      `alter table ${large}[^;]*(\\btype\\b|set not null|add (constraint|check|unique|foreign)(?![^;]*not valid))`,
      'i',
    ),
    new RegExp(`alter table ${large}[^;]*add column[^;]*default[^;]*\\(`, 'i'),
  ];
  const found = files
    .slice(1)
    .flatMap((file) => heavy.filter((entry) => entry.test(textOf(file))).map((entry) => [file, entry]));
  expect(found).toEqual([]);
});

test('every table with rows of a run goes with it, or is named here with the reason why not', async () => {
  const pool = createPool((await createTestDatabase('migrate_tables')).url, { max: 1, name: 'test' });
  const found = await pool.query<{ table: string }>(
    `select distinct table_name as table from information_schema.columns
     where table_schema = 'public' and column_name in ('run_id', 'scope') order by 1`,
  );
  const stays: Record<string, string> = {
    actors: 'a scope of rights',
    archived_runs: 'says where the run is',
    audit: 'is kept longer',
    backfill_runs: 'belongs to the backfill',
    exchanges: 'deleted, not archived: the coordinator alone reads them',
    leases: 'a run with open leases does not go',
    outbox: 'a run with flows to be claimed does not go',
    rerun_plans: 'deleted, not archived: applied ones stand in operations',
    rule_acts: 'what rules did is forgotten by age',
    rule_facts: 'taken away by the next look of the rules',
    rule_redone: 'belongs to the act',
    schedule_slots: 'belongs to the schedule, which forgets it by age',
  };
  const known = [...RUN_TABLES.map((other) => other.table), ...Object.keys(stays)];
  expect(found.rows.map((row) => row.table).filter((table) => !known.includes(table))).toEqual([]);
  await pool.end();
});

/** Rows of all tables that were read or written so far. */
async function touchedRows(pool: pg.Pool): Promise<number> {
  await pool.query('select pg_stat_clear_snapshot()');
  const found = await pool.query<{ rows: number }>(
    'select sum(seq_tup_read + coalesce(idx_tup_fetch, 0) + n_tup_ins + n_tup_upd + n_tup_del)::float8 as rows from pg_stat_user_tables',
  );
  return found.rows[0]!.rows;
}

/** Statements that wait for a lock on a table. */
async function waitingFor(pool: pg.Pool, table: string): Promise<number> {
  const found = await pool.query('select 1 from pg_locks where relation = $1::regclass and not granted', [
    table,
  ]);
  return found.rowCount!;
}
