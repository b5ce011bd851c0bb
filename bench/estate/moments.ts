/** Periods and clock times of the estate's history. The estate lives in Asia/Shanghai, eight hours ahead the whole year. */
import type { Cycle, Mapping, Season } from './model.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const AHEAD = 8 * HOUR;

/** Clock face of a period's first moment, as if it were UTC. */
function startOf(cycle: Cycle, period: string): number {
  const digits = period.replaceAll('-', '');
  const part = (from: number, to: number) => Number(digits.slice(from, to));
  if (cycle === 'month') return Date.UTC(part(0, 4), part(4, 6) - 1);
  return Date.UTC(part(0, 4), part(4, 6) - 1, part(6, 8), cycle === 'hour' ? part(8, 10) : 0);
}

function periodOf(cycle: Cycle, local: number): string {
  const iso = new Date(local).toISOString();
  if (cycle === 'month') return iso.slice(0, 7);
  return cycle === 'day' ? iso.slice(0, 10) : iso.slice(0, 13).replace(/[-T]/g, '');
}

const monthLater = (local: number, n: number): number => {
  const date = new Date(local);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + n);
};

/** Hours, then their day, then the month that ended with it; in order of time. Throws nothing: `last` was checked. */
export function* periodsOf(last: string, days: number): Generator<{ cycle: Cycle; period: string }> {
  for (const period of daysUntil(last, days)) {
    const day = startOf('day', period);
    for (let hour = 0; hour < 24; hour++)
      yield { cycle: 'hour', period: periodOf('hour', day + hour * HOUR) };
    yield { cycle: 'day', period };
    if (monthLater(day, 1) === day + DAY) yield { cycle: 'month', period: periodOf('month', day) };
  }
}

/** `days` days up to `last`. */
export const daysUntil = (last: string, days: number): string[] =>
  Array.from({ length: days }, (_, i) => periodOf('day', startOf('day', last) - (days - 1 - i) * DAY));

/** Runs are opened soon after their period is over. */
export function openingOf(cycle: Cycle, period: string): number {
  const start = startOf(cycle, period);
  const over = cycle === 'hour' ? start + HOUR : cycle === 'day' ? start + DAY : monthLater(start, 1);
  return over - AHEAD + (cycle === 'hour' ? 60_000 : 300_000);
}

export interface Moments {
  /** The instant of a moment as the estate writes them: `+1 day, 07:00`, `+1 month, day 3, 12:00`, `+1 hour, 00:05`. */
  (moment: string): number;
  /** Ids of the runs that an edge with this mapping asks for. */
  runsOf(mapping: Mapping, cycle: Cycle): string[];
}

export function momentsOf(cycle: Cycle, period: string): Moments {
  const start = startOf(cycle, period);
  const known = new Map<string, number>();
  const moment = (text: string): number => {
    let at = known.get(text);
    if (at === undefined) {
      const [, n, unit, day = '1', hour, minute] =
        /^\+(\d) (month|day|hour)(?:, day (\d+))?, (\d\d):(\d\d)$/.exec(text)!;
      const from =
        unit === 'month'
          ? monthLater(start, Number(n)) + (Number(day) - 1) * DAY
          : unit === 'day'
            ? start - (start % DAY) + Number(n) * DAY
            : start + Number(n) * HOUR;
      at = from + Number(hour) * HOUR + Number(minute) * 60_000 - AHEAD;
      known.set(text, at);
    }
    return at;
  };
  const runsOf = (mapping: Mapping, of: Cycle): string[] => {
    const run = (local: number) => `${of}-${periodOf(of, local)}`;
    if (mapping === 'everyHourOfDay') return Array.from({ length: 24 }, (_, h) => run(start + h * HOUR));
    const next = monthLater(start, 1);
    if (mapping === 'lastDayOfMonth') return [run(next - DAY)];
    if (mapping === 'everyDayOfMonth')
      return Array.from({ length: (next - start) / DAY }, (_, d) => run(start + d * DAY));
    const shift = mapping === 'previous' ? -1 : typeof mapping === 'object' ? mapping.offset : 0;
    const unit = of === 'day' ? DAY : HOUR;
    return [run(of === 'month' ? monthLater(start, shift) : start + shift * unit)];
  };
  return Object.assign(moment, { runsOf });
}

/** How a period moves a flow's run time: 1 = as usual. */
export function seasonOf(season: Season, cycle: Cycle, period: string): number {
  if (cycle === 'month') return 1;
  const date = new Date(startOf(cycle, period));
  const day = date.getUTCDate();
  const weekend = date.getUTCDay() === 0 || date.getUTCDay() === 6;
  const last = new Date(date.getTime() + DAY).getUTCDate() === 1;
  return (weekend ? season.weekend : 1) * (day <= 3 ? season.monthStart : 1) * (last ? season.monthEnd : 1);
}

/** The day as written, or null when it is none. */
export function periodOfDay(text: string): string | null {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && periodOf('day', startOf('day', text)) === text ? text : null;
}

/** The day before the one that an instant lies in, ms. */
export const yesterday = (now: number): string => periodOf('day', now + AHEAD - DAY);
