import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../config.ts';
import { type Home, openHome } from '../../embedded/home.ts';
import { createDatabase, type Postgres, startPostgres } from '../../embedded/postgres.ts';
import { removeOutsideData } from '../../embedded/postgres-data.ts';
import { startTemporal, type Temporal } from '../../embedded/temporal.ts';
import { obtainTemporal } from '../../embedded/temporal-binary.ts';
import { migrate } from '../../store/schema/migrate.ts';
import { createPool } from '../../store/schema/pool.ts';
import { applyCatalogue, openTestRun } from '../support/estate.ts';
import { createInstallation, type Installation } from '../support/processes.ts';

/** Servers of this file alone, because they are killed; a ledger on the platform counts effects whatever the engine believes. */
let home: Home;
let postgres: Postgres;
let temporal: Temporal;
let installation: Installation;
let pool: pg.Pool;
let yt: pg.Pool;

const FLOWS = 24;
const ids = Array.from({ length: FLOWS }, (_, i) => `F${String(i).padStart(2, '0')}`);

beforeAll(async () => {
  home = await openHome(await mkdtemp(join(tmpdir(), 'sluice-servers-')));
  const { cache, temporalBin } = loadConfig();
  const program = await obtainTemporal({ cache, chosen: temporalBin, say: () => {} });
  [postgres, temporal] = await Promise.all([
    startPostgres({ home, port: 0, shortLived: false }),
    startTemporal({ home, program, port: 0 }),
  ]);
  await createDatabase(postgres.url(), 'record');
  await createDatabase(postgres.url(), 'yt');
  pool = createPool(postgres.url('record'), { max: 4, name: 'test' });
  yt = new pg.Pool({ connectionString: postgres.url('yt'), max: 2 });
  yt.on('error', () => {});
  await migrate(pool);
  await yt.query('create table ledger (program text, period text, generation int)');
  const flows = ids.map((id, i) => ({
    id,
    kind: 'job',
    cycle: 'month',
    names: { en: id, zh: id },
    platform: 'yt',
    program: { type: 'sql', file: `${id}.sql`, connection: 'yt' },
    retries: { program: 0, infrastructure: 10, lost: 10, backoffMs: 100 },
    // Four columns of six flows, each flow below the one before it in its column and in the next column.
    after: i < 4 ? [] : [ids[i - 4], ids[i % 4 === 3 ? i - 7 : i - 3]],
  }));
  await applyCatalogue(
    pool,
    JSON.stringify({ connections: [{ id: 'yt', platform: 'yt' }], flows }),
    'apply',
    ids.map((id) => ({
      path: `programs/${id}.sql`,
      text: `select pg_sleep(0.4);\ninsert into ledger values ('${id}', :period, :generation);\n`,
    })),
  );
  installation = await createInstallation(
    { url: postgres.url('record') },
    { yt: postgres.url('yt') },
    { TEMPORAL_ADDRESS: temporal.address },
  );
  await Promise.all([
    installation.startApi(),
    installation.startWorker(),
    installation.startAgent('agent-1'),
  ]);
});

afterAll(async () => {
  await installation.stopAll();
  await pool.end().catch(() => {});
  await yt.end().catch(() => {});
  await Promise.allSettled([postgres.stop(), temporal.stop()]);
  await home.release();
  await removeOutsideData(home.path);
  await rm(home.path, { recursive: true, force: true });
});

const done = async (run: string): Promise<number> => {
  const found = await pool.query(
    "select count(*)::int as n from run_flows where run_id = $1 and result = 'succeeded'",
    [run],
  );
  return found.rows[0].n;
};

/** Asks again while the database is away: the question is how it ends, not how the way there looks. */
const reached = (run: string, n: number) =>
  expect.poll(() => done(run).catch(() => -1), { interval: 50 }).toBeGreaterThanOrEqual(n);

/**
 * The worker may be inside a workflow task when the server dies, and then reads the log to its end, operations among it: what it has not
 * read for longer than the deliverer's poll, with no exchange in between, nobody reads until the server is back.
 */
async function coordinatorStandsStill(run: string): Promise<void> {
  let seen = -1;
  let since = performance.now();
  await expect
    .poll(
      async () => {
        const found = await pool.query<{ exchange: number; behind: boolean }>(
          'select exchange, log_seq > cursor as behind from run_counters where run_id = $1',
          [run],
        );
        const { exchange, behind } = found.rows[0]!;
        if (exchange !== seen || !behind) since = performance.now();
        seen = exchange;
        return performance.now() - since;
      },
      { interval: 50 },
    )
    .toBeGreaterThan(1_500);
}

async function oneEffectEach(period: string): Promise<void> {
  const found = await yt.query(
    'select program, count(*)::int as n from ledger where period = $1 group by program order by program',
    [period],
  );
  expect(found.rows).toEqual(ids.map((program) => ({ program, n: 1 })));
}

describe('A1, A6, C4: kill -9 of a server in the middle of a run', () => {
  test('Temporal: the run goes on where it was, no effect is lost or doubled', async () => {
    const run = await openTestRun(pool, '2041-01');
    await reached(run, 4);
    await temporal.kill9();
    await coordinatorStandsStill(run);
    const held = await installation.call('POST', `/runs/${run}/hold`, {
      flows: [ids[23]],
      reason: 'while Temporal is away',
    });
    // The record accepts what nobody can decide yet: 202 with the operation's address after the wait.
    expect(held.status).toBe(202);
    await temporal.restart();
    await expect
      .poll(
        async () =>
          (await pool.query("select state from operations where run_id = $1 and verb = 'hold'", [run]))
            .rows[0].state,
      )
      .toBe('applied');
    // A workflow task that the server gave to a connection of before its death comes again after its timeout, 5 s; the API answers 202 after 10 s
    // (protocol B2).
    const unheld = await installation.call('POST', `/runs/${run}/unhold`, { flows: [ids[23]] });
    expect([200, 202]).toContain(unheld.status);
    await reached(run, FLOWS);
    await oneEffectEach('204101');
  });

  test('PostgreSQL: nothing that was acknowledged is lost, no lease is taken because of the outage', async () => {
    const run = await openTestRun(pool, '2041-02');
    await reached(run, 4);
    const held = await installation.call('POST', `/runs/${run}/hold`, {
      flows: [ids[23]],
      reason: 'just before',
    });
    expect(held.status).toBe(200);
    await postgres.kill9();
    await postgres.restart();
    await reached(run, FLOWS - 1);
    const kept = await pool.query("select ended_ms from overrides where run_id = $1 and kind = 'hold'", [
      run,
    ]);
    expect(kept.rows).toEqual([{ ended_ms: null }]);
    expect((await installation.call('POST', `/runs/${run}/unhold`, { flows: [ids[23]] })).status).toBe(200);
    await reached(run, FLOWS);
    await oneEffectEach('204102');
    const lost = await pool.query(
      "select count(*)::int as n from attempts where run_id = $1 and outcome = 'lost'",
      [run],
    );
    expect(lost.rows[0].n).toBe(0);
  });
});
