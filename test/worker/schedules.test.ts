/** Schedules with a real Temporal server: kept in line with the catalogue, fired, caught up, decided by the calendar, once each. */
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import pino from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { projectFolder } from '../../config.ts';
import { lastSlots } from '../../store/schedules/schedules.ts';
import { createPool } from '../../store/schema/pool.ts';
import { type RunningWorker, startWorker } from '../../worker/connect.ts';
import { schedulePrefix } from '../../workflows/messages.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText } from '../support/estate.ts';
import '../support/quiet-temporal.ts';
import { temporalAddress, uniqueName } from '../support/temporal.ts';

const database = await createTestDatabase('schedules');
const pool = createPool(database.url, { max: 4, name: 'test' });
const taskQueue = uniqueName('schedules');
const prefix = schedulePrefix(taskQueue);
const bundleFolder = join(projectFolder, '.sluice', 'bundles');

let connection: Connection;
let client: Client;
const workers: RunningWorker[] = [];

async function start(): Promise<RunningWorker> {
  const worker = await startWorker({
    databaseUrl: database.url,
    temporalAddress: temporalAddress(),
    namespace: 'default',
    taskQueue,
    bundleFolder,
    graceMs: 200,
    orphanMs: 1_800_000,
    continueAfterEvents: 0,
    logger: pino({ level: 'error' }),
  });
  workers.push(worker);
  return worker;
}

beforeAll(async () => {
  connection = await Connection.connect({ address: temporalAddress() });
  client = new Client({ connection });
});
afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  for (const id of await ours()) await client.schedule.getHandle(id).delete();
  await client.schedule.getHandle(`${taskQueue}-foreign`).delete();
  await connection.close();
  await pool.end();
});

const ours = async (): Promise<string[]> => {
  const ids: string[] = [];
  for await (const { scheduleId } of client.schedule.list())
    if (scheduleId.startsWith(prefix)) ids.push(scheduleId);
  return ids.sort();
};
const apply = (schedules: readonly object[], note: string): Promise<number> =>
  applyCatalogue(pool, catalogueText([{ id: 'A', cycle: 'day', note }], { calendars: [CHINA], schedules }));
const runs = async (): Promise<string[]> => {
  const found = await pool.query<{ id: string }>('select id from runs order by id');
  return found.rows.map((row) => row.id);
};
const decisions = async (schedule: string): Promise<string[]> =>
  (await lastSlots(pool, [schedule], 20)).map((slot) => `${slot.period} ${slot.decision}`).reverse();
/** Makes the schedule as if it had been decided up to this instant: what lies after is due. */
const decidedUpTo = (schedule: string, at: string) =>
  pool.query('update schedules set decided_ms = $2 where id = $1', [schedule, Date.parse(at)]);

const CHINA = {
  id: 'china',
  holidays: [{ from: '2026-10-01', to: '2026-10-07', names: { en: 'National Day', zh: '国庆节' } }],
  makeUpDays: ['2026-10-10'],
};
/** So that days of the past are opened, whenever this test runs. */
const ANY_AGE = { catchUpMs: 45 * 24 * 3_600_000 };

test('schedules of the catalogue are created, changed and removed at Temporal; others are left alone', async () => {
  await client.schedule.create({
    scheduleId: `${taskQueue}-foreign`,
    spec: { intervals: [{ every: '1d' }] },
    action: { type: 'startWorkflow', workflowType: 'nobody', taskQueue: 'nobody', workflowId: 'nobody' },
    state: { paused: true },
  });
  await apply(
    [
      { id: 'days', cycle: 'day', at: '02:10', calendar: 'china' },
      { id: 'hours', cycle: 'hour', at: '00:07' },
    ],
    '1',
  );
  await start();
  await expect.poll(ours).toEqual([`${prefix}days`, `${prefix}hours`]);
  const spec = async (id: string) => (await client.schedule.getHandle(`${prefix}${id}`).describe()).spec;
  expect(await spec('days')).toMatchObject({
    timezone: 'Asia/Shanghai',
    calendars: [{ hour: [{ start: 2, end: 2 }], minute: [{ start: 10, end: 10 }] }],
  });
  // The next firing as Temporal sees it: 02:10 in Shanghai is 18:10 in UTC.
  const { info } = await client.schedule.getHandle(`${prefix}days`).describe();
  expect(info.nextActionTimes[0]!.toISOString()).toMatch(/T18:10:00/);

  // A second worker does the same again; what was applied meanwhile is followed, what somebody deleted comes back.
  await start();
  await apply([{ id: 'days', cycle: 'day', at: '03:10', calendar: 'china' }], '2');
  await expect.poll(ours).toEqual([`${prefix}days`]);
  await expect.poll(() => spec('days')).toMatchObject({ calendars: [{ hour: [{ start: 3 }] }] });
  expect((await client.schedule.getHandle(`${taskQueue}-foreign`).describe()).state.paused).toBe(true);
});

test('any number of firings opens the day just ended in Shanghai once; the calendar says no to holidays', async () => {
  await apply(
    [{ id: 'work', cycle: 'day', at: '00:05', calendar: 'china', on: 'workDays', ...ANY_AGE }],
    '3',
  );
  await expect.poll(ours).toEqual([`${prefix}work`]);
  // Just after midnight in Shanghai it is still the day before in UTC.
  const now = new Date();
  const yesterday = await pool.query<{ day: string }>(
    "select to_char(to_timestamp(clock_ms() / 1000.0) at time zone 'Asia/Shanghai' - interval '1 day 5 minutes', 'YYYY-MM-DD') as day",
  );
  const day = yesterday.rows[0]!.day;
  await decidedUpTo('work', new Date(now.getTime() - 24 * 3_600_000).toISOString());
  const handle = client.schedule.getHandle(`${prefix}work`);
  await Promise.all([handle.trigger(), handle.trigger(), handle.trigger()]);
  await expect.poll(() => decisions('work')).toHaveLength(1);
  const [told] = await decisions('work');
  expect(told).toMatch(new RegExp(`^${day} (opened|weekend)$`));
  if (told!.endsWith('opened')) expect(await runs()).toEqual([`day-${day}`]);
});

test('section 9 no. 13: while it slept no period is lost or doubled: one run for each missed day, none for holidays', async () => {
  // The record's clock is set back to a day after the holiday; Temporal fires for moments of those days.
  await pool.query('delete from schedule_slots');
  await pool.query(`create or replace function clock_ms() returns bigint language sql volatile
    as $$ select (extract(epoch from clock_timestamp()) * 1000)::bigint - ${Date.now() - Date.parse('2026-10-11T04:00:00Z')} $$`);
  await decidedUpTo('work', '2026-09-29T12:00:00Z');
  const range = { start: new Date('2026-10-06T00:00:00Z'), end: new Date('2026-10-11T00:00:00Z') };
  await client.schedule.getHandle(`${prefix}work`).backfill({ ...range, overlap: 'ALLOW_ALL' });
  const want = [
    '2026-09-29 opened',
    '2026-09-30 opened',
    ...['01', '02', '03', '04', '05', '06', '07'].map((entry) => `2026-10-${entry} holiday`),
    '2026-10-08 opened',
    '2026-10-09 opened',
    '2026-10-10 opened',
  ];
  await expect.poll(() => decisions('work')).toEqual(want);
  expect(
    (await runs()).filter((run) => run.startsWith('day-2026-10') || run.startsWith('day-2026-09')),
  ).toEqual(['day-2026-09-29', 'day-2026-09-30', 'day-2026-10-08', 'day-2026-10-09', 'day-2026-10-10']);
});
