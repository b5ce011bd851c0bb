/** Periods that schedules open (protocol D10): named one by one, and as a slow walk over every slot says. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { countsOpenedPeriods, mapPeriod, shiftOf, shiftPeriod } from '../../../graph/calendar/calendar.ts';
import { Openings } from '../../../graph/calendar/openings.ts';
import { Calendar, type Cycle, type PeriodMapping, Schedule } from '../../../graph/model.ts';
import { anyCalendar, anySchedule, openedSlowly, periodsFrom } from '../../support/any-schedules.ts';
import { runsOr, seed } from '../../support/property.ts';

const china = Calendar.parse({
  id: 'cn',
  holidays: [{ from: '2026-10-01', to: '2026-10-07', names: { en: 'National Day', zh: '国庆节' } }],
  makeUpDays: ['2026-10-10'],
  blackouts: [
    { from: '2026-11-10', to: '2026-11-12', afterwards: 'skip' },
    { from: '2026-11-17', to: '2026-11-18', afterwards: 'open' },
  ],
});
const schedule = (given: object) =>
  Schedule.parse({ id: 's', cycle: 'day', at: '02:00', calendar: 'cn', ...given });
const openings = (...schedules: Schedule[]) => new Openings({ schedules, calendars: [china] });

/** What an edge of a flow of a day leads to, of a procedure whose flows the schedules open. */
function mapped(schedules: Schedule[], mapping: PeriodMapping, from: string, procedure?: string): string {
  const all = openings(...schedules);
  const by = all.covering('day', procedure);
  return by === null ? 'every period' : all.map(by, mapping, { cycle: 'day', period: from }, 'day').join(' ');
}

describe('D10: previous is the previous period that is opened', () => {
  const workDays = schedule({ on: 'workDays' });
  test.each<[string, Schedule[], PeriodMapping, string, string]>([
    ['over a holiday of a week', [workDays], 'previous', '2026-10-08', '2026-09-30'],
    ['over a weekend', [workDays], 'previous', '2026-10-19', '2026-10-16'],
    ['a make-up day is opened', [workDays], 'previous', '2026-10-12', '2026-10-10'],
    ['from a day that nobody opens', [workDays], 'previous', '2026-10-18', '2026-10-16'],
    ['two before', [workDays], { offset: -2 }, '2026-10-09', '2026-09-30'],
    [
      'a paused schedule counts',
      [schedule({ on: 'workDays', paused: true })],
      'previous',
      '2026-10-08',
      '2026-09-30',
    ],
    // The slot of 2026-11-09 fires at 02:00 on the 10th, in the blackout.
    ['a blackout that is left out opens none', [workDays], 'previous', '2026-11-12', '2026-11-06'],
    ['one after which is opened opens all', [workDays], 'previous', '2026-11-18', '2026-11-17'],
    ['a later period stays plain', [workDays], { offset: 1 }, '2026-09-30', '2026-10-01'],
    ['the same stays plain', [workDays], 'same', '2026-10-04', '2026-10-04'],
    [
      'several schedules open what one of them opens',
      [schedule({ on: 'lastDay' }), schedule({ id: 't', on: { dayOfMonth: 4 } })],
      'previous',
      '2026-10-20',
      '2026-10-04',
    ],
    ['no schedule: every period', [], 'previous', '2026-10-08', 'every period'],
    [
      'one of another cycle is none',
      [schedule({ cycle: 'month' })],
      'previous',
      '2026-10-08',
      'every period',
    ],
  ])('%s', (_name, schedules, mapping, from, want) => {
    expect(mapped(schedules, mapping, from)).toBe(want);
  });

  test('a schedule that opens some procedures covers their flows only', () => {
    const of = [
      schedule({ on: 'lastDay', procedures: ['P01'] }),
      schedule({ id: 't', on: 'workDays', procedures: ['P02', 'P03'] }),
    ];
    expect(
      ['P01', 'P03', 'P04', undefined].map((entry) => mapped(of, 'previous', '2026-10-08', entry)),
    ).toEqual(['2026-09-30', '2026-09-30', 'every period', 'every period']);
    expect(mapped(of, 'previous', '2026-10-20', 'P01')).toBe('2026-09-30');
    expect(mapped(of, 'previous', '2026-10-20', 'P02')).toBe('2026-10-19');
  });

  test('every day of a month are those that are opened, every hour of a day likewise', () => {
    const all = openings(
      schedule({ on: { workDay: 1 } }),
      schedule({ id: 'h', cycle: 'hour', at: '00:10', on: 'workDays' }),
    );
    const days = all.map(
      all.covering('day', null)!,
      'everyDayOfMonth',
      { cycle: 'month', period: '2026-10' },
      'day',
    );
    expect(days).toEqual(['2026-10-08']);
    const hours = (of: string) =>
      all.map(all.covering('hour', null)!, 'everyHourOfDay', { cycle: 'day', period: of }, 'hour').length;
    expect([hours('2026-10-08'), hours('2026-10-04')]).toEqual([24, 0]);
  });

  test('an hour that the clock skips is not opened, whichever hour the schedule speaks of', () => {
    const calendars = [Calendar.parse({ id: 'cn', timeZone: 'Europe/Berlin' })];
    for (const period of ['previous', 'same']) {
      const all = new Openings({ schedules: [schedule({ cycle: 'hour', at: '00:10', period })], calendars });
      const hours = all.map(
        all.ofCycle('hour')!,
        'everyHourOfDay',
        { cycle: 'day', period: '2026-03-29' },
        'hour',
      );
      expect(hours.map((hour) => hour.slice(8)).slice(0, 4)).toEqual(['00', '01', '03', '04']);
      expect(all.shifted(all.ofCycle('hour')!, 'hour', '2026032903', -1)).toBe('2026032904');
      expect(all.shifted(all.ofCycle('hour')!, 'hour', '2026032903', 1)).toBe('2026032901');
    }
  });

  test('ten years without an opened period end the search: the mapping is the plain one', () => {
    const dark = Calendar.parse({
      id: 'cn',
      blackouts: [{ from: '1990-01-01', to: '2090-01-01', afterwards: 'skip' }],
    });
    for (const [cycle, from, plain] of [
      ['hour', '2026100800', '2026100723'],
      ['day', '2026-10-08', '2026-10-07'],
      ['month', '2026-10', '2026-09'],
    ] as const) {
      const all = new Openings({
        schedules: [schedule({ cycle, ...(cycle === 'hour' ? { at: '00:00' } : {}) })],
        calendars: [dark],
      });
      const by = all.ofCycle(cycle)!;
      expect([cycle, all.shifted(by, cycle, from, 1), all.shifted(by, cycle, from, -400)]).toEqual([
        cycle,
        null,
        null,
      ]);
      expect(all.map(by, 'previous', { cycle, period: from })).toEqual([plain]);
    }
  });

  test('the first and the last years end it, too', () => {
    const all = openings(workDays, schedule({ id: 'm', cycle: 'month' }));
    expect(all.shifted(all.ofCycle('day')!, 'day', '1901-01-01', 1)).toBeNull();
    expect(all.shifted(all.ofCycle('month')!, 'month', '8998-12', -1)).toBeNull();
    expect(all.map(all.ofCycle('month')!, 'previous', { cycle: 'month', period: '8999-12' })).toEqual([
      '8998-12',
    ]);
  });
});

const RANGE: Record<Cycle, [string, string]> = {
  hour: ['2028032500', '2028032723'],
  day: ['2027-12-20', '2028-04-10'],
  month: ['2027-10', '2028-10'],
};

test('against a slow walk over every slot: what is opened, what lies before and after', () => {
  const estate = fc.constantFrom<Cycle>('hour', 'day', 'month').chain((cycle) =>
    fc.record({
      cycle: fc.constant(cycle),
      a: anyCalendar('a'),
      b: anyCalendar('b'),
      one: anySchedule('one', cycle),
      two: fc.option(anySchedule('two', cycle)),
      n: fc.integer({ min: 1, max: 5 }),
      at: fc.nat(400),
    }),
  );
  fc.assert(
    fc.property(estate, ({ cycle, a, b, one, two, n, at }) => {
      const calendars = [a, b];
      const schedules = two === null ? [one] : [one, two];
      const [from, to] = RANGE[cycle];
      const opened = openedSlowly(schedules, calendars, cycle, from, to);
      const all = new Openings({ schedules, calendars });
      const by = all.ofCycle(cycle)!;
      const periods = periodsFrom(cycle, from, to);
      expect(periods.filter((period) => all.opens(by, cycle, period))).toEqual(
        periods.filter((period) => opened.has(period)),
      );
      const period = periods[at % periods.length]!;
      const before = periods.filter((other) => other < period && opened.has(other));
      const after = periods.filter((other) => other > period && opened.has(other));
      if (before.length >= n) expect(all.shifted(by, cycle, period, n)).toBe(before.at(-n));
      if (after.length >= n) expect(all.shifted(by, cycle, period, -n)).toBe(after[n - 1]);
      // There and back again.
      const back = all.shifted(by, cycle, period, n);
      if (back !== null && opened.has(period)) expect(all.shifted(by, cycle, back, -n)).toBe(period);
    }),
    { numRuns: runsOr(100), seed },
  );
});

test('a mapping among opened periods is the plain one when every period is opened, and never a later one', () => {
  const mappings: PeriodMapping[] = [
    'same',
    'previous',
    { offset: -3 },
    { offset: 2 },
    'everyDayOfMonth',
    'lastDayOfMonth',
  ];
  fc.assert(
    fc.property(
      fc.constantFrom(...mappings),
      anyCalendar('a'),
      anySchedule('one', 'day'),
      fc.nat(300),
      (mapping, a, one, at) => {
        const every = new Openings({ schedules: [schedule({ on: 'everyDay' })], calendars: [] });
        const some = new Openings({ schedules: [one], calendars: [a] });
        const cycle = shiftOf(mapping) === null ? 'month' : 'day';
        const period =
          cycle === 'day' ? shiftPeriod('day', '2027-11-01', at) : shiftPeriod('month', '2027-11', at % 12);
        const plain = mapPeriod(mapping, cycle, period, 'day');
        expect(every.map(every.ofCycle('day')!, mapping, { cycle, period }, 'day')).toEqual(plain);
        const found = countsOpenedPeriods(mapping)
          ? some.map(some.ofCycle('day')!, mapping, { cycle, period }, 'day')
          : plain;
        expect(found.every((found) => found <= plain.at(-1)!)).toBe(true);
      },
    ),
    { numRuns: runsOr(200), seed },
  );
});
