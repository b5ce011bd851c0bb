/** Clock times as lists show them: in the time zone of the catalogue. */
import { periodSpan, periodStartLocal } from '../../graph/calendar/calendar.ts';
import * as clock from '../../graph/calendar/clock-time.ts';
import type { Cycle } from '../../graph/model.ts';
import { displayZone } from '../catalogue/display-zone.ts';
import type { ServiceDeps } from '../deps.ts';

export interface Clock {
  readonly timeZone: string;
  /** `02`. */
  hourOf(at: number): string;
  /** `02:07`. */
  minuteOf(at: number): string;
  /** Beginning of a period, ms. */
  startOf(cycle: Cycle, period: string): number;
  /** Days after a day, at an hour of the clock, ms. */
  clockTime(day: string, days: number, hour: number): number;
}

export async function clockOf(deps: Pick<ServiceDeps, 'pool' | 'versionOf'>): Promise<Clock> {
  const timeZone = await displayZone(deps);
  return {
    timeZone,
    hourOf: (at) => clock.hourOf(timeZone, at),
    minuteOf: (at) => clock.minuteOf(timeZone, at),
    startOf: (cycle, period) => periodSpan(cycle, period, timeZone).startMs,
    clockTime: (day, days, hour) => clock.clockTime(timeZone, periodStartLocal('day', day), days, hour),
  };
}
