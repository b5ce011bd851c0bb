/**
 * Business periods, how one follows from another, run ids. Pure; usable in workflow code. Moments seen from a period: moment.ts.
 *
 * A period is text: hour `2026112208`, day `2026-11-22`, month `2026-10`. Within a cycle the order of the text is the order of time.
 */
import { SluiceError } from '../../errors.ts';
import type { Cycle, PeriodMapping, Purpose } from '../cycle.ts';
import { toInstant, toLocal } from './time-zone.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const RANK: Record<Cycle, number> = { hour: 0, day: 1, month: 2 };
const SHAPE: Record<Cycle, RegExp> = {
  hour: /^(\d{4})(\d{2})(\d{2})(\d{2})$/,
  day: /^(\d{4})-(\d{2})-(\d{2})$/,
  month: /^(\d{4})-(\d{2})$/,
};
const EXAMPLE: Record<Cycle, string> = { hour: '2026112208', day: '2026-11-22', month: '2026-10' };

/** First and last year of periods: mappings and moments seen from one still have years of four digits. */
const FIRST_YEAR = 1900;
const LAST_YEAR = 8999;

/** Whether `text` is a period of the cycle that exists in the calendar (no 2026-02-30), in the years 1900 to 8999. */
export function isPeriod(cycle: Cycle, text: string): boolean {
  const match = SHAPE[cycle].exec(text);
  if (match === null || Number(match[1]) < FIRST_YEAR || Number(match[1]) > LAST_YEAR) return false;
  const ms = Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3] ?? 1), Number(match[4] ?? 0));
  return formatPeriod(cycle, ms) === text;
}

/** The period as written, checked. Throws `invalid_period`. */
export function parsePeriod(cycle: Cycle, text: string): string {
  if (isPeriod(cycle, text)) return text;
  throw new SluiceError(
    'invalid_period',
    `'${text}' is not a ${cycle}; write it like ${EXAMPLE[cycle]}${yearsOf(text)}`,
    {
      facts: { cycle, period: text },
    },
  );
}

/** What is wrong with a text that has the form of a period but lies outside of these years. */
const yearsOf = (text: string): string =>
  /^\d{4}-?\d{2}/.test(text) && (text < `${FIRST_YEAR}` || text > `${LAST_YEAR + 1}`)
    ? `, in the years ${FIRST_YEAR} to ${LAST_YEAR}`
    : '';

/** The cycle of a period, by the way it is written. Throws `invalid_period`. */
export function cycleOf(period: string): Cycle {
  const cycle = (Object.keys(SHAPE) as Cycle[]).find((key) => isPeriod(key, period));
  if (cycle !== undefined) return cycle;
  throw new SluiceError(
    'invalid_period',
    `'${period}' is no period; write 2026-10, 2026-11-22 or 2026112208${yearsOf(period)}`,
    {
      facts: { period },
    },
  );
}

/** The period of `cycle` that contains a local time (ms as in graph/calendar/time-zone.ts). */
export function formatPeriod(cycle: Cycle, localMs: number): string {
  const iso = new Date(localMs).toISOString();
  if (cycle === 'month') return iso.slice(0, 7);
  if (cycle === 'day') return iso.slice(0, 10);
  return iso.slice(0, 4) + iso.slice(5, 7) + iso.slice(8, 10) + iso.slice(11, 13);
}

/** The period that contains an instant. */
export function periodAt(cycle: Cycle, instantMs: number, zone: string): string {
  return formatPeriod(cycle, toLocal(zone, instantMs));
}

/** The local time at which a period begins, ms. Throws `invalid_period`. */
export function periodStartLocal(cycle: Cycle, period: string): number {
  parsePeriod(cycle, period);
  if (cycle === 'hour')
    return Date.UTC(int(period, 0, 4), int(period, 4, 6) - 1, int(period, 6, 8), int(period, 8, 10));
  return Date.UTC(int(period, 0, 4), int(period, 5, 7) - 1, cycle === 'day' ? int(period, 8, 10) : 1);
}

/** The instants at which a period begins and ends in a zone, ms: `[startMs, endMs)`. */
export function periodSpan(cycle: Cycle, period: string, zone: string): { startMs: number; endMs: number } {
  return {
    startMs: toInstant(zone, periodStartLocal(cycle, period)),
    endMs: toInstant(zone, periodStartLocal(cycle, shiftPeriod(cycle, period, 1))),
  };
}

/** Compares two periods of the same cycle, for sort. */
export function comparePeriods(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The period `n` later (earlier when negative). */
export function shiftPeriod(cycle: Cycle, period: string, n: number): string {
  const start = periodStartLocal(cycle, period);
  if (cycle !== 'month') return formatPeriod(cycle, start + n * (cycle === 'day' ? DAY_MS : HOUR_MS));
  return formatPeriod('month', addMonths(start, n));
}

export const nextPeriod = (cycle: Cycle, period: string): string => shiftPeriod(cycle, period, 1);
export const previousPeriod = (cycle: Cycle, period: string): string => shiftPeriod(cycle, period, -1);

/** First and last day of a month; for a day the day itself, for an hour its day: `2026-10-01`. */
export const firstDay = (cycle: Cycle, period: string): string =>
  formatPeriod('day', periodStartLocal(cycle, period));

export function lastDay(cycle: Cycle, period: string): string {
  if (cycle !== 'month') return firstDay(cycle, period);
  return formatPeriod('day', addMonths(periodStartLocal(cycle, period), 1) - DAY_MS);
}

/** A period in the form that programs get (protocol D1): yyyyMM, yyyyMMdd, yyyyMMddHH. */
export const programPeriod = (period: string): string => period.replaceAll('-', '');

/** Everything that a parameter `{ from: ... }` can take from a period, in the form that programs get. */
export function programPeriods(cycle: Cycle, period: string) {
  const month = formatPeriod('month', periodStartLocal(cycle, period));
  return {
    period: programPeriod(period),
    month: programPeriod(month),
    /** The day; of a month its last day, of an hour its day. */
    day: programPeriod(lastDay(cycle, period)),
    firstDay: programPeriod(firstDay('month', month)),
    lastDay: programPeriod(lastDay('month', month)),
    previousMonth: programPeriod(shiftPeriod('month', month, -1)),
  };
}

/** The cycle of the period that a mapping leads to, for a flow's own `period`. */
export function mappedCycle(mapping: PeriodMapping, cycle: Cycle): Cycle {
  if (mapping === 'lastDayOfMonth' || mapping === 'everyDayOfMonth') return 'day';
  return mapping === 'everyHourOfDay' ? 'hour' : cycle;
}

/**
 * The periods of the upstream that an edge means, seen from a flow of `period`. `target` is the cycle of the upstream's run (default: that of the
 * mapping). For a longer cycle it is the period that contains this one, shifted by the mapping. Throws `invalid_period` for a shorter cycle
 * without `every...`; `mappingProblem` says beforehand whether a mapping makes sense. O(periods).
 */
export function mapPeriod(mapping: PeriodMapping, cycle: Cycle, period: string, target?: Cycle): string[] {
  const to = target ?? mappedCycle(mapping, cycle);
  const start = periodStartLocal(cycle, period);
  const shift = shiftOf(mapping);
  if (shift !== null) {
    if (RANK[to] < RANK[cycle])
      throw new SluiceError('invalid_period', `a ${cycle} does not say which ${to} is meant`, {
        facts: { cycle, period, target: to },
      });
    return [shiftPeriod(to, formatPeriod(to, start), shift)];
  }
  const month = formatPeriod('month', start);
  if (mapping === 'lastDayOfMonth') return [lastDay('month', month)];
  const every = mapping === 'everyDayOfMonth';
  const from = every ? periodStartLocal('month', month) : periodStartLocal('day', formatPeriod('day', start));
  const end = every ? addMonths(from, 1) : from + DAY_MS;
  const periods: string[] = [];
  for (let at = from; at < end; at += every ? DAY_MS : HOUR_MS)
    periods.push(formatPeriod(every ? 'day' : 'hour', at));
  return periods;
}

/** By how many periods a mapping shifts within a cycle, negative = back; null for mappings that change the cycle. */
export function shiftOf(mapping: PeriodMapping): number | null {
  if (mapping === 'same') return 0;
  if (mapping === 'previous') return -1;
  return typeof mapping === 'object' ? mapping.offset : null;
}

/** A mapping as the catalogue writes it: `previous`, `{ offset: -2 }`. */
export const periodText = (mapping: PeriodMapping): string =>
  typeof mapping === 'object' ? `{ offset: ${mapping.offset} }` : mapping;

/** Whether a mapping counts only opened periods (protocol D10): mappings backwards, and to every period of a longer one. */
export function countsOpenedPeriods(mapping: PeriodMapping): boolean {
  const shift = shiftOf(mapping);
  return shift === null ? mapping !== 'lastDayOfMonth' : shift < 0;
}

/**
 * Why the mapping of an edge makes no sense; null = it does. `cycle` is that of the flow's run, `own` that of its own period (P05 flows of a month
 * run have days), `target` that of the upstream's run.
 */
export function mappingProblem(
  mapping: PeriodMapping,
  cycle: Cycle,
  own: Cycle,
  target: Cycle,
): string | null {
  if (shiftOf(mapping) !== null) {
    if (RANK[target] >= RANK[own]) return null;
    const ways = own === 'month' ? 'lastDayOfMonth or everyDayOfMonth' : 'everyHourOfDay';
    return `one ${own} has many ${target}s: say which, with ${ways}`;
  }
  const leads = mappedCycle(mapping, cycle);
  if (target !== leads) return `${mapping} leads to a ${leads}, but the upstream runs every ${target}`;
  if (mapping === 'everyHourOfDay')
    return own === 'day'
      ? null
      : `everyHourOfDay needs a flow whose own period is a day, this one's is a ${own}`;
  return cycle === 'month' ? null : `${mapping} needs a month flow, this is a ${cycle} flow`;
}

/** The parts of a run id. `n` counts the backfills or rehearsals of a period from 1; null for the scheduled run. */
export interface RunKey {
  readonly cycle: Cycle;
  readonly period: string;
  readonly purpose: Purpose;
  readonly n: number | null;
}

/** The id of a run, `month-2026-10` or `day-2026-11-22-backfill-2`; also the id of its workflow (protocol A2). Throws `invalid_period`. */
export function runId(cycle: Cycle, period: string, purpose: Purpose = 'scheduled', n = 1): string {
  const id = `${cycle}-${parsePeriod(cycle, period)}`;
  return purpose === 'scheduled' ? id : `${id}-${purpose}-${n}`;
}

/** The parts of a run id; null when the text is no run id. Parse once, where the id comes in. */
export function parseRunId(id: string): RunKey | null {
  const match = /^(hour|day|month)-([\d-]+?)(?:-(backfill|rehearsal)-([1-9]\d{0,8}))?$/.exec(id);
  if (match === null) return null;
  const cycle = match[1] as Cycle;
  const period = match[2]!;
  if (!isPeriod(cycle, period)) return null;
  return match[3] === undefined
    ? { cycle, period, purpose: 'scheduled', n: null }
    : { cycle, period, purpose: match[3] as Purpose, n: Number(match[4]) };
}

const int = (text: string, from: number, to: number): number => Number(text.slice(from, to));

/** The local time at which the month begins that is `n` months after the month of a local time. */
export function addMonths(localMs: number, n: number): number {
  const date = new Date(localMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + n, 1);
}
