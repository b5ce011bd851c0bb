/** Periods as whole numbers, for searches over many of them: hours and days since 1970, months since year 0. */

import type { Cycle } from '../model.ts';
import { formatPeriod } from './calendar.ts';

export type Numbered = number;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const RANK: Record<Cycle, number> = { hour: 0, day: 1, month: 2 };

/** January 2026, and the four years after which lengths of months repeat. */
export const FIRST_MONTH: Numbered = 2026 * 12;
export const MONTHS = 48;

/**
 * The month that holds a day. By arithmetic, as searches ask for millions: years are counted from March, so that the day that a leap year
 * adds is the last of its year, and a cycle of 400 years has 146,097 days.
 */
function monthOf(day: Numbered): Numbered {
  const sinceMarchOfYear0 = day + 719_468;
  const cycle = Math.floor(sinceMarchOfYear0 / 146_097);
  const dayOfCycle = sinceMarchOfYear0 - cycle * 146_097;
  const leapDays =
    Math.floor(dayOfCycle / 1_460) - Math.floor(dayOfCycle / 36_524) + Math.floor(dayOfCycle / 146_096);
  const yearOfCycle = Math.floor((dayOfCycle - leapDays) / 365);
  const daysBefore = 365 * yearOfCycle + Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100);
  const monthSinceMarch = Math.floor((5 * (dayOfCycle - daysBefore) + 2) / 153);
  return (cycle * 400 + yearOfCycle) * 12 + 2 + monthSinceMarch;
}

/** The period of the same or a longer cycle that contains a period. */
export function holding(at: Numbered, cycle: Cycle, target: Cycle): Numbered {
  if (cycle === target) return at;
  const day = cycle === 'hour' ? Math.floor(at / 24) : at;
  return target === 'day' ? day : monthOf(day);
}

/** The last day of a month. */
export const lastDayOf = (month: Numbered): Numbered =>
  Date.UTC(Math.floor(month / 12), (month % 12) + 1, 1) / DAY_MS - 1;

/** The last hour of a day. */
export const lastHourOf = (day: Numbered): Numbered => day * 24 + 23;

/** The period as text. */
export function periodOf(cycle: Cycle, at: Numbered): string {
  if (cycle === 'month') return formatPeriod('month', Date.UTC(Math.floor(at / 12), at % 12, 1));
  return formatPeriod(cycle, at * (cycle === 'day' ? DAY_MS : HOUR_MS));
}
