import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
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

test('each migration is over within the lock timeout on a record with 50,000 flow runs', async () => {
  const pool = createPool((await createEmptyDatabase('migrate_filled')).url, {
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
  const times: Record<string, number> = {};
  for (const file of files.slice(1)) {
    const begun = performance.now();
    await migrate(pool, { upTo: Number(file.slice(0, 4)) });
    times[file] = Math.round(performance.now() - begun);
  }
  console.log(times);
  // Its locks are held no longer than it takes as a whole.
  for (const [file, ms] of Object.entries(times)) expect([file, ms < 2_000]).toEqual([file, true]);
  await pool.end();
});

test('a migration that meets a lock steps back, so that those behind it wait no longer than its timeout', async () => {
  const pool = createPool((await createEmptyDatabase('migrate_locked')).url, { max: 4, name: 'test' });
  await migrate(pool, { upTo: 22 });
  const holder = await pool.connect();
  await holder.query('begin; lock table runs in row exclusive mode');
  const migrated = migrate(pool, { lockTimeoutMs: 150 });
  let longest = 0;
  for (let i = 0; i < 30; i++) {
    const begun = performance.now();
    // What an exchange does: an update behind the waiting migration.
    await pool.query("update runs set frozen = null where id = 'none'");
    longest = Math.max(longest, performance.now() - begun);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await holder.query('commit');
  holder.release();
  await migrated;
  expect(longest).toBeGreaterThan(20);
  expect(longest).toBeLessThan(1_000);
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
    schedule_slots: 'belongs to the schedule, which forgets it by age',
  };
  const known = [...RUN_TABLES.map((other) => other.table), ...Object.keys(stays)];
  expect(found.rows.map((row) => row.table).filter((table) => !known.includes(table))).toEqual([]);
  await pool.end();
});
