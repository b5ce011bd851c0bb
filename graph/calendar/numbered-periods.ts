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

const known = new Map<Numbered, Numbered>();

/** The month that holds a day. */
function monthOf(day: Numbered): Numbered {
  let month = known.get(day);
  if (month === undefined) {
    const date = new Date(day * DAY_MS);
    month = date.getUTCFullYear() * 12 + date.getUTCMonth();
    if (known.size < 100_000) known.set(day, month);
  }
  return month;
}

/** The period of a coarser cycle, or of the same, that holds one. */
export function holding(at: Numbered, cycle: Cycle, target: Cycle): Numbered {
  if (cycle === target) return at;
  const day = cycle === 'hour' ? Math.floor(at / 24) : at;
  return target === 'day' ? day : monthOf(day);
}

export const lastDayOf = (month: Numbered): Numbered =>
  Date.UTC(Math.floor(month / 12), (month % 12) + 1, 1) / DAY_MS - 1;

export const lastHourOf = (day: Numbered): Numbered => day * 24 + 23;

/** As text. */
export function periodOf(cycle: Cycle, at: Numbered): string {
  if (cycle === 'month') return formatPeriod('month', Date.UTC(Math.floor(at / 12), at % 12, 1));
  return formatPeriod(cycle, at * (cycle === 'day' ? DAY_MS : HOUR_MS));
}
