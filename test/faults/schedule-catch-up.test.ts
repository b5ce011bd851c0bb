/**
 * Schedules while Temporal is down: a server of this file alone, killed while its schedules fire every second. What it missed it fires when
 * it is back; the record has one decision a slot, whatever was fired how often.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import pino from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadConfig, projectFolder } from '../../config.ts';
import { type Home, openHome } from '../../embedded/home.ts';
import { startTemporal, type Temporal } from '../../embedded/temporal.ts';
import { obtainTemporal } from '../../embedded/temporal-binary.ts';
import { Schedule } from '../../graph/model.ts';
import { lastSlots } from '../../store/schedules/schedules.ts';
import { createPool } from '../../store/schema/pool.ts';
import { type RunningWorker, startWorker } from '../../worker/connect.ts';
import { optionsOf } from '../../worker/schedule-keeper.ts';
import { schedulePrefix } from '../../workflows/messages.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText } from '../support/estate.ts';

const database = await createTestDatabase('catch_up');
const pool = createPool(database.url, { max: 4, name: 'test' });
const taskQueue = 'catch-up';
const scheduleId = `${schedulePrefix(taskQueue)}days`;
const schedule = { id: 'days', cycle: 'day', at: '02:00', catchUpMs: 45 * 24 * 3_600_000 } as const;

let home: Home;
let temporal: Temporal;
let worker: RunningWorker;
let client: Client;

beforeAll(async () => {
  home = await openHome(await mkdtemp(join(tmpdir(), 'sluice-catch-up-')));
  const { cache, temporalBin } = loadConfig();
  const program = await obtainTemporal({ cache, chosen: temporalBin, say: () => {} });
  temporal = await startTemporal({ home, program, port: 0 });
  client = new Client({ connection: await Connection.connect({ address: temporal.address }) });
  await applyCatalogue(pool, catalogueText([{ id: 'A', cycle: 'day' }], { schedules: [schedule] }));
  worker = await startWorker({
    databaseUrl: database.url,
    temporalAddress: temporal.address,
    namespace: 'default',
    taskQueue,
    bundleFolder: join(projectFolder, '.sluice', 'bundles'),
    graceMs: 200,
    orphanMs: 1_800_000,
    continueAfterEvents: 0,
    // The server is away for a while, and says so.
    logger: pino({ level: 'silent' }),
  });
});
afterAll(async () => {
  await worker.stop();
  await client.connection.close();
  await pool.end();
  await temporal.stop();
  await home.release();
  await rm(home.path, { recursive: true, force: true });
});

interface Firing {
  /** For which moment, ms. */
  readonly at: number;
  /** When it was taken, ms. */
  readonly taken: number;
}
/** All firings: the schedule itself tells the last ten only, which are gone in ten seconds. */
async function fired(): Promise<Firing[]> {
  const query = `TemporalScheduledById = '${scheduleId}'`;
  const firings: Firing[] = [];
  for await (const { searchAttributes, startTime } of client.workflow.list({ query })) {
    const { TemporalScheduledStartTime: at } = searchAttributes as Record<string, Date[]>;
    firings.push({ at: at![0]!.getTime(), taken: startTime.getTime() });
  }
  return firings;
}
const decided = async (): Promise<string[]> =>
  (await lastSlots(pool, ['days'], 20)).map((slot) => slot.decision);

test('what a killed Temporal missed it fires when it is back, and each missed day is opened once', async () => {
  await expect
    .poll(() =>
      client.schedule
        .getHandle(scheduleId)
        .describe()
        .catch(() => null),
    )
    .not.toBeNull();
  // As the keeper makes it, but every second instead of every day.
  const options = optionsOf(Schedule.parse(schedule), 'Asia/Shanghai', taskQueue);
  const spec = { intervals: [{ every: '1s' }] };
  await client.schedule.getHandle(scheduleId).update(() => ({ ...options, spec }));
  await expect.poll(async () => (await fired()).length).toBeGreaterThanOrEqual(2);
  expect(await decided()).toEqual([]);

  await temporal.kill9();
  const downFrom = Date.now();
  // Five days become due while nobody fires.
  await pool.query('update schedules set decided_ms = clock_ms() - 5 * 86400000::bigint');
  await expect.poll(() => Date.now() - downFrom).toBeGreaterThan(3_000);
  expect(await decided()).toEqual([]);
  const downTo = Date.now();
  await temporal.restart();

  // A firing for a moment before the return, taken after it: BUFFER_ONE keeps one, which stands for all. It is one of before the kill if it
  // waited then behind a firing that took longer than a second.
  const missed = async () => (await fired()).filter(({ at, taken }) => at < downTo && taken > downTo).length;
  await expect.poll(missed).toBeGreaterThan(0);
  await expect.poll(decided).toEqual(Array.from({ length: 5 }, () => 'opened'));
  const decidedAt = Date.now();
  await expect.poll(async () => (await fired()).filter(({ at }) => at > decidedAt).length).toBeGreaterThan(1);
  const runs = await pool.query<{ n: number }>(
    "select count(*)::int as n from runs where opened_by = 'schedule:days'",
  );
  expect([await decided(), runs.rows[0]!.n]).toEqual([Array.from({ length: 5 }, () => 'opened'), 5]);
});
