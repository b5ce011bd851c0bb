/** How long flows run, whether they run too long now, and what made one late (Q09, Q25, lateness against reference times). */
import { afterAll, expect, test } from 'vitest';
import { learnExpected } from '../../../store/history/expected.ts';
import { writePastRun } from '../../../store/history/past-runs.ts';
import { createPool } from '../../../store/schema/pool.ts';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { playAgent } from '../../support/play.ts';

const database = await createTestDatabase('queries_durations');
const api = await startTestApi(database);
/** Past runs are written with COPY. */
const writing = createPool(database.url, { max: 1, name: 'writing', copies: true });
afterAll(() => writing.end());
const analyst = await api.actor({ name: 'zhao', kind: 'person', roles: ['analyst'] });

const day = { cycle: 'day' };
const version = await applyCatalogue(
  api.pool,
  catalogueText([
    { id: 'Load', ...day, layer: 'ODS' },
    { id: 'Sum', ...day, after: ['Load'], names: { en: 'Sum bills', zh: '汇总账单' } },
    { id: 'Report', ...day, after: ['Sum'], platform: 'mpp' },
    { id: 'Month' },
  ]),
);

const MIN = 60_000;
const DAY = 24 * 60 * MIN;
const now: number = (await api.pool.query('select clock_ms() as now')).rows[0].now;
/** Days before the one of today in the calendar's zone. */
const dayBefore = (n: number): string => new Date(now + 8 * 60 * MIN - n * DAY).toISOString().slice(0, 10);
const beginning = (period: string): number => Date.parse(`${period}T00:00:00+08:00`);

/** Writes a finished day: each flow ran for its `minutes`, the first from 10 minutes after midnight on, each after the one before. */
async function past(
  period: string,
  minutes: Readonly<Record<'Load' | 'Sum' | 'Report', number>>,
): Promise<void> {
  const openedAt = beginning(period) + 10 * MIN;
  let at = openedAt;
  const attempts = Object.entries(minutes).map(([flow, took]) => {
    const [startedAt, endedAt] = [at, at + took * MIN];
    at = endedAt;
    return {
      flow,
      generation: 1,
      attempt: 1,
      agent: 'a',
      sentAt: startedAt,
      startedAt,
      endedAt,
      outcome: 'succeeded' as const,
    };
  });
  const flows = attempts.map(({ flow, sentAt, endedAt }) => ({
    flow,
    runner: 'agent' as const,
    generation: 1,
    attempt: 1,
    result: 'succeeded' as const,
    tainted: false,
    usedRetries: 0,
    startAt: 0,
    deadlineAt: 0,
    generationAt: openedAt,
    releasedAt: sentAt,
    resultAt: endedAt,
  }));
  const run = { cycle: 'day', period, purpose: 'scheduled', openedAt, finishedAt: at } as const;
  const nothing = { generations: [], operations: [], releases: [] };
  await writePastRun(
    writing,
    { ...run, flows, attempts, ...nothing },
    { catalogueVersion: version, actor: 'test' },
  );
}

// Two weeks, the second one slower; yesterday Sum took an hour more.
for (let n = 14; n >= 8; n--) await past(dayBefore(n), { Load: 10, Sum: 60, Report: 20 });
for (let n = 7; n >= 2; n--) await past(dayBefore(n), { Load: 10, Sum: 80, Report: 20 });
await past(dayBefore(1), { Load: 10, Sum: 140, Report: 15 });
await learnExpected(api.pool, api.deps.versionOf);

async function ask(query: string): Promise<Json> {
  const { status, body } = await analyst.get(`/queries/${query}`);
  expect({ status, body }).toMatchObject({ status: 200 });
  return body;
}

test('Q09 lists what takes more than the threshold on average within a week, with the week before', async () => {
  const { about, items } = await ask('Q09');
  expect(about).toEqual({ days: '7', thresholdMinutes: '60' });
  expect(items).toHaveLength(1);
  // Seven days ago may lie just outside of the seven times 24 hours, whatever the time of day.
  const runs: number = items[0].runs;
  expect([6, 7]).toContain(runs);
  const average = (80 * (runs - 1) + 140) / runs;
  const before = runs === 7 ? 60 : (6 * 60 + 80) / 7;
  const tenth = (value: number): number => Math.round(value * 10) / 10;
  expect(items[0]).toMatchObject({
    flowId: 'Sum',
    name: { zh: '汇总账单' },
    platform: 'yt',
    maxMin: 140,
    avgMin: tenth(average),
    previousWeekAvg: tenth(before),
    overLongNow: false,
    runningMin: null,
  });
  expect(items[0].trend).toBeCloseTo(average / before - 1, 3);
  expect(items[0].p95Min).toBeGreaterThan(80);
});

test('Q09 takes thresholds that are no whole milliseconds, and refuses those beyond a year', async () => {
  expect((await ask('Q09?thresholdMinutes=15.000001')).items.length).toBeGreaterThan(0);
  const { status, body } = await analyst.get('/queries/Q09?thresholdMinutes=99999999999999999999');
  expect({ status, code: body.code }).toEqual({ status: 400, code: 'invalid_request' });
});

test('Q09 takes another threshold and window, and filters', async () => {
  const ids = ({ items }: Json): string[] => items.map((json: Json) => json.flowId);
  expect(ids(await ask('Q09?thresholdMinutes=15'))).toEqual(['Sum', 'Report']);
  expect(ids(await ask('Q09?thresholdMinutes=15&platform=mpp'))).toEqual(['Report']);
  expect(ids(await ask('Q09?thresholdMinutes=0&layer=ODS'))).toEqual(['Load']);
  expect(ids(await ask('Q09?thresholdMinutes=100&days=2'))).toEqual(['Sum']);
});

test('Q25 says along the path what made a flow later than the day before, to the millisecond', async () => {
  const { about, items } = await ask(`Q25?flow=Report&date=${dayBefore(1)}`);
  expect(about).toMatchObject({
    run: `day-${dayBefore(1)}`,
    reference: `day-${dayBefore(2)}`,
    totalMs: String(55 * MIN),
  });
  expect(
    items.map((json: Json) => [json.flowId, json.deltaMin, json.deltaRun, json.deltaWait, json.mainCause]),
  ).toEqual([
    ['Load', 0, 0, 0, false],
    ['Sum', 60, 60, 0, true],
    ['Report', -5, -5, 0, false],
  ]);
  expect(items.reduce((sum: number, json: Json) => sum + json.deltaMs, 0)).toBe(55 * MIN);
  expect(items[1]).toMatchObject({
    name: { en: 'Sum bills' },
    finishToday: beginning(dayBefore(1)) + 160 * MIN,
    finishYesterday: beginning(dayBefore(2)) + 100 * MIN,
  });
});

test('Q25 compares with a day that is named, the same weekday, the middle of 30 days or reference times', async () => {
  const total = async (query: string): Promise<number> => {
    const { about, items } = await ask(`Q25?flow=Report&date=${dayBefore(1)}&${query}`);
    const sum = items.reduce((total: number, json: Json) => total + json.deltaMs, 0);
    expect(String(sum)).toBe(about.totalMs);
    return sum / MIN;
  };
  expect(await total(`compareDate=${dayBefore(9)}`)).toBe(75);
  expect(await total('compare=weekday')).toBe(75);
  // Seven days of 100 minutes, six of 120: the middle one is the last of the first seven.
  expect(await total('compare=median')).toBe(75);
  // The 90th percentile of the ends: 13 days at 100 or 120 minutes and one at 175 after the beginning.
  expect(await total('compare=reference')).toBe(55);
});

test('Q25 wants a flow that exists, and says when there is nothing to compare with', async () => {
  expect(await analyst.get('/queries/Q25')).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  for (const period of ['date=2026-13', 'compareDate=yesterday'])
    expect(await analyst.get(`/queries/Q25?flow=Load&${period}`)).toMatchObject({
      status: 400,
      body: { code: 'invalid_period' },
    });
  expect(await analyst.get('/queries/Q25?flow=Nobody')).toMatchObject({
    status: 404,
    body: { code: 'unknown_flow' },
  });
  const first = `flow=Report&date=${dayBefore(14)}`;
  expect(await analyst.get(`/queries/Q25?${first}`)).toMatchObject({
    status: 404,
    body: { code: 'no_reference' },
  });
});

test('lateness against reference times: the flow that ran longer than expected is the cause, and all adds up', async () => {
  const of = `/runs/day-${dayBefore(1)}`;
  const { status, body } = await analyst.get(`${of}/lateness?target=Report&against=reference`);
  expect(status).toBe(200);
  const dueAt = beginning(dayBefore(1)) + 120 * MIN;
  expect(body).toMatchObject({
    reference: { run: null, period: null, time: { at: dueAt, origin: 'learned', n: 14 } },
    expectedAt: dueAt,
    total: 55 * MIN,
    mainCause: { flow: 'Sum', kind: 'run' },
  });
  expect(body.parts.reduce((sum: number, part: Json) => sum + part.ms, 0)).toBe(body.total);
  expect(body.text.en).toMatch(
    /^Report is 55 min later than its reference time: Sum \(Sum bills\) ran longer/,
  );
  const month = await openTestRun(api.pool, '2026-09');
  await api.coordinator!.settled(month);
  // Without a past a month flow is due by the end of the 7th.
  const { body: monthly } = await analyst.get(`/runs/${month}/lateness?target=Month&against=reference`);
  expect(monthly.reference.time).toEqual({ at: beginning('2026-10-08'), origin: 'default', n: null });
});

test('a running flow is over-long against an hour or its own average, in Q09, in its detail and in why', async () => {
  const run = await openTestRun(api.pool, dayBefore(0), 'day');
  await api.coordinator!.settled(run);
  const agent = await playAgent(api.pool, 'agent-yt');
  const tasks = (await agent.claim()).filter((task) => task.run === run);
  expect(tasks.map((task) => task.flow)).toEqual(['Load']);
  await agent.start(tasks);
  const begunBefore = (minutes: number) =>
    api.pool.query('update leases set started_ms = clock_ms() - $2::bigint where run_id = $1', [
      run,
      minutes * MIN,
    ]);
  const detail = async (): Promise<Json> => (await analyst.get(`/runs/${run}/flows/Load`)).body;
  const why = async (): Promise<string> =>
    (await analyst.get(`/runs/${run}/flows/Report/why`)).body.causes[0].code;

  // It takes 10 minutes as a rule: 15 are half as long again.
  await begunBefore(14);
  expect(await detail()).toMatchObject({
    overLong: null,
    expected: { p50: 10 * MIN },
    reference: { at: beginning(dayBefore(0)) + 20 * MIN, origin: 'learned', n: 14 },
  });
  expect(await why()).toBe('upstream_running');
  expect((await ask('Q09')).items.map((json: Json) => json.flowId)).toEqual(['Sum']);

  await begunBefore(16);
  expect(await detail()).toMatchObject({ overLong: 'usual' });
  expect(await why()).toBe('upstream_running_long');
  const { items } = await ask('Q09');
  expect(items.map((json: Json) => [json.flowId, json.overLongNow])).toEqual([
    ['Sum', false],
    ['Load', true],
  ]);
  expect(items[1]).toMatchObject({ avgMin: 10, runningMin: 16, run });

  const page = await analyst.get(`/runs/${run}/flows/Report`);
  expect(page.body).toMatchObject({ overLong: null, expected: { p50: 20 * MIN } });
});
