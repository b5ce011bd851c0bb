/** Business calendars: which days are worked, with holidays and make-up work days 调休. Dates are day periods, `2026-11-22`. */
import type { Sentence } from '../text/sentence.ts';
import { firstDay, lastDay, shiftPeriod } from './calendar.ts';

/** Holidays with their name, both days included; `to` is missing for one day. */
export interface Holiday {
  readonly from: string;
  readonly to?: string | undefined;
  readonly names: Sentence;
}

/** The part of a catalogue calendar that decides about days; `weekend` counts Monday as 1. */
export interface WorkCalendar {
  readonly weekend: readonly number[];
  /** Single dates, or ranges that have a name. */
  readonly holidays: readonly (string | Holiday)[];
  readonly makeUpDays: readonly string[];
}

/** A calendar of the catalogue. Versions stored before there were blackouts have none. */
export interface BusinessCalendar extends WorkCalendar {
  readonly timeZone: string;
  readonly blackouts?: readonly Blackout[];
}

/** A range in which schedules open nothing: graph/calendar/blackout.ts. */
export interface Blackout {
  readonly from: string;
  readonly to: string;
  readonly names?: Sentence | undefined;
  readonly afterwards: 'open' | 'skip';
}

/** The calendar that counts where none is named. */
export const DEFAULT_CALENDAR: BusinessCalendar = {
  timeZone: 'Asia/Shanghai',
  weekend: [6, 7],
  holidays: [],
  makeUpDays: [],
};

/** Why a day is a work day, or is not. */
export type DayKind =
  | { readonly worked: true; readonly why: 'weekday' | 'make_up_day' }
  | { readonly worked: false; readonly why: 'weekend' }
  | { readonly worked: false; readonly why: 'holiday'; readonly names: Holiday['names'] | null };

/** A make-up day wins over holiday and weekend, a holiday over the weekend. */
export function dayKind(calendar: WorkCalendar, date: string): DayKind {
  if (calendar.makeUpDays.includes(date)) return { worked: true, why: 'make_up_day' };
  const holiday = calendar.holidays.find((holiday) =>
    typeof holiday === 'string'
      ? holiday === date
      : holiday.from <= date && date <= (holiday.to ?? holiday.from),
  );
  if (holiday !== undefined)
    return { worked: false, why: 'holiday', names: typeof holiday === 'string' ? null : holiday.names };
  return calendar.weekend.includes(weekday(date))
    ? { worked: false, why: 'weekend' }
    : { worked: true, why: 'weekday' };
}

/** Whether the day is a work day. */
export const isWorkDay = (calendar: WorkCalendar, date: string): boolean => dayKind(calendar, date).worked;

/**
 * Whether the holidays of a year, `2026`, have been entered. A calendar without any holidays has only weekends on purpose, so it counts as
 * complete; in others, a year without holidays has not been entered yet.
 */
export function knowsHolidays({ holidays }: WorkCalendar, year: string): boolean {
  return (
    holidays.length === 0 ||
    holidays.some((holiday) =>
      typeof holiday === 'string'
        ? holiday.startsWith(year)
        : holiday.from.slice(0, 4) <= year && year <= (holiday.to ?? holiday.from).slice(0, 4),
    )
  );
}

/** Day of the week, Monday 1 to Sunday 7. */
export function weekday(date: string): number {
  return ((new Date(`${date}T00:00:00Z`).getUTCDay() + 6) % 7) + 1;
}

/** Work days of a month `2026-10`, ascending. */
export function workDays(calendar: WorkCalendar, month: string): string[] {
  const days: string[] = [];
  const last = lastDay('month', month);
  for (let day = firstDay('month', month); day <= last; day = shiftPeriod('day', day, 1))
    if (isWorkDay(calendar, day)) days.push(day);
  return days;
}

/** The nth work day of a month, counted from 1, or from the end with -1; null when the month has fewer. */
export function nthWorkDay(calendar: WorkCalendar, month: string, n: number): string | null {
  return n === 0 ? null : (workDays(calendar, month).at(n > 0 ? n - 1 : n) ?? null);
}

/** The nth work day after a date (before it when negative); null when there is none within ten years. */
export function addWorkDays(calendar: WorkCalendar, date: string, n: number): string | null {
  let day = date;
  let left = Math.abs(n);
  for (let tried = 0; left > 0; tried++) {
    if (tried > 3653) return null;
    day = shiftPeriod('day', day, Math.sign(n));
    if (isWorkDay(calendar, day)) left--;
  }
  return day;
}
