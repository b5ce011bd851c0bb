/** Calendars and schedules at random, and a slow way to say which periods schedules open: slot by slot, as the record decides them. */
import fc from 'fast-check';
import { blackoutAt } from '../../graph/calendar/blackout.ts';
import { nextPeriod, periodSpan, shiftPeriod } from '../../graph/calendar/calendar.ts';
import { calendarOf, judge, slotsAfter } from '../../graph/calendar/schedule.ts';
import { type Calendar, type Cycle, Schedule } from '../../graph/model.ts';

export type AnyCalendar = ReturnType<typeof Calendar.parse>;

/** The weeks that calendars at random speak of: holidays, two changes of summer time, a February of 29 days. */
const DAYS = 420;
const FROM = Date.UTC(2027, 8, 15);
const day = (n: number): string => new Date(FROM + n * 86_400_000).toISOString().slice(0, 10);

const anyDay = fc.nat(DAYS).map(day);
const anyBlackout = fc
  .record({
    at: fc.nat(DAYS),
    length: fc.oneof(
      { weight: 4, arbitrary: fc.nat(12) },
      { weight: 1, arbitrary: fc.integer({ min: 30, max: 90 }) },
    ),
    from: fc.constantFrom('', ' 03:30', ' 22:00'),
    to: fc.constantFrom('', ' 04:00', ' 23:30'),
    afterwards: fc.constantFrom('open' as const, 'skip' as const),
  })
  .map(({ at, length, from, to, afterwards }) => ({
    from: `${day(at)}${from}`,
    to: `${day(at + length + 1)}${to}`,
    afterwards,
  }));

export const anyCalendar = (id: string): fc.Arbitrary<AnyCalendar> =>
  fc.record({
    id: fc.constant(id),
    timeZone: fc.constantFrom(
      'Asia/Shanghai',
      'Asia/Shanghai',
      'Europe/Berlin',
      'America/New_York',
      'Australia/Lord_Howe',
    ),
    weekend: fc.constantFrom([6, 7], [5, 6], [7], []),
    holidays: fc.array(
      fc
        .record({ at: fc.nat(DAYS), length: fc.nat(9) })
        .map(({ at, length }) => ({ from: day(at), to: day(at + length), names: { en: 'rest', zh: '休' } })),
      { maxLength: 4 },
    ),
    makeUpDays: fc.array(anyDay, { maxLength: 4 }),
    blackouts: fc.array(anyBlackout, { maxLength: 3 }),
  });

export const anySchedule = (
  id: string,
  cycle: Cycle,
  procedures: fc.Arbitrary<string[] | undefined> = fc.constant(undefined),
): fc.Arbitrary<Schedule> =>
  fc
    .record({
      hour: fc.nat(23),
      minute: fc.constantFrom('00', '10', '59'),
      on: fc.oneof(
        { weight: 3, arbitrary: fc.constant('workDays' as const) },
        { weight: 1, arbitrary: fc.constantFrom(undefined, 'everyDay' as const, 'lastDay' as const) },
        { weight: 1, arbitrary: fc.integer({ min: 1, max: 31 }).map((dayOfMonth) => ({ dayOfMonth })) },
        {
          weight: 2,
          arbitrary: fc
            .oneof(fc.integer({ min: 1, max: 23 }), fc.constant('last' as const))
            .map((workDay) => ({ workDay })),
        },
      ),
      period: fc.constantFrom('previous' as const, 'same' as const),
      calendar: fc.constantFrom('a', 'a', 'b'),
      paused: fc.boolean(),
      procedures,
    })
    .map(({ hour, minute, on, procedures: of, ...rest }) =>
      Schedule.parse({
        id,
        cycle,
        ...rest,
        at: `${cycle === 'hour' ? '00' : String(hour).padStart(2, '0')}:${minute}`,
        ...(on === undefined ? {} : { on }),
        ...(of === undefined ? {} : { procedures: of }),
      }),
    );

/** Periods `from` to `to` that one of the schedules opens, found by walking over every slot of the time. */
export function openedSlowly(
  schedules: readonly Schedule[],
  calendars: readonly AnyCalendar[],
  cycle: Cycle,
  from: string,
  to: string,
): Set<string> {
  const found = new Set<string>();
  for (const schedule of schedules) {
    if (schedule.cycle !== cycle) continue;
    const calendar = calendarOf(schedule, calendars);
    const begin = periodSpan(cycle, shiftPeriod(cycle, from, -1), calendar.timeZone).startMs - 86_400_000;
    const end = periodSpan(cycle, shiftPeriod(cycle, to, 2), calendar.timeZone).endMs + 86_400_000;
    for (const slot of slotsAfter(schedule, calendar.timeZone, begin)) {
      if (slot.at > end) break;
      const { opens, period } = judge(schedule, calendar, slot);
      if (!opens || period < from || period > to) continue;
      if (blackoutAt(calendar, slot.at)?.blackout.afterwards !== 'skip') found.add(period);
    }
  }
  return found;
}

/** Every period, both ends included. */
export function periodsFrom(cycle: Cycle, from: string, to: string): string[] {
  const list: string[] = [];
  for (let at = from; at <= to; at = nextPeriod(cycle, at)) list.push(at);
  return list;
}
