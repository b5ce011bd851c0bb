/** Business calendars: which days are worked, with holidays and make-up work days 调休. Dates are day periods, `2026-11-22`. */
import { firstDay, lastDay, shiftPeriod } from './calendar.ts';

/** The part of a catalogue calendar that decides about days; `weekend` counts Monday as 1. */
export interface WorkCalendar {
  readonly weekend: readonly number[];
  readonly holidays: readonly string[];
  readonly makeUpDays: readonly string[];
}

/** Whether the day is worked. A make-up day wins over holiday and weekend. */
export function isWorkDay(calendar: WorkCalendar, date: string): boolean {
  if (calendar.makeUpDays.includes(date)) return true;
  if (calendar.holidays.includes(date)) return false;
  return !calendar.weekend.includes(weekday(date));
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

/** The last work day of a month, null for a month without any. */
export const lastWorkDay = (calendar: WorkCalendar, month: string): string | null =>
  nthWorkDay(calendar, month, -1);

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
