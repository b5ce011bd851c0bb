import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Child } from '../../embedded/children.ts';
import { createPool } from '../../store/schema/pool.ts';
import { runWorkflowId, WAKE_SIGNAL } from '../../workflows/messages.ts';
import { createEmptyDatabase, createTestDatabase } from '../support/database.ts';
import { applyCatalogue, openTestRun } from '../support/estate.ts';
import { createInstallation, freeze } from '../support/processes.ts';
import { temporalAddress } from '../support/temporal.ts';

/**
 * Three fenced SQL programs in a chain, each adding one row to a ledger that nothing ever deletes from: the ledger says how often an effect
 * was committed, whatever the engine believes.
 */
const database = await createTestDatabase('faults');
const platform = await createEmptyDatabase('faults_yt');
const pool = createPool(database.url, { max: 5, name: 'test' });
const yt = new pg.Pool({ connectionString: platform.url, max: 4 });
yt.on('error', () => {});
const installation = await createInstallation(database, { yt: platform.url });
const { call } = installation;
afterAll(async () => {
  await pool.end();
  await yt.end();
});

const CHAIN = ['A', 'B', 'C'];

let worker: Child;
let workers = 0;
/** At most one worker unless a test starts another: so a test knows which process coordinates. */
async function startWorker(): Promise<void> {
  workers++;
  worker = await installation.startWorker(`worker-${workers}`);
}

/** The deliverer sends a signal only when there is something to read; this one is for nothing. */
async function wakeCoordinator(run: string): Promise<void> {
  const connection = await Connection.connect({ address: temporalAddress() });
  const { workflow } = new Client({ connection });
  await workflow.getHandle(runWorkflowId(installation.taskQueue, run)).signal(WAKE_SIGNAL);
  await connection.close();
}

beforeAll(async () => {
  await yt.query(
    'create table ledger (id bigserial, program text, period text, generation int, at timestamptz default clock_timestamp())',
  );
  const flows = CHAIN.map((id, i) => ({
    id,
    kind: 'job',
    cycle: 'month',
    names: { en: id, zh: id },
    platform: 'yt',
    connection: undefined,
    program: { type: 'sql', file: `${id}.sql`, connection: 'yt' },
    retries: { program: 0, infrastructure: 5, lost: 5, backoffMs: 100 },
    after: i === 0 ? [] : [CHAIN[i - 1]],
  }));
  const text = JSON.stringify({ connections: [{ id: 'yt', platform: 'yt' }], flows });
  const programs = CHAIN.map((id) => ({
    path: `programs/${id}.sql`,
    text: `select pg_sleep(1);\ninsert into ledger (program, period, generation) values ('${id}', :period, :generation);\n`,
  }));
  await applyCatalogue(pool, text, 'apply', programs);
  await Promise.all([installation.startApi(), startWorker()]);
});

/** Programs that sleep on the platform. */
const atWork = async (): Promise<number> =>
  (
    await yt.query(
      "select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'",
    )
  ).rows[0].n;
const resultsOf = async (run: string): Promise<string> => {
  const found = await pool.query('select flow_id, result from run_flows where run_id = $1 order by flow_id', [
    run,
  ]);
  return found.rows.map((row) => `${row.flow_id}:${row.result}`).join(' ');
};
const DONE = 'A:succeeded B:succeeded C:succeeded';
const finished = (run: string) => expect.poll(() => resultsOf(run), { interval: 100 }).toBe(DONE);

/** Effects on the platform: exactly one per program and period. */
async function oneEffectEach(period: string): Promise<void> {
  const found = await yt.query(
    'select program, count(*)::int as n from ledger where period = $1 group by program order by program',
    [period],
  );
  expect(found.rows).toEqual(CHAIN.map((program) => ({ program, n: 1 })));
}

/** Waits until a flow of the run has an attempt that was started and not ended. */
const running = (run: string, flow: string) =>
  expect
    .poll(
      async () =>
        (
          await pool.query(
            'select 1 from leases where run_id = $1 and flow_id = $2 and started_ms is not null',
            [run, flow],
          )
        ).rowCount,
      { interval: 20 },
    )
    .toBe(1);

describe('A1, A5, C3, C4, C6: kill -9 of each process while three flows run', () => {
  test('worker: another one goes on, nothing is lost or doubled', async () => {
    const agent = await installation.startAgent('agent-1');
    const run = await openTestRun(pool, '2040-01');
    await running(run, 'A');
    await worker.kill9();
    await startWorker();
    await finished(run);
    await oneEffectEach('204001');
    await agent.stop();
  });

  test('agent: its attempts are lost after the lease, fenced programs get the next one at once', async () => {
    const killed = await installation.startAgent('agent-2');
    const run = await openTestRun(pool, '2040-02');
    await running(run, 'B');
    await killed.kill9();
    const next = await installation.startAgent('agent-3');
    await finished(run);
    await oneEffectEach('204002');
    const lost = await pool.query(
      "select count(*)::int as n from attempts where run_id = $1 and outcome = 'lost'",
      [run],
    );
    expect(lost.rows[0].n).toBe(1);
    await next.stop();
  });

  test('agent frozen beyond its lease: its late result is stale, its effect not doubled', async () => {
    const frozen = await installation.startAgent('agent-4', { SLUICE_AGENT_SLOTS: '1' });
    const run = await openTestRun(pool, '2040-03');
    await running(run, 'A');
    // Frozen before it has read the answer to `started` it would ask again, and launch nothing.
    await expect.poll(atWork, { interval: 10 }).toBe(1);
    const goOn = freeze(frozen);
    const next = await installation.startAgent('agent-5');
    try {
      await finished(run);
    } finally {
      goOn();
    }
    await oneEffectEach('204003');
    await expect
      .poll(
        async () =>
          (
            await pool.query(
              'select count(*)::int as n from attempts where run_id = $1 and remark is not null',
              [run],
            )
          ).rows[0].n,
      )
      .toBe(1);
    expect(await resultsOf(run)).toBe(DONE);
    await oneEffectEach('204003');
    await Promise.all([next.stop(), frozen.stop()]);
  });
});

describe('A5: SIGSTOP of the worker inside an exchange, beyond the task timeout', () => {
  test('a second worker takes over, a hold in between is applied once, the frozen one adopts', async () => {
    const frozen = worker;
    const run = await openTestRun(pool, '2040-04');
    // This test locks the counter row: the next exchange of the run, made by either worker, waits inside its transaction.
    const blocker = new pg.Client({ connectionString: database.url });
    await blocker.connect();
    await expect
      .poll(
        async () =>
          (await pool.query('select exchange from run_counters where run_id = $1', [run])).rows[0].exchange,
      )
      .toBeGreaterThan(0);
    await blocker.query('begin');
    await blocker.query('select 1 from run_counters where run_id = $1 for update', [run]);
    const frozenAt = await pool.query<{ exchange: number }>(
      'select exchange from run_counters where run_id = $1',
      [run],
    );
    // It comes for an exchange, and waits for our lock as every writer does.
    await wakeCoordinator(run);
    await expect
      .poll(
        async () =>
          (
            await pool.query(
              "select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%run_counters%'",
            )
          ).rows[0].n,
        { interval: 20 },
      )
      .toBeGreaterThan(0);
    const goOn = freeze(frozen);
    const frozenSince = Date.now();
    await blocker.query('commit');
    await blocker.end();
    try {
      await startWorker();
      const held = await call('POST', `/runs/${run}/hold`, { flows: ['C'], reason: 'in between' });
      expect([200, 202]).toContain(held.status);
      const agent = await installation.startAgent('agent-6');
      await expect.poll(() => resultsOf(run)).toBe('A:succeeded B:succeeded C:null');
      // Beyond the workflow task's timeout: the run did change hands.
      expect(Date.now() - frozenSince).toBeGreaterThan(10_000);
      goOn();
      const operations = await pool.query(
        "select state from operations where run_id = $1 and verb = 'hold'",
        [run],
      );
      expect(operations.rows).toEqual([{ state: 'applied' }]);
      expect((await call('POST', `/runs/${run}/unhold`, { flows: ['C'] })).status).toBe(200);
      await finished(run);
      const exchanges = await pool.query(
        'select count(*)::int as n, max(n)::int as last from exchanges where run_id = $1',
        [run],
      );
      expect(exchanges.rows[0].n).toBe(exchanges.rows[0].last);
      expect(exchanges.rows[0].last).toBeGreaterThan(frozenAt.rows[0]!.exchange);
      const audit = await pool.query('select verb from audit where run_id = $1 order by id', [run]);
      expect(audit.rows.map((row) => row.verb)).toEqual(['hold', 'unhold']);
      await oneEffectEach('204004');
      await agent.stop();
    } finally {
      goOn();
    }
    await frozen.stop();
  });
});

describe('B1, B2: kill -9 of the API', () => {
  test('an operation that was accepted is applied once; the same key answers its one outcome from the next API', async () => {
    const run = await openTestRun(pool, '2040-05');
    const api = await installation.startApiElsewhere();
    const key = { 'idempotency-key': 'hold-once-2040-05' };
    const asked = api
      .call('POST', `/runs/${run}/hold`, { flows: ['C'], reason: 'once' }, key)
      .catch(() => null);
    await expect
      .poll(
        async () =>
          (await pool.query("select 1 from operations where idempotency_key = 'hold-once-2040-05'")).rowCount,
        { interval: 2 },
      )
      .toBe(1);
    await api.child.kill9();
    await asked;
    const again = await call('POST', `/runs/${run}/hold`, { flows: ['C'], reason: 'once' }, key);
    expect(again.status).toBe(200);
    const rows = await pool.query('select state from operations where run_id = $1', [run]);
    expect(rows.rows).toEqual([{ state: 'applied' }]);
    const other = await call('POST', `/runs/${run}/hold`, { flows: ['B'], reason: 'once' }, key);
    expect(other).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } });
  });
});
