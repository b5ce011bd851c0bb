/** Moments seen from a period, as the catalogue writes them: start times, deadlines, reminders. Pure; protocol D1. */
import { SluiceError } from '../../errors.ts';
import type { Cycle } from '../model.ts';
import { addMonths, formatPeriod, periodStartLocal } from './calendar.ts';
import { toInstant } from './time-zone.ts';
import { addWorkDays, type BusinessCalendar, nthWorkDay, workDays } from './work-days.ts';

/** The parts of a moment. `open + 20 s` counts from the opening of the run; all others from the beginning of its period. */
type ParsedMoment =
  | { from: 'open'; ms: number }
  | { from: 'period'; n: number; unit: Cycle | 'workday'; day: Day; clockMs: number };

/** The day of the month that `+N month` leads to. */
type Day = { of: 'day' | 'workday'; n: number | 'last' };

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, min: 60_000, h: HOUR_MS };

/** Days in 40 years, the longest distance of a moment from its period: anything beyond is a mistake. */
const DAY_LIMIT = 14_610;
/** The largest number that may stand before each unit: 40 years of it. */
const LIMITS: Record<string, number> = {
  month: 480,
  day: DAY_LIMIT,
  workday: DAY_LIMIT,
  hour: DAY_LIMIT * 24,
};
const TOO_FAR = 'it lies more than 40 years after the period';

const FORM =
  /^\+(\d+) (month|day|hour|workday)(?:, (?:(day|workday) (\d{1,2}|last)|last (day|workday)))?, (\d{2}):(\d{2})(?::(\d{2}))?$/;

function parseMoment(text: string): ParsedMoment | string {
  const open = /^open \+ (\d+) (ms|s|min|h)$/.exec(text);
  if (open !== null) {
    const ms = Number(open[1]) * UNIT_MS[open[2]!]!;
    return ms > DAY_LIMIT * DAY_MS ? TOO_FAR : { from: 'open', ms };
  }
  const match = FORM.exec(text);
  if (match === null)
    return 'write a moment like "+1 month, day 1, 23:59", "+1 month, workday 3, 10:00", "+1 day, 02:00" or "open + 20 s"';
  const [, n, unit, of, nth, lastOf, hour, minute, second = '00'] = match;
  if (Number(n) > LIMITS[unit!]!) return TOO_FAR;
  const given = of ?? lastOf;
  if (given !== undefined && unit !== 'month')
    return `"${given}" goes with months only: "+1 month, ${given} 1, 23:59"`;
  const lastNth = given === 'workday' ? 23 : 31;
  if (nth !== undefined && nth !== 'last' && (Number(nth) < 1 || Number(nth) > lastNth))
    return `there is no ${given} ${nth} in a month`;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59)
    return `there is no time ${hour}:${minute}:${second}`;
  if (unit === 'hour' && Number(hour) > 0)
    return 'after "+N hour" the time counts minutes into that hour: "+1 hour, 00:10"';
  return {
    from: 'period',
    n: Number(n),
    unit: unit as Cycle | 'workday',
    day: {
      of: given === 'workday' ? 'workday' : 'day',
      n: given === undefined ? 1 : nth === undefined || nth === 'last' ? 'last' : Number(nth),
    },
    clockMs: Number(hour) * HOUR_MS + Number(minute) * 60_000 + Number(second) * 1000,
  };
}

/** Why a moment means nothing, although it may have the right form (25:00, day 40, `day` after `+1 day`); null = it is a moment. */
export function momentProblem(text: string): string | null {
  const parsed = parseMoment(text);
  return typeof parsed === 'string' ? parsed : null;
}

/** Whether the moment counts work days, so that its calendar needs holidays. */
export const countsWorkDays = (moment: string): boolean => moment.includes('workday');

/** The period and the run from which a moment is seen. */
export interface SeenFrom {
  readonly cycle: Cycle;
  readonly period: string;
  /** Its zone is that of the clock times. */
  readonly calendar: BusinessCalendar;
  /** When the run was opened; counts for moments `open + ...` only. */
  readonly openedAtMs: number;
}

/**
 * The instant of a moment for the run of `period`, ms. Protocol D1.
 *
 * - `+N month, day D, HH:MM`: N months after the month of the period, day D of it (default 1; a day that month lacks is its last).
 * - `+N month, workday D, HH:MM`, `+N month, last workday, HH:MM`: the same in work days of the calendar (one that month lacks is its
 *   last; a month without any: its last day).
 * - `+N day, HH:MM`, `+N workday, HH:MM`: N days, or N work days, after the period's first day.
 * - `+N hour, 00:MM`: MM minutes into the hour N hours after the period's first instant (elapsed hours, also over summer time).
 * - `open + 20 s`: from the opening of the run.
 *
 * Clock times are those of the calendar's zone; what summer time skips or repeats: graph/calendar/time-zone.ts. Throws `invalid_period` for a
 * moment that means nothing.
 */
export function resolveMoment(moment: string, { cycle, period, calendar, openedAtMs }: SeenFrom): number {
  const parsed = parseMoment(moment);
  if (typeof parsed === 'string')
    throw new SluiceError('invalid_period', `'${moment}' is not a moment: ${parsed}`, { facts: { moment } });
  if (parsed.from === 'open') return openedAtMs + parsed.ms;
  const { timeZone } = calendar;
  const { n, unit, clockMs } = parsed;
  const start = periodStartLocal(cycle, period);
  if (unit === 'hour') return toInstant(timeZone, start) + n * HOUR_MS + clockMs;
  const midnight = Math.floor(start / DAY_MS) * DAY_MS;
  if (unit === 'day') return toInstant(timeZone, midnight + n * DAY_MS + clockMs);
  if (unit === 'workday') {
    const day = addWorkDays(calendar, formatPeriod('day', midnight), n);
    const localMs = day === null ? midnight + n * DAY_MS : periodStartLocal('day', day);
    return toInstant(timeZone, localMs + clockMs);
  }
  return toInstant(timeZone, dayOf(calendar, addMonths(midnight, n), parsed.day) + clockMs);
}

/** The local time at which the nth day, or work day, of a month begins. */
function dayOf(calendar: BusinessCalendar, month: number, { of, n }: Day): number {
  const length = (addMonths(month, 1) - month) / DAY_MS;
  const last = month + (length - 1) * DAY_MS;
  if (of === 'day') return n === 'last' ? last : Math.min(month + (n - 1) * DAY_MS, last);
  const name = formatPeriod('month', month);
  const day = (n === 'last' ? null : nthWorkDay(calendar, name, n)) ?? workDays(calendar, name).at(-1);
  return day === undefined ? last : periodStartLocal('day', day);
}
