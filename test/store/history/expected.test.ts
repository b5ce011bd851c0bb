import { afterAll, expect, test } from 'vitest';
import { shiftPeriod } from '../../../graph/calendar/calendar.ts';
import type { Result } from '../../../graph/run/status.ts';
import { versionReader } from '../../../store/catalogue/catalogue.ts';
import { learnExpected } from '../../../store/history/expected.ts';
import { writePastRun } from '../../../store/history/past-runs.ts';
import { contextReader } from '../../../store/record/run-context.ts';
import { readUsual } from '../../../store/record/usual-times.ts';
import { createPool } from '../../../store/schema/pool.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';

const database = await createTestDatabase('expected');
const pool = createPool(database.url, { max: 6, name: 'expected' });
/** Past runs are written with COPY. */
const writing = createPool(database.url, { max: 2, name: 'writing', copies: true });
afterAll(() => Promise.all([pool.end(), writing.end()]));

const MIN = 60_000;
const DAY = 24 * 60 * MIN;
const day = { cycle: 'day', layer: 'DWD' };
const catalogueVersion = await applyCatalogue(
  pool,
  catalogueText([
    { id: 'Load', ...day },
    { id: 'Sum', ...day, after: ['Load'] },
    { id: 'New', ...day, after: ['Load'] },
    { id: 'Told', ...day, after: ['Load'], expectedMs: 7 * MIN, referenceAt: '+1 day, 05:00' },
    { id: 'Gate', cycle: 'day', kind: 'gate', person: { role: 'finance' } },
    { id: 'Report', ...day, layer: 'APP', after: ['Sum'], deadline: '+1 day, 09:00' },
  ]),
);
const versionOf = versionReader(pool);

/** A flow ran for `minutes` and ended `end` minutes after the end of the day; or it has another result. */
type Ran = readonly [minutes: number, end: number] | Result;

async function past(
  period: string,
  flows: Readonly<Record<string, Ran>>,
  { purpose = 'scheduled', failFirst = '' }: { purpose?: 'scheduled' | 'backfill'; failFirst?: string } = {},
): Promise<void> {
  const over = Date.parse(`${period}T00:00:00+08:00`) + DAY;
  const ids = Object.keys(flows);
  const endOf = (ran: Ran): number => over + (typeof ran === 'string' ? 700 : ran[1]) * MIN;
  await writePastRun(
    writing,
    {
      cycle: 'day',
      period,
      purpose,
      openedAt: over,
      finishedAt: over + DAY / 2,
      flows: ids.map((flow) => {
        const ran = flows[flow]!;
        return {
          flow,
          runner: flow === 'Gate' ? 'person' : 'agent',
          generation: 1,
          tainted: false,
          usedRetries: 0,
          attempt: flow === failFirst ? 2 : 1,
          result: typeof ran === 'string' ? ran : ('succeeded' as const),
          startAt: 0,
          deadlineAt: 0,
          generationAt: over,
          releasedAt: over,
          resultAt: endOf(ran) + 20,
        };
      }),
      attempts: ids.flatMap((flow) => {
        const ran = flows[flow]!;
        if (typeof ran === 'string' || flow === 'Gate') return [];
        const endedAt = endOf(ran);
        const startedAt = endedAt - ran[0] * MIN;
        const one = {
          flow,
          generation: 1,
          attempt: 1,
          agent: 'a',
          sentAt: startedAt - 5,
          startedAt,
          endedAt,
        };
        const good = { ...one, outcome: 'succeeded' } as const;
        if (flow !== failFirst) return [good];
        const bad = {
          ...one,
          startedAt: startedAt - 90 * MIN,
          endedAt: startedAt - MIN,
          outcome: 'failed',
        } as const;
        return [bad, { ...good, attempt: 2 }];
      }),
      generations: [],
      operations: [],
      releases: [],
    },
    { catalogueVersion, actor: 'test' },
  );
}

// 4 to 31 May 2026: eight rest days (the holiday of the 1st has no calendar here), one month end, the others work days.
const days = Array.from({ length: 28 }, (_, i) => shiftPeriod('day', '2026-05-04', i));
for (const [i, period] of days.entries()) {
  const rest = [0, 6].includes(new Date(`${period}T00:00:00Z`).getUTCDay());
  await past(
    period,
    {
      Load: [period === '2026-05-31' ? 40 : rest ? 10 : 20, 60 + i],
      // One night everything stood; it was passed on another one.
      Sum: i === 5 ? 'force_passed' : [i === 8 ? 600 : 30, 120],
      Told: [3, 90],
      Gate: [0, 200],
    },
    { failFirst: i === 2 ? 'Load' : '' },
  );
}
// Backfills are no past, however many there are.
for (const period of days.slice(0, 10))
  await past(period, { Load: [500, 700], New: [500, 700] }, { purpose: 'backfill' });

const usualOf = async (period: string) => {
  // A new reader: what a reader has read it keeps for a minute.
  const version = await versionReader(pool)(catalogueVersion);
  const { index } = version.graphOf('day');
  const usual = await readUsual(pool, { run: { cycle: 'day', period }, version });
  return (flow: string) => {
    const v = index.get(flow)!;
    return { expected: usual.expected(v), end: usual.end(v), usualMs: usual.usualMs(v) };
  };
};
const WORK_DAY = '2026-06-04';

test('before anything was learned, the catalogue and the default speak', async () => {
  const usual = await usualOf('2026-06-09');
  expect(usual('Told').expected).toMatchObject({ p50: 7 * MIN, origin: 'configured' });
  expect(usual('Load')).toEqual({
    expected: { p10: MIN, p50: MIN, p90: MIN, n: 0, origin: 'default' },
    end: null,
    usualMs: null,
  });
});

test('what there is to learn is learned once, by one process', async () => {
  const [one, other] = await Promise.all([learnExpected(pool, versionOf), learnExpected(pool, versionOf)]);
  const reports = [one, other].filter((entry) => entry !== null).flat();
  // 28 days of Load, Sum and Told, but one of Sum.
  expect(reports).toMatchObject([{ cycle: 'day', runs: 28, durations: 3 * 28 - 1 }]);
  expect(await learnExpected(pool, versionOf)).toEqual([]);
});

test('durations are of days like this one, without failed attempts and backfills, and say where they are from', async () => {
  const [work, rest, end] = [
    await usualOf(WORK_DAY),
    await usualOf('2026-06-06'),
    await usualOf('2026-06-30'),
  ];
  expect(work('Load').expected).toEqual({
    p10: 20 * MIN,
    p50: 20 * MIN,
    p90: 20 * MIN,
    n: 20,
    origin: 'class',
  });
  // The 31st is a Sunday, and the end of the month.
  expect(rest('Load').expected).toMatchObject({ p50: 10 * MIN, n: 7, origin: 'class' });
  expect(end('Load').expected).toMatchObject({ p50: 20 * MIN, n: 28, origin: 'own' });
});

test('a night when everything stood counts as the limit, one that was passed not at all', async () => {
  const { expected } = (await usualOf(WORK_DAY))('Sum');
  expect(expected).toMatchObject({ p10: 30 * MIN, p50: 30 * MIN, origin: 'class' });
  expect(expected.p90).toBeLessThanOrEqual(33 * MIN);
  expect((await usualOf('2026-06-30'))('Sum').expected.n).toBe(27);
});

test('a flow without a past is expected to run as those like it, or as long as configured', async () => {
  const usual = await usualOf(WORK_DAY);
  // Medians of Load, Sum and Told: 20, 30 and 3 minutes.
  expect(usual('New').expected).toMatchObject({ p50: 20 * MIN, n: 3, origin: 'alike' });
  expect(usual('Told').expected).toMatchObject({ p50: 3 * MIN, origin: 'class' });
  expect(usual('Report').expected).toMatchObject({ origin: 'default' });
});

test('usual ends are the 90th percentile from the beginning of the period, of gates too', async () => {
  const usual = await usualOf(WORK_DAY);
  // 60 to 87 minutes after the day.
  expect(usual('Load').end).toEqual({ ms: Math.round(DAY + (60 + 0.9 * 27) * MIN), n: 28 });
  expect(usual('Gate').end).toEqual({ ms: DAY + 200 * MIN + 20, n: 28 });
  expect(usual('New').end).toBeNull();
});

test('latest starts of a run that is opened are reckoned with what was learned', async () => {
  const run = await openTestRun(pool, '2026-06-04', 'day');
  const context = await contextReader(pool, versionReader(pool))(run);
  const deadline = Date.parse('2026-06-05T09:00:00+08:00');
  const of = (flow: string): number => (deadline - context.latestStart[context.index.get(flow)!]!) / MIN;
  expect([of('Report'), of('Sum'), of('Load')]).toEqual([1, 31, 51]);
});

test('what running flows are measured by is the average of the last week, else their own median', async () => {
  // The days of the test ended long ago.
  expect((await usualOf(WORK_DAY))('Load').usualMs).toBe(20 * MIN);
  expect((await usualOf(WORK_DAY))('New').usualMs).toBeNull();
  const period = new Date(Date.now() + 8 * 60 * MIN - 2 * DAY).toISOString().slice(0, 10);
  await past(period, { Load: [24, 60] });
  expect(await learnExpected(pool, versionOf)).toMatchObject([{ cycle: 'day', runs: 1 }]);
  const rows = await pool.query(
    `select week_n, week_ms from expected_times where series = 'Load' and day_class = ''`,
  );
  expect(rows.rows).toEqual([{ week_n: 1, week_ms: 24 * MIN }]);
});
