/**
 * Periods far ahead: a wrong digit (`9999-12`) opens a run that nobody means, so that it has to be said twice. And which run is meant by
 * 'the newest'. Pure.
 */
import { SluiceError } from '../../errors.ts';
import type { Cycle } from '../model.ts';
import { comparePeriods, periodAt, shiftPeriod } from './calendar.ts';

/** Years from now on in which a period needs no confirmation: a catalogue is tried out in years to come, nobody plans further. */
export const HORIZON_YEARS = 40;
const DAY_MS = 24 * 3_600_000;

/** The last period of the cycle that needs no confirmation; `zone`: of the catalogue's first calendar. */
export const horizonOf = (cycle: Cycle, nowMs: number, zone: string): string =>
  periodAt(cycle, nowMs + HORIZON_YEARS * 365.25 * DAY_MS, zone);

/** Throws `far_period` when the period lies beyond the horizon and nobody has confirmed it. */
export function requireNear(
  {
    cycle,
    period,
    confirmed,
  }: { readonly cycle: Cycle; readonly period: string; readonly confirmed: boolean },
  nowMs: number,
  zone: string,
): void {
  const last = horizonOf(cycle, nowMs, zone);
  if (confirmed || comparePeriods(period, last) <= 0) return;
  throw new SluiceError(
    'far_period',
    `${period} lies more than ${HORIZON_YEARS} years ahead (the last ${cycle} that needs no confirmation is ${last})`,
    { facts: { cycle, period, last } },
  );
}

/**
 * The last period that 'the newest' may mean, while there is an earlier one: the one after the present, which may have been opened ahead.
 * A run of a later period was opened for trying something out, and nobody means it without naming it.
 */
export const newestMeant = (cycle: Cycle, nowMs: number, zone: string): string =>
  shiftPeriod(cycle, periodAt(cycle, nowMs, zone), 1);
