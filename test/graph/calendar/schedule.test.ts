import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatPeriod, shiftPeriod } from '../../../graph/calendar/calendar.ts';
import { judge, nextOpenings, scheduleText, slotOf, slotsAfter } from '../../../graph/calendar/schedule.ts';
import { toLocal } from '../../../graph/calendar/time-zone.ts';
import { type BusinessCalendar, DEFAULT_CALENDAR, isWorkDay } from '../../../graph/calendar/work-days.ts';
import { Schedule } from '../../../graph/model.ts';

const schedule = (given: object): Schedule => Schedule.parse({ id: 's', at: '02:00', ...given });
const iso = (ms: number) => new Date(ms).toISOString().replace('.000Z', 'Z');
const first = (zone: string, given: object, after: string, n: number) => {
  const found: string[] = [];
  for (const slot of slotsAfter(schedule(given), zone, Date.parse(after))) {
    if (found.push(iso(slot.at)) === n) return found;
  }
  return found;
};

/** 2026 as announced. */
const china: BusinessCalendar = {
  ...DEFAULT_CALENDAR,
  holidays: [{ from: '2026-10-01', to: '2026-10-07', names: { en: 'National Day', zh: '国庆节' } }],
  makeUpDays: ['2026-09-20', '2026-10-10'],
};
const openings = (given: object, after: string, n: number, calendar = china) =>
  nextOpenings(schedule(given), calendar, Date.parse(after), n).map(
    (opening) => `${opening.period} ${iso(opening.at)}`,
  );

describe('slots', () => {
  test('a day schedule fires at its time in the zone of its calendar, also where that is another day in UTC', () => {
    expect(first('Asia/Shanghai', { cycle: 'day' }, '2026-12-30T18:00:00Z', 3)).toEqual([
      '2026-12-31T18:00:00Z',
      '2027-01-01T18:00:00Z',
      '2027-01-02T18:00:00Z',
    ]);
  });

  test('an hour schedule fires at its minute of each hour', () => {
    expect(first('Asia/Kathmandu', { cycle: 'hour', at: '00:10' }, '2026-11-22T00:00:00Z', 2)).toEqual([
      '2026-11-22T00:25:00Z',
      '2026-11-22T01:25:00Z',
    ]);
  });

  test('a time that summer time skips is the later one, one that it repeats is the first; each day has one', () => {
    expect(first('Europe/Berlin', { cycle: 'day', at: '02:30' }, '2026-03-28T12:00:00Z', 2)).toEqual([
      '2026-03-29T01:30:00Z',
      '2026-03-30T00:30:00Z',
    ]);
    expect(first('Europe/Berlin', { cycle: 'day', at: '02:30' }, '2026-10-24T12:00:00Z', 2)).toEqual([
      '2026-10-25T00:30:00Z',
      '2026-10-26T01:30:00Z',
    ]);
  });

  test('hours over the change of summer time: none twice, none left out', () => {
    const periods = (after: string) => {
      const found: string[] = [];
      for (const slot of slotsAfter(
        schedule({ cycle: 'hour', at: '00:10' }),
        'Europe/Berlin',
        Date.parse(after),
      ))
        if (found.push(judge(schedule({ cycle: 'hour', at: '00:10' }), china, slot).period) === 4)
          return found;
      return found;
    };
    expect(periods('2026-03-29T00:00:00Z')).toEqual(['2026032900', '2026032901', '2026032903', '2026032904']);
    expect(periods('2026-10-24T23:00:00Z')).toEqual(['2026102500', '2026102501', '2026102502', '2026102503']);
  });

  test('slots are in order, none between two, each at the clock time it names', () => {
    const zone = fc.constantFrom('Asia/Shanghai', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe');
    const time = fc.integer({ min: 0, max: 1439 });
    fc.assert(
      fc.property(
        zone,
        time,
        fc.integer({ min: Date.UTC(2024, 0), max: Date.UTC(2030, 0) }),
        (zone, minute, after) => {
          const at = `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
          const days: string[] = [];
          let before = after;
          for (const slot of slotsAfter(schedule({ cycle: 'day', at }), zone, after)) {
            expect(slot.at).toBeGreaterThan(before);
            before = slot.at;
            days.push(formatPeriod('day', toLocal(zone, slot.at)));
            if (days.length === 5) break;
          }
          expect(days.slice(1)).toEqual(days.slice(0, -1).map((day) => shiftPeriod('day', day, 1)));
          const today = formatPeriod('day', toLocal(zone, after));
          expect([today, shiftPeriod('day', today, 1)]).toContain(days[0]);
        },
      ),
    );
  });
});

describe('which period is opened, and whether', () => {
  test.each<[string, object, string, string[]]>([
    [
      'the day just ended, every day',
      { cycle: 'day' },
      '2026-12-31T00:00:00Z',
      ['2026-12-31 2026-12-31T18:00:00Z', '2027-01-01 2027-01-01T18:00:00Z'],
    ],
    [
      'only days that are work days',
      { cycle: 'day', on: 'workDays' },
      '2026-09-29T12:00:00Z',
      [
        '2026-09-29 2026-09-29T18:00:00Z',
        '2026-09-30 2026-09-30T18:00:00Z',
        '2026-10-08 2026-10-08T18:00:00Z',
        '2026-10-09 2026-10-09T18:00:00Z',
        '2026-10-10 2026-10-10T18:00:00Z',
        '2026-10-12 2026-10-12T18:00:00Z',
      ],
    ],
    [
      'the last day of each month, also of a February with 29',
      { cycle: 'day', on: 'lastDay' },
      '2028-01-20T00:00:00Z',
      ['2028-01-31 2028-01-31T18:00:00Z', '2028-02-29 2028-02-29T18:00:00Z'],
    ],
    [
      'months on day 1 when nothing is said',
      { cycle: 'month' },
      '2026-12-15T00:00:00Z',
      ['2026-12 2026-12-31T18:00:00Z', '2027-01 2027-01-31T18:00:00Z'],
    ],
    [
      'months on work day 3',
      { cycle: 'month', on: { workDay: 3 } },
      '2026-09-15T00:00:00Z',
      ['2026-09 2026-10-09T18:00:00Z', '2026-10 2026-11-03T18:00:00Z'],
    ],
    [
      'months on their own last day',
      { cycle: 'month', on: 'lastDay', period: 'same' },
      '2026-01-15T00:00:00Z',
      ['2026-01 2026-01-30T18:00:00Z', '2026-02 2026-02-27T18:00:00Z'],
    ],
    [
      'months on their last work day',
      { cycle: 'month', on: { workDay: 'last' }, period: 'same' },
      '2026-10-15T00:00:00Z',
      ['2026-10 2026-10-29T18:00:00Z'],
    ],
    [
      'day 31 of a shorter month is its last',
      { cycle: 'month', on: { dayOfMonth: 31 } },
      '2026-11-05T00:00:00Z',
      ['2026-10 2026-11-29T18:00:00Z', '2026-11 2026-12-30T18:00:00Z'],
    ],
    [
      'months on every work day are opened on the first',
      { cycle: 'month', on: 'workDays' },
      '2026-09-30T12:00:00Z',
      ['2026-09 2026-10-07T18:00:00Z', '2026-10 2026-11-01T18:00:00Z'],
    ],
    [
      'hours',
      { cycle: 'hour', at: '00:10' },
      '2026-12-31T15:50:00Z',
      ['2026123123 2026-12-31T16:10:00Z', '2027010100 2026-12-31T17:10:00Z'],
    ],
  ])('%s', (_name, given, after, want) => {
    expect(openings(given, after, want.length)).toEqual(want);
  });

  test('what the calendar refuses is said with the name of the holiday', () => {
    const refused = (given: object, period: string) => slotOf(schedule(given), china, period).verdict;
    expect(refused({ cycle: 'day', on: 'workDays' }, '2026-10-05')).toEqual({
      opens: false,
      period: '2026-10-05',
      code: 'holiday',
      text: {
        en: '2026-10-05 is not a work day: holiday National Day',
        zh: '2026-10-05 不是工作日：国庆节假期',
      },
    });
    expect(refused({ cycle: 'day', on: 'workDays' }, '2026-10-17')).toMatchObject({ code: 'weekend' });
    expect(refused({ cycle: 'day', on: { workDay: 3 } }, '2026-10-09')).toMatchObject({
      code: 'not_its_day',
      text: { en: '2026-10-09 is not work day 3 of 2026-10, which is 2026-10-10' },
    });
    expect(refused({ cycle: 'day', on: 'workDays' }, '2026-10-10')).toEqual({
      opens: true,
      period: '2026-10-10',
    });
  });

  test('a blackout moves an opening to its end, or leaves it out', () => {
    const dark = (afterwards: 'open' | 'skip') => ({
      ...china,
      blackouts: [{ from: '2026-12-02', to: '2026-12-03 06:00', afterwards }],
    });
    const after = '2026-11-30T20:00:00Z';
    expect(openings({ cycle: 'day' }, after, 4, dark('open'))).toEqual([
      '2026-12-01 2026-12-02T22:00:00Z',
      '2026-12-02 2026-12-02T22:00:00Z',
      '2026-12-03 2026-12-03T18:00:00Z',
      '2026-12-04 2026-12-04T18:00:00Z',
    ]);
    expect(openings({ cycle: 'day' }, after, 2, dark('skip'))).toEqual([
      '2026-12-03 2026-12-03T18:00:00Z',
      '2026-12-04 2026-12-04T18:00:00Z',
    ]);
  });

  test('the slot of a period is one that opens it, and no earlier one does', () => {
    const rules = fc.constantFrom<unknown>(
      'everyDay',
      'workDays',
      'lastDay',
      { workDay: 3 },
      { workDay: 'last' },
      { dayOfMonth: 31 },
    );
    const day = fc.integer({ min: 0, max: 700 }).map((n) => shiftPeriod('day', '2026-01-01', n));
    fc.assert(
      fc.property(
        rules,
        fc.constantFrom('day', 'month'),
        fc.constantFrom('previous', 'same'),
        day,
        (on, cycle, which, day) => {
          const it = schedule({ cycle, on, period: which });
          const period = cycle === 'day' ? day : day.slice(0, 7);
          const { slot, verdict } = slotOf(it, china, period);
          const around: string[] = [];
          for (const other of slotsAfter(
            it,
            china.timeZone,
            Date.parse(`${period.slice(0, 7)}-01T00:00:00Z`) - 86_400_000,
          )) {
            const said = judge(it, china, other);
            if (said.opens && said.period === period) around.push(iso(other.at));
            if (
              around.length > 0 ||
              other.at > Date.parse(`${period.slice(0, 7)}-01T00:00:00Z`) + 70 * 86_400_000
            )
              break;
          }
          expect(verdict.opens ? [iso(slot!.at)] : []).toEqual(around);
        },
      ),
    );
  });

  test('whether a work-day schedule opens a day is whether the day is worked', () => {
    const it = schedule({ cycle: 'day', on: 'workDays' });
    for (let day = '2026-09-01'; day < '2026-11-01'; day = shiftPeriod('day', day, 1))
      expect([day, slotOf(it, china, day).verdict.opens]).toEqual([day, isWorkDay(china, day)]);
  });
});

test.each<[object, string, string]>([
  [
    { cycle: 'month', at: '00:30' },
    'opens the month before, day 1 of each month at 00:30',
    '每月 1 日 00:30 打开上月',
  ],
  [
    { cycle: 'day', on: 'workDays' },
    'opens the day before each day at 02:00 if that is a work day',
    '每天 02:00 打开前一日（仅每个工作日）',
  ],
  [
    { cycle: 'hour', at: '00:10' },
    'opens the hour just ended each hour at :10',
    '每小时第 10 分 打开上一小时',
  ],
])('%j is described in both languages', (given, en, zh) => {
  expect(scheduleText(schedule(given))).toEqual({ en, zh });
});
