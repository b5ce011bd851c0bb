/** Blackouts: ranges of a calendar in which its schedules open nothing (maintenance of a source, a cutover). */
import { periodStartLocal } from './calendar.ts';
import { toInstant } from './time-zone.ts';
import type { Blackout, BusinessCalendar } from './work-days.ts';

const DAY_MS = 24 * 3_600_000;

/**
 * The blackout that an instant lies in, and its end, ms; null when there is none. Of several that overlap, the one that ends last.
 * A bound is a day (`to` then counts whole) or a clock time of that day, `2026-12-01 22:00`.
 */
export function blackoutAt(
  { timeZone, blackouts = [] }: BusinessCalendar,
  instantMs: number,
): { blackout: Blackout; endMs: number } | null {
  let found: { blackout: Blackout; endMs: number } | null = null;
  for (const blackout of blackouts) {
    const endMs = toInstant(timeZone, faceOf(blackout.to) + (hasClock(blackout.to) ? 0 : DAY_MS));
    if (instantMs < toInstant(timeZone, faceOf(blackout.from)) || instantMs >= endMs) continue;
    if (found === null || endMs > found.endMs) found = { blackout, endMs };
  }
  return found;
}

/** Whether a blackout ends after it begins. */
export function isForward({ from, to }: Blackout): boolean {
  return faceOf(from) < faceOf(to) + (hasClock(to) ? 0 : DAY_MS);
}

const hasClock = (bound: string): boolean => bound.length > 10;

function faceOf(bound: string): number {
  const midnight = periodStartLocal('day', bound.slice(0, 10));
  return midnight + Number(bound.slice(11, 13)) * 3_600_000 + Number(bound.slice(14, 16)) * 60_000;
}
