/** Protocol A11 and D8 with real processes: days, an hour and a month that wait for each other while workers are killed. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Child } from '../../embedded/children.ts';
import { createPool } from '../../store/schema/pool.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';
import { createInstallation } from '../support/processes.ts';

const database = await createTestDatabase('faults_runs');
const pool = createPool(database.url, { max: 5, name: 'test' });
const installation = await createInstallation(database);
const { call } = installation;
afterAll(() => pool.end());

const DAYS = ['2040-05-30', '2040-05-31'];
const HOURS = DAYS.flatMap((day) =>
  Array.from({ length: 24 }, (_, h) => day.replaceAll('-', '') + String(h).padStart(2, '0')),
);
const FLOWS = [
  { id: 'H', cycle: 'hour' },
  { id: 'D1', cycle: 'day', after: [{ flow: 'H', period: 'everyHourOfDay' }] },
  { id: 'D2', cycle: 'day', after: ['D1', { flow: 'D3', period: 'previous' }] },
  { id: 'D3', cycle: 'day', after: ['D2'] },
  { id: 'M1', cycle: 'month', after: [{ flow: 'D3', period: 'lastDayOfMonth' }] },
  { id: 'M2', cycle: 'month', after: ['M1'] },
];

let workers: Child[] = [];
let count = 0;
async function startWorkers(n: number): Promise<void> {
  workers.push(
    ...(await Promise.all(Array.from({ length: n }, () => installation.startWorker(`worker-${++count}`)))),
  );
}

beforeAll(async () => {
  await applyCatalogue(pool, catalogueText(FLOWS));
  await Promise.all([installation.startApi(), startWorkers(2)]);
});

const done = async (cycle: string): Promise<number> =>
  (
    await pool.query(
      "select count(*)::int as n from run_flows f join runs r on r.id = f.run_id where r.cycle = $1 and f.result = 'succeeded'",
      [cycle],
    )
  ).rows[0].n;

test('A11: every waiting flow goes when its upstreams are done, whichever worker dies in between', async () => {
  const agent = await installation.startAgent('agent-1');
  // The later day first, some hours before their day and some after it.
  await openTestRun(pool, DAYS[1], 'day');
  for (const hour of HOURS.slice(0, 30)) await openTestRun(pool, hour, 'hour');
  await openTestRun(pool, '2040-05');
  await expect.poll(() => done('hour'), { interval: 20 }).toBeGreaterThan(5);
  await workers.shift()!.kill9();
  await openTestRun(pool, DAYS[0], 'day');
  for (const hour of HOURS.slice(30)) await openTestRun(pool, hour, 'hour');
  const waived = await call('POST', `/runs/day-${DAYS[0]}/waive`, {
    edges: [{ from: 'D3', to: 'D2' }],
    reason: 'the first day',
  });
  // A coordinator whose task went to the killed worker carries it out only when that task has timed out: then it is 202.
  expect([200, 202], JSON.stringify(waived.body)).toContain(waived.status);
  await expect.poll(() => done('day'), { interval: 20 }).toBeGreaterThan(0);
  // Nobody is left to hear the news; then somebody is.
  for (const worker of workers) await worker.kill9();
  workers = [];
  await startWorkers(1);
  await expect.poll(() => done('month'), { interval: 100 }).toBe(2);
  expect([await done('hour'), await done('day')]).toEqual([48, 6]);
  const attempts = await pool.query("select count(*)::int as n from attempts where outcome = 'succeeded'");
  expect(attempts.rows[0].n).toBe(48 + 6 + 2);
  await agent.stop();
});

test('D8: a workflow in progress goes on with the version that its run adopted', async () => {
  const run = await openTestRun(pool, '2040-07');
  const state = async (flow: string): Promise<string> =>
    (await call('GET', `/runs/${run}/flows/${flow}`)).body.state;
  await expect.poll(() => state('M1')).toBe('waiting_upstream');
  const version = await applyCatalogue(
    pool,
    catalogueText([
      { id: 'M0', cycle: 'month' },
      ...FLOWS.slice(0, 4),
      { id: 'M1', cycle: 'month', after: ['M0'] },
      FLOWS[5]!,
    ]),
  );
  const adopted = await call('POST', `/runs/${run}/adopt`, { reason: 'no more days' });
  expect(adopted).toMatchObject({
    status: 200,
    body: { version, added: ['M0'], newBlockers: [{ flow: 'M1', code: 'upstream', from: 'M0' }] },
  });
  const agent = await installation.startAgent('agent-2');
  await expect.poll(() => state('M2'), { interval: 100 }).toBe('succeeded');
  const waits = await pool.query('select 1 from subscriptions where run_id = $1', [run]);
  expect(waits.rowCount).toBe(0);
  await agent.stop();
});
