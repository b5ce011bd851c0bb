import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { blackoutAt, isForward } from '../../../graph/calendar/blackout.ts';
import {
  comparePeriods,
  formatPeriod,
  isPeriod,
  lastDay,
  mapPeriod,
  mappingProblem,
  nextPeriod,
  parsePeriod,
  parseRunId,
  periodAt,
  periodSpan,
  previousPeriod,
  programPeriods,
  runId,
  shiftPeriod,
} from '../../../graph/calendar/calendar.ts';
import { momentProblem, resolveMoment } from '../../../graph/calendar/moment.ts';
import { toInstant, toLocal, zoneOffsetMs } from '../../../graph/calendar/time-zone.ts';
import {
  addWorkDays,
  DEFAULT_CALENDAR,
  dayKind,
  isWorkDay,
  knowsHolidays,
  nthWorkDay,
  weekday,
  workDays,
} from '../../../graph/calendar/work-days.ts';
import type { Cycle, PeriodMapping } from '../../../graph/model.ts';

const SHANGHAI = 'Asia/Shanghai';
const iso = (ms: number) => new Date(ms).toISOString().replace('.000Z', 'Z');

const cycles = fc.constantFrom<Cycle>('hour', 'day', 'month');
const faces = fc.integer({ min: Date.UTC(1990, 0, 1), max: Date.UTC(2099, 11, 31) });
const zones = fc.constantFrom(
  'Asia/Shanghai',
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'UTC',
  'Asia/Kathmandu',
);

describe('periods', () => {
  test.each<[Cycle, string, boolean]>([
    ['hour', '2026112208', true],
    ['hour', '2026112224', false],
    ['hour', '2026-11-22', false],
    ['day', '2026-11-22', true],
    ['day', '2024-02-29', true],
    ['day', '2026-02-29', false],
    ['day', '2100-02-29', false],
    ['day', '20261122', false],
    ['month', '2026-10', true],
    ['month', '2026-13', false],
    ['month', '2026-00', false],
  ])('%s %s is a period: %s', (cycle, text, want) => {
    expect(isPeriod(cycle, text)).toBe(want);
  });

  test('what is no period is refused by code, with an example', () => {
    expect(() => parsePeriod('day', '2026-02-30')).toThrow(
      expect.objectContaining({ code: 'invalid_period', message: expect.stringContaining('2026-11-22') }),
    );
  });

  test.each<[Cycle, string, number, string]>([
    ['month', '2026-12', 1, '2027-01'],
    ['month', '2026-01', -1, '2025-12'],
    ['month', '2026-10', -400, '1993-06'],
    ['day', '2024-02-28', 1, '2024-02-29'],
    ['day', '2026-02-28', 1, '2026-03-01'],
    ['day', '2027-01-01', -1, '2026-12-31'],
    ['hour', '2026123123', 1, '2027010100'],
    ['hour', '2026110100', -1, '2026103123'],
  ])('%s %s shifted by %i is %s', (cycle, period, n, want) => {
    expect(shiftPeriod(cycle, period, n)).toBe(want);
  });

  test('shifting there and back is the same period, and order of text is order of time', () => {
    fc.assert(
      fc.property(cycles, faces, fc.integer({ min: -400, max: 400 }), (cycle, face, n) => {
        const period = formatPeriod(cycle, face);
        const shifted = shiftPeriod(cycle, period, n);
        expect(shiftPeriod(cycle, shifted, -n)).toBe(period);
        expect(Math.sign(comparePeriods(shifted, period))).toBe(Math.sign(n));
        expect(previousPeriod(cycle, nextPeriod(cycle, period))).toBe(period);
      }),
    );
  });

  test('every instant lies within the span of its period', () => {
    fc.assert(
      fc.property(cycles, faces, zones, (cycle, instant, zone) => {
        const { startMs, endMs } = periodSpan(cycle, periodAt(cycle, instant, zone), zone);
        // An hour that summer time repeats has one name for two hours: its span is the first of them, or both.
        const slack = cycle === 'hour' ? 3_600_000 : 0;
        expect(startMs).toBeLessThanOrEqual(instant);
        expect(endMs + slack).toBeGreaterThan(instant);
      }),
    );
  });

  test('the last day of February knows leap years', () => {
    expect(lastDay('month', '2024-02')).toBe('2024-02-29');
    expect(lastDay('month', '2026-02')).toBe('2026-02-28');
    expect(lastDay('month', '2000-02')).toBe('2000-02-29');
    expect(lastDay('month', '2100-02')).toBe('2100-02-28');
  });

  test('programs get periods without dashes', () => {
    expect(programPeriods('month', '2026-01')).toEqual({
      period: '202601',
      month: '202601',
      day: '20260131',
      firstDay: '20260101',
      lastDay: '20260131',
      previousMonth: '202512',
    });
    expect(programPeriods('hour', '2026112208')).toMatchObject({
      period: '2026112208',
      day: '20261122',
      month: '202611',
    });
  });
});

describe('period mappings of edges', () => {
  test.each<[PeriodMapping, Cycle, string, Cycle | undefined, string[]]>([
    ['same', 'day', '2026-11-22', undefined, ['2026-11-22']],
    ['previous', 'day', '2026-11-01', undefined, ['2026-10-31']],
    ['previous', 'month', '2026-01', undefined, ['2025-12']],
    [{ offset: -2 }, 'hour', '2026112201', undefined, ['2026112123']],
    [{ offset: 1 }, 'month', '2026-12', undefined, ['2027-01']],
    ['same', 'day', '2026-11-22', 'month', ['2026-11']],
    ['previous', 'day', '2026-11-22', 'month', ['2026-10']],
    ['previous', 'hour', '2026112208', 'day', ['2026-11-21']],
    ['lastDayOfMonth', 'month', '2026-10', undefined, ['2026-10-31']],
    ['lastDayOfMonth', 'month', '2024-02', undefined, ['2024-02-29']],
    ['lastDayOfMonth', 'day', '2026-10-31', undefined, ['2026-10-31']],
  ])('%j of %s %s in %s is %j', (mapping, cycle, period, target, want) => {
    expect(mapPeriod(mapping, cycle, period, target)).toEqual(want);
  });

  test('every day of a month and every hour of a day are complete and in order', () => {
    const days = mapPeriod('everyDayOfMonth', 'month', '2024-02');
    expect([days.length, days[0], days.at(-1)]).toEqual([29, '2024-02-01', '2024-02-29']);
    const hours = mapPeriod('everyHourOfDay', 'day', '2026-11-22');
    expect([hours.length, hours[0], hours.at(-1)]).toEqual([24, '2026112200', '2026112223']);
  });

  test.each<[PeriodMapping, Cycle, Cycle, Cycle, boolean]>([
    ['same', 'day', 'day', 'day', true],
    ['same', 'day', 'day', 'month', true],
    ['same', 'month', 'month', 'day', false],
    ['previous', 'day', 'day', 'hour', false],
    ['same', 'month', 'day', 'day', true],
    ['lastDayOfMonth', 'month', 'month', 'day', true],
    ['lastDayOfMonth', 'month', 'month', 'month', false],
    ['lastDayOfMonth', 'day', 'day', 'day', false],
    ['everyDayOfMonth', 'month', 'month', 'day', true],
    ['everyDayOfMonth', 'month', 'day', 'day', true],
    ['everyDayOfMonth', 'day', 'day', 'day', false],
    ['everyHourOfDay', 'day', 'day', 'hour', true],
    ['everyHourOfDay', 'month', 'month', 'hour', false],
    ['everyHourOfDay', 'month', 'day', 'hour', true],
    ['everyHourOfDay', 'day', 'day', 'day', false],
  ])(
    '%j in a %s run, own period a %s, towards a %s run makes sense: %s',
    (mapping, cycle, own, target, want) => {
      expect(mappingProblem(mapping, cycle, own, target) === null).toBe(want);
    },
  );
});

describe('moments', () => {
  const opened = Date.UTC(2026, 10, 1, 4);

  test.each<[string, Cycle, string, string, string]>([
    ['+1 month, day 1, 23:59', 'month', '2026-10', SHANGHAI, '2026-11-01T15:59:00Z'],
    ['+1 month, day 1, 23:59', 'month', '2026-12', SHANGHAI, '2027-01-01T15:59:00Z'],
    ['+0 month, day last, 12:00', 'month', '2026-10', SHANGHAI, '2026-10-31T04:00:00Z'],
    ['+0 month, day last, 12:00', 'month', '2024-02', SHANGHAI, '2024-02-29T04:00:00Z'],
    ['+1 month, day 31, 12:00', 'month', '2026-01', SHANGHAI, '2026-02-28T04:00:00Z'],
    ['+1 month, 08:00', 'month', '2026-10', SHANGHAI, '2026-11-01T00:00:00Z'],
    ['+3 day, 02:00', 'month', '2026-10', SHANGHAI, '2026-10-03T18:00:00Z'],
    ['+1 day, 02:00', 'day', '2026-11-22', SHANGHAI, '2026-11-22T18:00:00Z'],
    ['+0 day, 02:00:30', 'hour', '2026112208', SHANGHAI, '2026-11-21T18:00:30Z'],
    ['+1 hour, 00:10', 'hour', '2026112208', SHANGHAI, '2026-11-22T01:10:00Z'],
    ['+1 hour, 00:10', 'hour', '2026123123', SHANGHAI, '2026-12-31T16:10:00Z'],
    ['+1 workday, 09:00', 'day', '2026-11-20', SHANGHAI, '2026-11-23T01:00:00Z'],
    ['+1 month, workday 3, 10:00', 'month', '2026-10', SHANGHAI, '2026-11-04T02:00:00Z'],
    ['+0 month, workday last, 10:00', 'month', '2026-10', SHANGHAI, '2026-10-30T02:00:00Z'],
    ['+0 month, last workday, 10:00', 'month', '2026-10', SHANGHAI, '2026-10-30T02:00:00Z'],
    ['+0 month, last day, 10:00', 'month', '2026-10', SHANGHAI, '2026-10-31T02:00:00Z'],
    ['+0 month, workday 23, 10:00', 'month', '2026-02', SHANGHAI, '2026-02-27T02:00:00Z'],
    ['open + 20 s', 'month', '2026-10', SHANGHAI, '2026-11-01T04:00:20Z'],
    ['open + 2 h', 'day', '2026-10-31', SHANGHAI, '2026-11-01T06:00:00Z'],
    // Summer time in Berlin begins on 2026-03-29 at 02:00 and ends on 2026-10-25 at 03:00.
    ['+0 day, 02:30', 'day', '2026-03-29', 'Europe/Berlin', '2026-03-29T01:30:00Z'],
    ['+0 day, 02:30', 'day', '2026-10-25', 'Europe/Berlin', '2026-10-25T00:30:00Z'],
    ['+1 day, 12:00', 'day', '2026-03-28', 'Europe/Berlin', '2026-03-29T10:00:00Z'],
    ['+3 hour, 00:00', 'hour', '2026032900', 'Europe/Berlin', '2026-03-29T02:00:00Z'],
    ['+1 day, 00:00', 'day', '2026-11-22', 'UTC', '2026-11-23T00:00:00Z'],
    ['+1 day, 00:00', 'day', '2026-11-22', 'Asia/Kathmandu', '2026-11-22T18:15:00Z'],
  ])('%s of %s %s in %s is %s', (moment, cycle, period, zone, want) => {
    const calendar = { ...DEFAULT_CALENDAR, timeZone: zone };
    expect(iso(resolveMoment(moment, { cycle, period, calendar, openedAtMs: opened }))).toBe(want);
  });

  test.each([
    '+1 day, 25:00',
    '+1 day, 10:61',
    '+1 month, day 0, 10:00',
    '+1 month, day 32, 10:00',
    '+1 day, day 3, 10:00',
    '+1 month, workday 0, 10:00',
    '+1 month, workday 24, 10:00',
    '+1 day, last workday, 10:00',
    '+1 hour, 02:00',
    'tomorrow',
  ])("'%s' means nothing, and is refused with a reason", (moment) => {
    expect(momentProblem(moment)).toEqual(expect.any(String));
    const seen = { cycle: 'day', period: '2026-11-22', calendar: DEFAULT_CALENDAR, openedAtMs: 0 } as const;
    expect(() => resolveMoment(moment, seen)).toThrow(expect.objectContaining({ code: 'invalid_period' }));
  });

  test('an instant taken to a clock face and back is itself, outside the repeated hour', () => {
    fc.assert(
      fc.property(faces, zones, (instant, zone) => {
        const back = toInstant(zone, toLocal(zone, instant));
        expect([instant, instant - 3_600_000, instant - 1_800_000]).toContain(back);
        expect(toLocal(zone, back)).toBe(toLocal(zone, instant));
      }),
    );
  });

  test('the short way for Asia/Shanghai agrees with the time-zone data', () => {
    const format = new Intl.DateTimeFormat('en-US', { timeZone: SHANGHAI, timeZoneName: 'longOffset' });
    fc.assert(
      fc.property(faces, (instant) => {
        const hours = zoneOffsetMs(SHANGHAI, instant) / 3_600_000;
        expect(format.format(instant)).toContain(`GMT+0${hours}:00`);
      }),
    );
  });
});

describe('run ids', () => {
  test.each([
    ['month-2026-10', { cycle: 'month', period: '2026-10', purpose: 'scheduled', n: null }],
    ['day-2026-11-22', { cycle: 'day', period: '2026-11-22', purpose: 'scheduled', n: null }],
    ['hour-2026112208', { cycle: 'hour', period: '2026112208', purpose: 'scheduled', n: null }],
    ['month-2026-10-backfill-2', { cycle: 'month', period: '2026-10', purpose: 'backfill', n: 2 }],
    ['day-2026-11-22-rehearsal-1', { cycle: 'day', period: '2026-11-22', purpose: 'rehearsal', n: 1 }],
  ] as const)('%s is taken apart and put together', (id, key) => {
    expect(parseRunId(id)).toEqual(key);
    expect(runId(key.cycle, key.period, key.purpose, key.n ?? undefined)).toBe(id);
  });

  test.each([
    'month-2026-13',
    'month-2026-10-backfill-0',
    'month-2026-10-backfill',
    'week-2026-10',
    'day-2026-11',
    '',
    'month-2026-10-scheduled-1',
  ])("'%s' is no run id", (id) => {
    expect(parseRunId(id)).toBeNull();
  });
});

describe('business calendars', () => {
  // 2026 as announced: National Day off from 1 to 7 October, 20 September and 10 October worked instead (a Sunday and a Saturday).
  const china = {
    ...DEFAULT_CALENDAR,
    holidays: [
      { from: '2026-09-25', to: '2026-09-27', names: { en: 'Mid-Autumn', zh: '中秋节' } },
      { from: '2026-10-01', to: '2026-10-07', names: { en: 'National Day', zh: '国庆节' } },
      '2027-01-01',
    ],
    makeUpDays: ['2026-09-20', '2026-10-10'],
  };

  test.each<[string, object]>([
    ['2026-09-20', { worked: true, why: 'make_up_day' }],
    ['2026-09-24', { worked: true, why: 'weekday' }],
    ['2026-09-26', { worked: false, why: 'holiday', names: { en: 'Mid-Autumn', zh: '中秋节' } }],
    ['2026-09-30', { worked: true, why: 'weekday' }],
    ['2026-10-01', { worked: false, why: 'holiday', names: { en: 'National Day', zh: '国庆节' } }],
    ['2026-10-07', { worked: false, why: 'holiday', names: { en: 'National Day', zh: '国庆节' } }],
    ['2026-10-08', { worked: true, why: 'weekday' }],
    ['2026-10-10', { worked: true, why: 'make_up_day' }],
    ['2026-10-11', { worked: false, why: 'weekend' }],
    ['2026-12-31', { worked: true, why: 'weekday' }],
    ['2027-01-01', { worked: false, why: 'holiday', names: null }],
  ])('%s is %j', (day, want) => {
    expect(dayKind(china, day)).toEqual(want);
    expect(isWorkDay(china, day)).toBe('worked' in want && want.worked);
  });

  test('a day that is holiday and make-up day is worked: who says so later knows more', () => {
    expect(isWorkDay({ ...china, makeUpDays: ['2026-10-05'] }, '2026-10-05')).toBe(true);
  });

  test('the nth work day counts from the front and from the back', () => {
    expect(weekday('2026-10-10')).toBe(6);
    expect(nthWorkDay(china, '2026-10', 1)).toBe('2026-10-08');
    expect(nthWorkDay(china, '2026-10', 3)).toBe('2026-10-10');
    expect(nthWorkDay(china, '2026-10', -1)).toBe('2026-10-30');
    expect(nthWorkDay(china, '2026-10', 40)).toBeNull();
    expect(nthWorkDay(china, '2026-10', 0)).toBeNull();
    expect(workDays(china, '2026-10')).toHaveLength(18);
    // A month that ends on a weekend, and one that begins with a holiday of another year.
    expect(nthWorkDay(china, '2026-02', -1)).toBe('2026-02-27');
    expect(nthWorkDay(china, '2027-01', 1)).toBe('2027-01-04');
    expect(nthWorkDay({ ...china, weekend: [1, 2, 3, 4, 5, 6, 7] }, '2026-09', -1)).toBe('2026-09-20');
    expect(nthWorkDay(DEFAULT_CALENDAR, '2024-02', -1)).toBe('2024-02-29');
  });

  test('work days after and before a date step over what is not worked', () => {
    expect(addWorkDays(china, '2026-09-30', 1)).toBe('2026-10-08');
    expect(addWorkDays(china, '2026-10-08', -1)).toBe('2026-09-30');
    expect(addWorkDays(china, '2026-10-08', 0)).toBe('2026-10-08');
    expect(addWorkDays(china, '2026-12-31', 1)).toBe('2027-01-04');
    const never = { ...china, weekend: [1, 2, 3, 4, 5, 6, 7], makeUpDays: [] };
    expect(addWorkDays(never, '2026-10-08', 1)).toBeNull();
  });

  test('counting work days agrees with listing them, in whatever calendar', () => {
    const day = fc.integer({ min: 0, max: 800 }).map((n) => shiftPeriod('day', '2026-01-01', n));
    const calendar = fc.record({
      timeZone: fc.constant(SHANGHAI),
      weekend: fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { maxLength: 6 }),
      holidays: fc.array(day, { maxLength: 20 }),
      makeUpDays: fc.array(day, { maxLength: 20 }),
    });
    fc.assert(
      fc.property(calendar, day, fc.integer({ min: 1, max: 25 }), (entry, from, n) => {
        const listed = Array.from({ length: 400 }, (_, k) => shiftPeriod('day', from, k + 1)).filter((d) =>
          isWorkDay(entry, d),
        );
        expect(addWorkDays(entry, from, n)).toBe(listed[n - 1]);
        const days = workDays(entry, from.slice(0, 7));
        expect(nthWorkDay(entry, from.slice(0, 7), n)).toBe(days[n - 1] ?? null);
        expect(nthWorkDay(entry, from.slice(0, 7), -n)).toBe(days.at(-n) ?? null);
        for (const moment of [
          `+0 month, workday ${Math.min(n, 23)}, 10:00`,
          '+0 month, last workday, 10:00',
        ]) {
          const seen = { cycle: 'day', period: from, calendar: entry, openedAtMs: 0 } as const;
          const at = formatPeriod('day', toLocal(SHANGHAI, resolveMoment(moment, seen)));
          if (days.length > 0) expect(days).toContain(at);
          else expect(at).toBe(lastDay('month', from.slice(0, 7)));
        }
      }),
    );
  });

  test('a calendar knows the holidays of the years that it has some of, and of all when it has none', () => {
    expect(['2025', '2026', '2027', '2028'].filter((year) => knowsHolidays(china, year))).toEqual([
      '2026',
      '2027',
    ]);
    expect(knowsHolidays(DEFAULT_CALENDAR, '2031')).toBe(true);
  });

  test.each<[string, string, string, number | null]>([
    ['2026-12-01', '2026-12-02', '2026-12-02T15:59:59Z', Date.UTC(2026, 11, 2, 16)],
    ['2026-12-01', '2026-12-02', '2026-12-02T16:00:00Z', null],
    ['2026-12-01', '2026-12-02', '2026-11-30T16:00:00Z', Date.UTC(2026, 11, 2, 16)],
    ['2026-12-01', '2026-12-02', '2026-11-30T15:59:59Z', null],
    ['2026-12-01 22:00', '2026-12-02 06:30', '2026-12-01T14:00:00Z', Date.UTC(2026, 11, 1, 22, 30)],
    ['2026-12-01 22:00', '2026-12-02 06:30', '2026-12-01T22:30:00Z', null],
  ])('the blackout %s to %s at %s ends at %s', (from, to, at, want) => {
    const calendar = { ...china, blackouts: [{ from, to, afterwards: 'open' as const }] };
    expect(blackoutAt(calendar, Date.parse(at))?.endMs ?? null).toBe(want);
    expect(isForward({ from, to, afterwards: 'open' })).toBe(true);
    expect(isForward({ from: to, to: from, afterwards: 'open' })).toBe(false);
  });
});
