import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type pg from 'pg';
import pino from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { projectFolder } from '../../config.ts';
import { registerAgent } from '../../store/agents/agents.ts';
import { type AttemptEnd, completeAttempts, startAttempts } from '../../store/agents/attempts.ts';
import { type Claimed, claimTasks } from '../../store/agents/claims.ts';
import { createPool } from '../../store/schema/pool.ts';
import { type RunningWorker, startWorker } from '../../worker/connect.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';
import '../support/quiet-temporal.ts';
import { temporalAddress, uniqueName } from '../support/temporal.ts';

const database = await createTestDatabase('run');
const pool: pg.Pool = createPool(database.url, { max: 5, name: 'test' });
const agent = { agent: 'a1', instance: randomUUID(), platform: 'yt', labels: [] };
let worker: RunningWorker;

beforeAll(async () => {
  worker = await startWorker({
    databaseUrl: database.url,
    temporalAddress: temporalAddress(),
    namespace: 'default',
    taskQueue: uniqueName('run'),
    bundleFolder: join(projectFolder, '.sluice', 'bundles'),
    graceMs: 1_000,
    orphanMs: 1_800_000,
    continueAfterEvents: 0,
    logger: pino({ level: 'warn' }),
  });
  await registerAgent(
    pool,
    { ...agent, lockToken: 'x'.repeat(16), slots: 8, version: 'test', protocol: 2, held: [] },
    60_000,
  );
});
afterAll(async () => {
  await worker.stop();
  await pool.end();
});

/** Claims until something comes; the long poll of the API in short. */
async function claim(): Promise<Claimed[]> {
  for (;;) {
    const [tasks] = await claimTasks(pool, [{ ...agent, free: 8 }], 60_000);
    if (tasks!.length > 0) return tasks!;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const success = (task: Claimed): AttemptEnd => ({
  epoch: task.epoch,
  run: task.run,
  outcome: 'succeeded',
  failure: null,
  message: null,
  exitCode: null,
  rows: null,
  effect: true,
});

test('three flows in a chain run one after the other, each released by the end of the one before', async () => {
  await applyCatalogue(
    pool,
    catalogueText([{ id: 'A' }, { id: 'B', after: ['A'] }, { id: 'C', after: ['B'] }]),
  );
  const run = await openTestRun(pool);
  for (const flow of ['A', 'B', 'C']) {
    const tasks = await claim();
    expect(tasks.map((task) => task.flow)).toEqual([flow]);
    const [started] = await startAttempts(pool, [{ ...agent, epochs: [tasks[0]!.epoch] }]);
    expect(started!.ok).toEqual([tasks[0]!.epoch]);
    const [ended] = await completeAttempts(pool, [{ agent: 'a1', results: [success(tasks[0]!)] }]);
    expect(ended!.accepted).toEqual([tasks[0]!.epoch]);
    // Protocol C3: the same result once more is stale, its epoch is over.
    const [again] = await completeAttempts(pool, [{ agent: 'a1', results: [success(tasks[0]!)] }]);
    expect(again!.stale).toEqual([tasks[0]!.epoch]);
  }
  await expect
    .poll(
      async () => (await pool.query('select finished_ms from runs where id = $1', [run])).rows[0].finished_ms,
    )
    .not.toBeNull();
  const rows = await pool.query('select flow_id, result from run_flows where run_id = $1 order by flow_id', [
    run,
  ]);
  expect(rows.rows).toEqual([
    { flow_id: 'A', result: 'succeeded' },
    { flow_id: 'B', result: 'succeeded' },
    { flow_id: 'C', result: 'succeeded' },
  ]);
});
