import { expect, test } from 'vitest';
import { catalogueOf } from '../../../bench/estate/catalogue.ts';
import { makeEstate } from '../../../bench/estate/estate.ts';
import { pastRuns } from '../../../bench/estate/past.ts';
import { writePast } from '../../../bench/estate/write-past.ts';
import { checkCatalogue } from '../../../graph/catalogue/check.ts';
import { saveVersion } from '../../../store/catalogue/catalogue.ts';
import { dueRuns } from '../../../store/retention/retention.ts';
import { createPool, inTransaction } from '../../../store/schema/pool.ts';
import { startTestApi } from '../../support/api.ts';
import { settleRun } from '../../support/coordinator.ts';
import { createTestDatabase } from '../../support/database.ts';
import { openTestRun } from '../../support/estate.ts';
import { playAgent } from '../../support/play.ts';

const database = await createTestDatabase('growth');
const api = await startTestApi(database, { coordinator: false });
const HISTORY = ['run_flows', 'attempts', 'run_log', 'subscriptions'];

/** Sequential scans of each table since the database was made. Sessions tell theirs for certain when they end, so they are ended. */
async function scans(): Promise<Record<string, number>> {
  const pool = createPool(database.url, { max: 1, name: 'scans' });
  await pool.query(
    `select pg_terminate_backend(pid, 5000) from pg_stat_activity
     where datname = current_database() and application_name in ('sluice-test-api', 'sluice-working')`,
  );
  const found = await pool.query<{ table: string; n: number }>(
    'select relname as table, seq_scan as n from pg_stat_user_tables where relname = any($1)',
    [HISTORY],
  );
  await pool.end();
  return Object.fromEntries(found.rows.map((row) => [row.table, row.n]));
}

test('with 50,000 flow runs no list, answer, claim, exchange or look of the retention reads history from end to end', {
  timeout: 600_000,
}, async () => {
  const writing = createPool(database.url, { max: 2, name: 'writing', copies: true });
  const estate = makeEstate({ flows: 4_000, seed: 3 });
  const files = catalogueOf(estate, { noop: true });
  const { flows, catalogue } = checkCatalogue(files);
  const { flows: _, distributions: __, ...frame } = catalogue;
  const version = { hash: 'x', mode: 'apply', actor: 'test', files, frame, flows: [...flows] } as const;
  await inTransaction(writing, (client) => saveVersion(client, version), { guarded: false });
  const written = await writePast(writing, pastRuns(estate, { last: '2026-06-03', days: 13 }), () => {});
  expect(written.flowRuns).toBeGreaterThan(50_000);
  await writing.query('analyze');
  await writing.end();
  const before = await scans();

  const working = createPool(database.url, { max: 4, name: 'working' });
  const open = await openTestRun(working, '2026-06-04', 'day');
  await settleRun(working, open);
  const agent = await playAgent(working, 'a1', { slots: 50 });
  const claimed = await agent.claim(50);
  expect(claimed).toHaveLength(50);
  await agent.start(claimed);
  await agent.end(claimed);
  await settleRun(working, open);
  await dueRuns(working, { keepDays: { hour: 1, day: 1, month: 1 }, auditDays: 1, folder: '' }, 50);
  await working.end();

  const reader = await api.actor({ name: 'li', kind: 'person', roles: ['viewer'] });
  const day = 'day-2026-06-02';
  const flow = estate.flows.find((flow) => flow.cycle === 'day' && flow.layer === 'APP')!.id;
  for (const path of [
    '/runs',
    `/runs/${day}`,
    `/runs/${day}/flows`,
    `/runs/${open}/flows?state=waiting_agent,running`,
    `/runs/${day}/flows?layer=APP&kind=job&limit=1000`,
    `/runs/${day}/flows/${flow}`,
    `/runs/${day}/flows/${flow}/attempts`,
    `/runs/${open}/flows/${flow}/why`,
    `/runs/${open}/why`,
    `/runs/${day}/critical-path`,
    `/audit?run=${day}`,
    '/audit',
    '/operations',
    '/notices',
    '/retention',
  ])
    expect([path, (await reader.get(path)).status]).toEqual([path, 200]);
  const after = await scans();
  expect(Object.fromEntries(HISTORY.map((table) => [table, after[table]! - before[table]!]))).toEqual(
    Object.fromEntries(HISTORY.map((table) => [table, 0])),
  );
});
