/** What schedules open, decided in the record: each slot once, by calendar, pause, catch-up window, blackout and overlap policy. */
import fc from 'fast-check';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { SLOT_DECISIONS, slotsAfter } from '../../../graph/calendar/schedule.ts';
import { versionReader } from '../../../store/catalogue/catalogue.ts';
import { openDue, openWaiting } from '../../../store/schedules/open-due.ts';
import { openRun } from '../../../store/schedules/open-run.ts';
import { nextRunNumber } from '../../../store/schedules/run-numbers.ts';
import { lastSlots, listSchedules, setPaused } from '../../../store/schedules/schedules.ts';
import { createPool } from '../../../store/schema/pool.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText } from '../../support/estate.ts';
import { runsOr, seed } from '../../support/property.ts';

const database = await createTestDatabase('open_due');
const pool = createPool(database.url, { max: 8, name: 'test' });
const deps = { pool, versionOf: versionReader(pool) };
const noWarning = (facts: object, text: string): void => {
  throw new Error(`${text} ${JSON.stringify(facts)}`);
};

/** The record's clock stands at this instant. */
const at = (instant: string) =>
  pool.query(
    `create or replace function clock_ms() returns bigint language sql volatile as $$ select ${Date.parse(instant)}::bigint $$`,
  );
const decisions = async (schedule = 'days'): Promise<string[]> =>
  (await lastSlots(pool, [schedule], 50)).map((slot) => `${slot.period} ${slot.decision}`).reverse();
const runs = async (): Promise<string[]> =>
  (await pool.query<{ id: string }>('select id from runs order by id')).rows.map((row) => row.id);
const finish = (run: string) => pool.query('update runs set finished_ms = clock_ms() where id = $1', [run]);

let note = 0;
/** A day schedule at 02:00 in Shanghai, applied at this instant, and what is given besides. */
async function begin(
  instant: string,
  given: object = {},
  calendar: object = {},
  frame: object = {},
): Promise<void> {
  await at(instant);
  await applyCatalogue(
    pool,
    catalogueText(
      ['day', 'month', 'hour'].map((cycle) => ({ id: `A_${cycle}`, cycle, note: `${++note}` })),
      {
        calendars: [{ id: 'china', ...calendar }],
        schedules: [{ id: 'days', cycle: 'day', at: '02:00', calendar: 'china', ...given }],
        ...frame,
      },
    ),
  );
}

afterAll(() => pool.end());
beforeEach(async () => {
  await pool.query('truncate schedule_slots, schedules, runs cascade');
});

test.each<[string, readonly string[] | null, string[] | undefined, string]>([
  ['for all', null, ['P'], ''],
  ['for the procedures of the schedule and more', ['P', 'Q'], ['P'], ''],
  ['for others', ['P'], ['P', 'Q'], ', for P only: flows of Q wait for a trigger'],
  ['for some of all', ['P', 'Q'], undefined, ', for P, Q only: the other flows wait for a trigger'],
])(
  'the decision says of a run that was opened before %s what it leaves out',
  async (_what, opened, own, more) => {
    const procedures = ['P', 'Q'].map((id) => ({ id, names: { en: id, zh: id }, owner: 'o', cycle: 'day' }));
    await begin('2026-11-22T12:00:00Z', own === undefined ? {} : { procedures: own }, {}, { procedures });
    await at('2026-11-22T18:00:00Z');
    const request = { cycle: 'day', period: '2026-11-22', purpose: 'scheduled', procedures: opened } as const;
    await openRun(deps, request, 'operator');
    await openDue(deps, 'days');
    const [slot] = await lastSlots(pool, ['days'], 1);
    expect(slot).toMatchObject({
      decision: 'run_exists',
      run: 'day-2026-11-22',
      text: { en: `The run of this period already exists${more}` },
    });
    expect(slot!.text.zh.includes('等待触发')).toBe(more !== '');
  },
);

test('a new schedule counts from its apply: nothing before it is opened, everything after it once', async () => {
  await begin('2026-11-22T12:00:00Z');
  await openDue(deps, 'days');
  expect(await decisions()).toEqual([]);
  await at('2026-11-24T18:00:00Z');
  await Promise.all([openDue(deps, 'days'), openDue(deps, 'days'), openDue(deps, 'days')]);
  await openDue(deps, 'days');
  expect(await decisions()).toEqual(['2026-11-22 opened', '2026-11-23 opened', '2026-11-24 opened']);
  expect(await runs()).toEqual(['day-2026-11-22', 'day-2026-11-23', 'day-2026-11-24']);
  const audit = await pool.query("select actor, run_id from audit where verb = 'open' order by id");
  expect(audit.rows[0]).toEqual({ actor: 'schedule:days', run_id: 'day-2026-11-22' });
  expect(audit.rows).toHaveLength(3);
});

test('opened by a person and by the schedule at once: one run, and the decision says so', async () => {
  await begin('2026-11-22T12:00:00Z');
  await at('2026-11-22T18:00:00Z');
  const request = { cycle: 'day', period: '2026-11-22', purpose: 'scheduled', procedures: null } as const;
  const [byHand] = await Promise.allSettled([
    openRun(deps, request, 'operator'),
    openDue(deps, 'days'),
    openDue(deps, 'days'),
  ]);
  expect(await runs()).toEqual(['day-2026-11-22']);
  expect(await decisions()).toEqual([
    `2026-11-22 ${byHand.status === 'fulfilled' ? 'run_exists' : 'opened'}`,
  ]);
});

test('while it is paused each slot is refused, and resuming does not open them afterwards', async () => {
  await begin('2026-11-22T12:00:00Z', { paused: true });
  await at('2026-11-23T19:00:00Z');
  await openDue(deps, 'days');
  expect(await decisions()).toEqual(['2026-11-22 paused', '2026-11-23 paused']);
  await at('2026-11-24T19:00:00Z');
  await setPaused(pool, 'days', false, { actor: 'duty', reason: 'go' });
  await openDue(deps, 'days');
  await at('2026-11-25T19:00:00Z');
  await openDue(deps, 'days');
  expect(await runs()).toEqual(['day-2026-11-25']);
  await expect(setPaused(pool, 'days', false, { actor: 'duty', reason: '' })).rejects.toMatchObject({
    code: 'not_paused',
  });
  await setPaused(pool, 'days', true, { actor: 'duty', reason: 'cutover' });
  await expect(setPaused(pool, 'days', true, { actor: 'duty', reason: '' })).rejects.toMatchObject({
    code: 'already_paused',
  });
  await at('2026-11-26T19:00:00Z');
  await openDue(deps, 'days');
  const [last] = await lastSlots(pool, ['days'], 1);
  expect(last).toMatchObject({
    decision: 'paused',
    text: { en: 'paused by duty: cutover', zh: '已由 duty 暂停：cutover' },
  });
});

test('a later apply leaves pauses as operators have set them; a schedule that comes back starts from zero', async () => {
  await begin('2026-11-22T12:00:00Z');
  await setPaused(pool, 'days', true, { actor: 'duty', reason: 'x' });
  await begin('2026-11-22T13:00:00Z');
  expect(await listSchedules(pool)).toMatchObject([{ id: 'days', paused: true, changedBy: 'duty' }]);
  await begin('2026-11-22T14:00:00Z', { id: 'other' });
  expect((await listSchedules(pool)).map((schedule) => schedule.id)).toEqual(['other']);
  await at('2026-11-24T20:00:00Z');
  await openDue(deps, 'days');
  await begin('2026-11-24T20:00:00Z');
  await openDue(deps, 'days');
  expect(await decisions()).toEqual([]);
  expect(await listSchedules(pool)).toMatchObject([{ id: 'days', paused: false, changedBy: 'catalogue' }]);
});

test('what is found later than the catch-up window is missed, and said', async () => {
  await begin('2026-11-01T12:00:00Z', { catchUpMs: 2 * 24 * 3_600_000 });
  await at('2026-11-06T12:00:00Z');
  await openDue(deps, 'days');
  expect(await decisions()).toEqual([
    '2026-11-01 missed',
    '2026-11-02 missed',
    '2026-11-03 missed',
    '2026-11-04 opened',
    '2026-11-05 opened',
  ]);
});

test('hours missed for half a year are decided in one go, the last day of them opened', async () => {
  await begin('2026-05-01T12:00:00Z', { cycle: 'hour', at: '00:10' });
  await at('2026-11-01T12:00:00Z');
  await openDue(deps, 'days');
  const counts = await pool.query(
    'select decision, count(*)::int as n from schedule_slots group by 1 order by 1',
  );
  expect(counts.rows).toEqual([
    { decision: 'missed', n: 184 * 24 - 24 },
    { decision: 'opened', n: 24 },
  ]);
});

test('overlap skip: a period is left out while the run before is unfinished', async () => {
  await begin('2026-11-20T12:00:00Z', { overlap: 'skip' });
  await at('2026-11-21T18:00:00Z');
  await openDue(deps, 'days');
  expect(await decisions()).toEqual(['2026-11-20 opened', '2026-11-21 previous_unfinished']);
  await finish('day-2026-11-20');
  await at('2026-11-22T18:00:00Z');
  await openDue(deps, 'days');
  expect((await decisions()).at(-1)).toBe('2026-11-22 opened');
});

test('overlap wait: periods are opened one after the other, each when the one before has ended', async () => {
  await begin('2026-11-20T12:00:00Z', { overlap: 'wait' });
  await at('2026-11-22T18:00:00Z');
  await openDue(deps, 'days');
  expect(await decisions()).toEqual([
    '2026-11-20 opened',
    '2026-11-21 waiting_previous',
    '2026-11-22 waiting_previous',
  ]);
  await openWaiting(deps, noWarning);
  expect(await runs()).toEqual(['day-2026-11-20']);
  await finish('day-2026-11-20');
  await Promise.all([openWaiting(deps, noWarning), openWaiting(deps, noWarning)]);
  expect(await runs()).toEqual(['day-2026-11-20', 'day-2026-11-21']);
  await setPaused(pool, 'days', true, { actor: 'duty', reason: 'x' });
  await finish('day-2026-11-21');
  await openWaiting(deps, noWarning);
  expect(await runs()).toHaveLength(2);
  await setPaused(pool, 'days', false, { actor: 'duty', reason: 'x' });
  await openWaiting(deps, noWarning);
  expect(await decisions()).toEqual(['2026-11-20 opened', '2026-11-21 opened', '2026-11-22 opened']);
});

test('a blackout postpones to its end, or leaves out; what waits for a schedule that is gone is dropped', async () => {
  const blackouts = [
    { from: '2026-11-21', to: '2026-11-22 06:00', names: { en: 'cutover', zh: '割接' } },
    { from: '2026-11-24', to: '2026-11-24', afterwards: 'skip' },
  ];
  await begin('2026-11-20T12:00:00Z', {}, { blackouts });
  await at('2026-11-21T18:00:00Z');
  await openDue(deps, 'days');
  expect(await decisions()).toEqual(['2026-11-20 waiting_blackout', '2026-11-21 waiting_blackout']);
  expect((await lastSlots(pool, ['days'], 1))[0]).toMatchObject({
    until: Date.parse('2026-11-21T22:00:00Z'),
    text: { en: 'blackout cutover, 2026-11-21 to 2026-11-22 06:00 Asia/Shanghai' },
  });
  await at('2026-11-21T21:59:59Z');
  await openWaiting(deps, noWarning);
  expect(await runs()).toEqual([]);
  await at('2026-11-21T22:00:00Z');
  await openWaiting(deps, noWarning);
  expect(await runs()).toEqual(['day-2026-11-20', 'day-2026-11-21']);
  await at('2026-11-24T18:00:00Z');
  await openDue(deps, 'days');
  expect((await decisions()).slice(2)).toEqual([
    '2026-11-22 opened',
    '2026-11-23 blackout',
    '2026-11-24 opened',
  ]);

  await begin('2026-11-25T00:00:00Z', {}, { blackouts: [{ from: '2026-11-26', to: '2026-11-26' }] });
  await at('2026-11-25T18:00:00Z');
  await openDue(deps, 'days');
  await begin('2026-11-25T19:00:00Z', { id: 'other' });
  await at('2026-11-27T00:00:00Z');
  await openWaiting(deps, noWarning);
  expect((await decisions()).at(-1)).toBe('2026-11-25 removed');
});

test('a month is opened on its work day; the days before and after say why not', async () => {
  const holidays = [{ from: '2026-10-01', to: '2026-10-07', names: { en: 'National Day', zh: '国庆节' } }];
  await begin('2026-10-05T12:00:00Z', { cycle: 'month', on: { workDay: 2 } }, { holidays });
  await at('2026-10-10T12:00:00Z');
  await openDue(deps, 'days');
  expect(await decisions()).toEqual([
    '2026-09 not_its_day',
    '2026-09 not_its_day',
    '2026-09 not_its_day',
    '2026-09 opened',
    '2026-09 not_its_day',
  ]);
  expect((await lastSlots(pool, ['days'], 1))[0]!.text.en).toBe(
    '2026-10-10 is not work day 2 of 2026-10, which is 2026-10-09',
  );
});

test('what cannot be opened is said, and not tried for ever', async () => {
  await at('2026-11-22T12:00:00Z');
  const schedules = [{ id: 'days', cycle: 'day', at: '02:00' }];
  await applyCatalogue(pool, catalogueText([{ id: 'OnlyMonth', note: `${++note}` }], { schedules }));
  await at('2026-11-22T18:00:00Z');
  await openDue(deps, 'days');
  expect((await lastSlots(pool, ['days'], 1))[0]).toMatchObject({
    decision: 'refused',
    text: { en: expect.stringContaining('no day flows') },
  });
});

test('a firing that is ahead of the clock of the record is refused, so that it comes again', async () => {
  await begin('2026-11-22T12:00:00Z');
  await expect(openDue(deps, 'days', Date.parse('2026-11-22T18:00:00Z'))).rejects.toThrow('before its time');
  await openDue(deps, 'gone', Date.parse('2026-11-22T18:00:00Z'));
});

test('the table allows exactly the decisions that there are', async () => {
  const found = await pool.query<{ text: string }>(
    "select pg_get_constraintdef(oid) as text from pg_constraint where conrelid = 'schedule_slots'::regclass and contype = 'c'",
  );
  const allowed = [...found.rows[0]!.text.matchAll(/'([a-z_]+)'/g)].map((match) => match[1]);
  expect(allowed.sort()).toEqual([...SLOT_DECISIONS].sort());
});

test('a period whose run was archived has had its run', async () => {
  await begin('2026-11-22T12:00:00Z');
  await pool.query(
    `insert into archived_runs (run_id, cycle, period, purpose, file, sha256, bytes, rows, opened_ms, archived_ms)
     values ('day-2026-11-22', 'day', '2026-11-22', 'scheduled', 'f', '', 0, '{}', 0, 0),
       ('day-2026-11-22-backfill-4', 'day', '2026-11-22', 'backfill', 'f', '', 0, '{}', 0, 0)`,
  );
  await at('2026-11-22T18:00:00Z');
  await openDue(deps, 'days');
  expect(await decisions()).toEqual(['2026-11-22 run_exists']);
  const periods = ['2026-11-22', '2026-11-23'].map((period) => ({ cycle: 'day', period }) as const);
  expect(await nextRunNumber(pool, 'backfill', periods)).toBe(5);
});

test('whenever it fires, however often at once: every slot is decided once, and each period has at most one run', async () => {
  const step = fc.record({
    hours: fc.integer({ min: 1, max: 70 }),
    firings: fc.integer({ min: 0, max: 3 }),
    toggle: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 8 }), async (steps) => {
      await pool.query('truncate schedule_slots, schedules, runs cascade');
      let now = Date.parse('2026-03-20T12:00:00Z');
      // Over the beginning of summer time: a zone in which 02:00 is skipped on one day.
      await begin(new Date(now).toISOString(), { catchUpMs: 45 * 86_400_000 }, { timeZone: 'Europe/Berlin' });
      const want: string[] = [];
      let decidedAt = now;
      let paused = false;
      for (const { hours, firings, toggle } of steps) {
        now += hours * 3_600_000;
        await at(new Date(now).toISOString());
        if (toggle) {
          await setPaused(pool, 'days', !paused, { actor: 'duty', reason: 'x' });
          if (paused) decidedAt = now;
          paused = !paused;
        }
        if (firings === 0) continue;
        await Promise.all(Array.from({ length: firings }, () => openDue(deps, 'days')));
        for (const slot of slotsAfter({ cycle: 'day', at: '02:00' }, 'Europe/Berlin', decidedAt)) {
          if (slot.at > now) break;
          decidedAt = slot.at;
          const day = new Date(slot.localMs - 86_400_000).toISOString().slice(0, 10);
          want.push(`${day} ${paused ? 'paused' : 'opened'}`);
        }
      }
      expect(await decisions()).toEqual(want);
      expect(await runs()).toEqual(
        want.filter((entry) => entry.endsWith('opened')).map((entry) => `day-${entry.slice(0, 10)}`),
      );
    }),
    { seed, numRuns: runsOr(12) },
  );
});
