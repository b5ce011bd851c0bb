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

/** Years of periods: what follows from one by mappings and moments still has four digits. */
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

/** Said of what looks like a period, but lies in another age. */
const yearsOf = (text: string): string =>
  /^\d{4}-?\d{2}/.test(text) && (text < `${FIRST_YEAR}` || text > `${LAST_YEAR + 1}`)
    ? `, in the years ${FIRST_YEAR} to ${LAST_YEAR}`
    : '';

/** The cycle whose period it is: each is written in its own way. Throws `invalid_period`. */
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

/** The period of `cycle` that holds a clock face (ms as of graph/calendar/time-zone.ts). */
export function formatPeriod(cycle: Cycle, localMs: number): string {
  const iso = new Date(localMs).toISOString();
  if (cycle === 'month') return iso.slice(0, 7);
  if (cycle === 'day') return iso.slice(0, 10);
  return iso.slice(0, 4) + iso.slice(5, 7) + iso.slice(8, 10) + iso.slice(11, 13);
}

/** The period that holds an instant, e.g. for a schedule: the period just ended is the one before. */
export function periodAt(cycle: Cycle, instantMs: number, zone: string): string {
  return formatPeriod(cycle, toLocal(zone, instantMs));
}

/** First clock face of a period. Throws `invalid_period`. */
export function periodStartLocal(cycle: Cycle, period: string): number {
  parsePeriod(cycle, period);
  if (cycle === 'hour')
    return Date.UTC(int(period, 0, 4), int(period, 4, 6) - 1, int(period, 6, 8), int(period, 8, 10));
  return Date.UTC(int(period, 0, 4), int(period, 5, 7) - 1, cycle === 'day' ? int(period, 8, 10) : 1);
}

/** First instant of a period and of the one after it, in a zone: `[startMs, endMs)`. */
export function periodSpan(cycle: Cycle, period: string, zone: string): { startMs: number; endMs: number } {
  return {
    startMs: toInstant(zone, periodStartLocal(cycle, period)),
    endMs: toInstant(zone, periodStartLocal(cycle, shiftPeriod(cycle, period, 1))),
  };
}

/** Negative, 0 or positive, as for sort; both of the same cycle. */
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

/** First and last day of the period's month for a month, the day itself for a day, the hour's day for an hour: `2026-10-01`. */
export const firstDay = (cycle: Cycle, period: string): string =>
  formatPeriod('day', periodStartLocal(cycle, period));

export function lastDay(cycle: Cycle, period: string): string {
  if (cycle !== 'month') return firstDay(cycle, period);
  return formatPeriod('day', addMonths(periodStartLocal(cycle, period), 1) - DAY_MS);
}

/** A period as programs get it (protocol D1): yyyyMM, yyyyMMdd, yyyyMMddHH. */
export const programPeriod = (period: string): string => period.replaceAll('-', '');

/** Everything that a parameter `{ from: ... }` may take from a period, each as programs get it. */
export function programPeriods(cycle: Cycle, period: string) {
  const month = formatPeriod('month', periodStartLocal(cycle, period));
  return {
    period: programPeriod(period),
    month: programPeriod(month),
    /** The day; for a month its last day, for an hour the day it lies in. */
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
 * The upstream periods that an edge asks for, seen from a flow of `period`; `target` is the cycle of the upstream's run (default: the
 * mapping's own). A coarser target means the period that holds this one, then shifted. Whether the mapping makes sense at all is
 * `mappingProblem`'s answer; here a finer target without `every...` throws `invalid_period`.
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

/** How many periods a mapping goes back or forth within a cycle; null for the mappings that change the cycle. */
export function shiftOf(mapping: PeriodMapping): number | null {
  if (mapping === 'same') return 0;
  if (mapping === 'previous') return -1;
  return typeof mapping === 'object' ? mapping.offset : null;
}

/** A mapping as it is written in the catalogue: `previous`, `{ offset: -2 }`. */
export const periodText = (mapping: PeriodMapping): string =>
  typeof mapping === 'object' ? `{ offset: ${mapping.offset} }` : mapping;

/** Whether a mapping leads among the periods that are opened (protocol D10): backwards, and to every period of a longer one. */
export function leadsAmongOpened(mapping: PeriodMapping): boolean {
  const shift = shiftOf(mapping);
  return shift === null ? mapping !== 'lastDayOfMonth' : shift < 0;
}

/**
 * Why an edge's mapping makes no sense, or null. `cycle` is the run's, `own` the cycle of the flow's own period (a month run's P05 flows
 * have days), `target` the cycle of the upstream's run.
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

/** What a run is known by. `n` counts the backfills or rehearsals of a period from 1; null for the scheduled run. */
export interface RunKey {
  readonly cycle: Cycle;
  readonly period: string;
  readonly purpose: Purpose;
  readonly n: number | null;
}

/** `month-2026-10`, `day-2026-11-22-backfill-2`. Also the workflow's id (protocol A2). Throws `invalid_period`. */
export function runId(cycle: Cycle, period: string, purpose: Purpose = 'scheduled', n = 1): string {
  const id = `${cycle}-${parsePeriod(cycle, period)}`;
  return purpose === 'scheduled' ? id : `${id}-${purpose}-${n}`;
}

/** The parts of a run id, or null when it is none. */
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

/** The first of the month that is `n` months after the month of a clock face. */
export function addMonths(localMs: number, n: number): number {
  const date = new Date(localMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + n, 1);
}
