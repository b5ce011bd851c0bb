import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import pino from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { projectFolder } from '../../config.ts';
import { createPool } from '../../store/schema/pool.ts';
import { workflowBundle } from '../../worker/bundle.ts';
import { type RunningWorker, startWorker } from '../../worker/connect.ts';
import { RELOAD_SIGNAL, runWorkflowId, WAKE_SIGNAL } from '../../workflows/messages.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';
import { ask, outcomeOf, type PlayedAgent, playAgent } from '../support/play.ts';
import '../support/quiet-temporal.ts';
import { temporalAddress, uniqueName } from '../support/temporal.ts';

const database = await createTestDatabase('coordinator');
const pool = createPool(database.url, { max: 6, name: 'test' });
const taskQueue = uniqueName('coordinator');
const bundleFolder = join(projectFolder, '.sluice', 'bundles');
const KEEP_MS = 2_000;

let worker: RunningWorker;
let connection: Connection;
let client: Client;
let agent: PlayedAgent;

const start = (continueAfterEvents: number): Promise<RunningWorker> =>
  startWorker({
    databaseUrl: database.url,
    temporalAddress: temporalAddress(),
    namespace: 'default',
    taskQueue,
    bundleFolder,
    graceMs: 200,
    orphanMs: 1_800_000,
    continueAfterEvents,
    keepMs: { hour: KEEP_MS, day: KEEP_MS, month: KEEP_MS },
    logger: pino({ level: 'error' }),
  });

beforeAll(async () => {
  worker = await start(0);
  connection = await Connection.connect({ address: temporalAddress() });
  client = new Client({ connection });
  agent = await playAgent(pool, 'played');
});
afterAll(async () => {
  await worker.stop();
  await connection.close();
  await pool.end();
});

const layers = (depth: number, width: number) =>
  Array.from({ length: depth * width }, (_, i) => ({
    id: `F${i}`,
    after:
      i < width ? [] : Array.from({ length: width }, (_, k) => `F${(Math.floor(i / width) - 1) * width + k}`),
  }));

/** Does whatever comes until every flow of the run has succeeded. */
async function workThrough(run: string, flows: number): Promise<void> {
  await expect
    .poll(
      async () => {
        const tasks = await agent.claim();
        if (tasks.length > 0) {
          await agent.start(tasks);
          await agent.end(tasks);
        }
        const found = await pool.query(
          "select count(*)::int as n from run_flows where run_id = $1 and result = 'succeeded'",
          [run],
        );
        return found.rows[0].n;
      },
      { interval: 5 },
    )
    .toBe(flows);
}

const describeRun = (run: string) => client.workflow.getHandle(runWorkflowId(taskQueue, run)).describe();

test('A2, A8: one workflow per run, and a second opening answers run_exists with the run', async () => {
  await applyCatalogue(pool, catalogueText(layers(1, 2)));
  const run = await openTestRun(pool, '2050-01');
  await expect(openTestRun(pool, '2050-01')).rejects.toMatchObject({ code: 'run_exists', facts: { run } });
  await expect.poll(async () => (await describeRun(run)).status.name).toBe('RUNNING');
  await workThrough(run, 2);
});

test('A6: a log row of which nobody was told is found by the poll', async () => {
  const run = await openTestRun(pool, '2050-02');
  await expect
    .poll(
      async () =>
        (await pool.query('select exchange from run_counters where run_id = $1', [run])).rows[0].exchange,
    )
    .toBeGreaterThan(0);
  // `ask` writes the row without NOTIFY, as an API that died before its commit was announced.
  const hold = await ask(pool, run, 'hold', ['F0']);
  await expect.poll(() => outcomeOf(pool, hold)).toEqual({ state: 'applied', code: null });
  await pool.query('delete from outbox');
});

test('A7: continue-as-new forced every 20 events while results come in: every flow runs once', async () => {
  await worker.stop();
  worker = await start(20);
  await applyCatalogue(pool, catalogueText(layers(12, 3)));
  const run = await openTestRun(pool, '2050-03');
  const first = await expect
    .poll(async () =>
      describeRun(run)
        .then((other) => other.runId)
        .catch(() => undefined),
    )
    .toBeDefined()
    .then(() => describeRun(run));
  await workThrough(run, 36);
  expect((await describeRun(run)).runId).not.toBe(first.runId);
  const attempts = await pool.query(
    'select count(*)::int as n, count(distinct flow_id)::int as flows from attempts where run_id = $1',
    [run],
  );
  expect(attempts.rows[0]).toEqual({ n: 36, flows: 36 });
  await worker.stop();
  worker = await start(0);
});

test('A8, A9: a finished run parks, its workflow completes after the keep time, and a later log row starts it again', async () => {
  await applyCatalogue(pool, catalogueText([{ id: 'A' }, { id: 'B', after: ['A'] }]));
  const run = await openTestRun(pool, '2050-04');
  await workThrough(run, 2);
  await expect.poll(async () => (await describeRun(run)).status.name).toBe('COMPLETED');
  const before = await describeRun(run);
  const late = await ask(pool, run, 'expedite', ['B']);
  await expect.poll(() => outcomeOf(pool, late)).toEqual({ state: 'refused', code: 'wrong_state' });
  expect((await describeRun(run)).runId).not.toBe(before.runId);
});

test('A9: a workflow ahead of a restored database freezes its run and goes on only when a person says so', async () => {
  const run = await openTestRun(pool, '2050-05');
  await expect
    .poll(
      async () =>
        (await pool.query('select exchange from run_counters where run_id = $1', [run])).rows[0].exchange,
    )
    .toBeGreaterThan(0);
  const hold = await ask(pool, run, 'hold', ['B']);
  await expect.poll(() => outcomeOf(pool, hold)).toEqual({ state: 'applied', code: null });
  // As if the database had been restored to before the hold.
  await pool.query(
    'update run_counters set exchange = exchange - 2, cursor = 0, log_seq = 1 where run_id = $1',
    [run],
  );
  await pool.query(
    'delete from exchanges where run_id = $1 and n > (select exchange from run_counters where run_id = $1)',
    [run],
  );
  await expect
    .poll(async () => (await pool.query('select frozen from runs where id = $1', [run])).rows[0].frozen)
    .toContain('restored');
  const moved = async (): Promise<number> =>
    (await pool.query('select exchange from run_counters where run_id = $1', [run])).rows[0].exchange;
  const frozenAt = await moved();
  await client.workflow.getHandle(runWorkflowId(taskQueue, run)).signal(RELOAD_SIGNAL);
  await expect.poll(moved).toBeGreaterThan(frozenAt);
});

test('A10: an exchange that meets a held counter row gives up after its lock timeout and is written afterwards', async () => {
  const run = await openTestRun(pool, '2050-06');
  await expect
    .poll(
      async () =>
        (await pool.query('select exchange from run_counters where run_id = $1', [run])).rows[0].exchange,
    )
    .toBeGreaterThan(0);
  const holder = await pool.connect();
  await holder.query('begin');
  await holder.query('select 1 from run_counters where run_id = $1 for update', [run]);
  await client.workflow.getHandle(runWorkflowId(taskQueue, run)).signal(WAKE_SIGNAL);
  const waiting = async (): Promise<number> =>
    (
      await pool.query(
        "select count(*)::int as n from pg_stat_activity where datname = current_database() and application_name = 'sluice-worker' and wait_event_type = 'Lock'",
      )
    ).rows[0].n;
  await expect.poll(waiting, { interval: 10 }).toBe(1);
  await expect.poll(waiting, { interval: 10 }).toBe(0);
  await holder.query('commit');
  holder.release();
  await workThrough(run, 2);
});

test('the history of a run with claims, verbs and results replays against the bundle', async () => {
  const run = await openTestRun(pool, '2050-07');
  await expect
    .poll(
      async () =>
        (await pool.query('select count(*)::int as n from outbox where run_id = $1', [run])).rows[0].n,
    )
    .toBe(1);
  const hold = await ask(pool, run, 'hold', ['B']);
  await expect.poll(() => outcomeOf(pool, hold)).toEqual({ state: 'applied', code: null });
  await ask(pool, run, 'unhold', ['B']);
  await workThrough(run, 2);
  // Whole: after its keep time the workflow has completed.
  await expect.poll(async () => (await describeRun(run)).status.name).toBe('COMPLETED');
  const history = await client.workflow.getHandle(runWorkflowId(taskQueue, run)).fetchHistory();
  expect(history.events!.length).toBeGreaterThan(10);
  await Worker.runReplayHistory({ workflowBundle: await workflowBundle(bundleFolder) }, history);
});

test('the bundle holds neither zod nor graphology', async () => {
  const code = await readFile((await workflowBundle(bundleFolder)).codePath, 'utf8');
  expect(code).toContain('decide');
  expect(code).not.toMatch(/node_modules\/(zod|graphology|yaml|pg)\//);
});
