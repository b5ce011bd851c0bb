/**
 * Periods far in the future: a typing error (`9999-12`) would open a run by mistake, so such a period has to be confirmed. Also: which run 'the
 * newest' means. Pure.
 */
import { SluiceError } from '../../errors.ts';
import type { Cycle } from '../model.ts';
import { comparePeriods, periodAt, shiftPeriod } from './calendar.ts';

/** Number of years from now on in which a period needs no confirmation; trials use periods of the next years. */
export const HORIZON_YEARS = 40;
const DAY_MS = 24 * 3_600_000;

/** The last period of the cycle that needs no confirmation; `zone` is that of the catalogue's first calendar. */
export const horizonOf = (cycle: Cycle, nowMs: number, zone: string): string =>
  periodAt(cycle, nowMs + HORIZON_YEARS * 365.25 * DAY_MS, zone);

/** Throws `far_period` when the period is later than that and was not confirmed. */
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
 * The last period that 'the newest' can mean: the one after the present period, which may have been opened in advance. A run of a later period
 * was opened for a trial; it is meant only when it is named, or when no other run exists.
 */
export const newestMeant = (cycle: Cycle, nowMs: number, zone: string): string =>
  shiftPeriod(cycle, periodAt(cycle, nowMs, zone), 1);
