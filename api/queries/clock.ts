/** Clock times of the platforms' zone, for lists. */
import { periodSpan } from '../../graph/calendar.ts';
import type { Cycle } from '../../graph/model.ts';
import { DEFAULT_CALENDAR } from '../../graph/work-days.ts';

const { timeZone } = DEFAULT_CALENDAR;
const HOUR = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', hourCycle: 'h23', timeZone });

/** `02`. */
export const hourOf = (at: number): string => HOUR.format(at);

const MINUTE = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
  timeZone,
});
/** `02:07`. */
export const minuteOf = (at: number): string => MINUTE.format(at);

/** Beginning of a period, ms. */
export const startOf = (cycle: Cycle, period: string): number => periodSpan(cycle, period, timeZone).startMs;

/** So many days after a day, at an hour, ms; the zone has no summer time. */
export const clockTime = (day: string, days: number, hour: number): number =>
  startOf('day', day) + (days * 24 + hour) * 3_600_000;
