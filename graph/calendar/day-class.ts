/** Which earlier periods are like a given one, so that lateness can be compared with them. Pure. */

import type { Cycle } from '../model.ts';
import { formatPeriod, lastDay, periodStartLocal, shiftPeriod } from './calendar.ts';
import { isWorkDay, type WorkCalendar, weekday } from './work-days.ts';

/**
 * `previous`: any; `weekday`: the same day of the week; `monthDay`, `monthEnd`: the same day of the month, counted from its beginning or its
 * end; `afterHoliday`: worked or not, after a day that was worked or not, as this one. Of hours also the same hour of the day; all months are
 * alike but by their place in the quarter (`monthEnd`: the same month of the quarter).
 */
export const DAY_CLASSES = ['previous', 'weekday', 'monthDay', 'monthEnd', 'afterHoliday'] as const;
export type DayClass = (typeof DAY_CLASSES)[number];

/** A text that is equal for periods of the same class. Throws `invalid_period`. */
export function classOf(dayClass: DayClass, cycle: Cycle, period: string, calendar: WorkCalendar): string {
  if (dayClass === 'previous') return '';
  const start = periodStartLocal(cycle, period);
  if (cycle === 'month')
    return dayClass === 'monthEnd' ? `month ${(Number(period.slice(5, 7)) - 1) % 3} of the quarter` : '';
  const hour = cycle === 'hour' ? ` ${new Date(start).getUTCHours()}` : '';
  const day = formatPeriod('day', start);
  switch (dayClass) {
    case 'weekday':
      return `${weekday(day)}${hour}`;
    case 'monthDay':
      return `${day.slice(8)}${hour}`;
    case 'monthEnd': {
      const last = lastDay('month', day.slice(0, 7));
      return `${Number(last.slice(8)) - Number(day.slice(8))}${hour}`;
    }
    case 'afterHoliday':
      return `${isWorkDay(calendar, day)} after ${isWorkDay(calendar, shiftPeriod('day', day, -1))}${hour}`;
    default:
      return dayClass satisfies never;
  }
}

/**
 * The class that run times are learned by (decision 0013), as a code. Days: the first three and the last one of a month, when closing and
 * billing are busy, otherwise worked or not; hours: the hour of the day, worked or not; months: whether they end a quarter. A month of days
 * has enough of each, which weekdays or days of the month do not have. Throws `invalid_period`.
 */
export function durationClass(cycle: Cycle, period: string, calendar: WorkCalendar): string {
  const start = periodStartLocal(cycle, period);
  if (cycle === 'month') return Number(period.slice(5, 7)) % 3 === 0 ? 'quarterEnd' : 'otherMonth';
  const day = formatPeriod('day', start);
  const worked = isWorkDay(calendar, day) ? 'workDay' : 'restDay';
  if (cycle === 'hour') return `${worked} ${period.slice(8)}`;
  if (Number(day.slice(8)) <= 3) return 'monthStart';
  return day === lastDay('month', day.slice(0, 7)) ? 'monthEnd' : worked;
}
