/** Blackouts: ranges of a calendar in which its schedules open nothing (maintenance of a source, a cutover). */
import { periodStartLocal } from './calendar.ts';
import { toInstant } from './time-zone.ts';
import type { Blackout, BusinessCalendar } from './work-days.ts';

const DAY_MS = 24 * 3_600_000;

/** A blackout as instants, ms: from `startMs`, before `endMs`. */
export interface BlackoutSpan {
  readonly blackout: Blackout;
  readonly startMs: number;
  readonly endMs: number;
}

/** The blackouts of a calendar as instants. A bound is a day (`to` includes that day) or a clock time of a day, `2026-12-01 22:00`. */
export function blackoutSpans({ timeZone, blackouts = [] }: BusinessCalendar): BlackoutSpan[] {
  return blackouts.map((blackout) => ({
    blackout,
    startMs: toInstant(timeZone, localMsOf(blackout.from)),
    endMs: toInstant(timeZone, localMsOf(blackout.to) + (hasClock(blackout.to) ? 0 : DAY_MS)),
  }));
}

/** The span that contains an instant; of several that overlap, the one that ends last. */
export function spanAt(spans: readonly BlackoutSpan[], instantMs: number): BlackoutSpan | null {
  let found: BlackoutSpan | null = null;
  for (const span of spans) {
    if (instantMs < span.startMs || instantMs >= span.endMs) continue;
    if (found === null || span.endMs > found.endMs) found = span;
  }
  return found;
}

/** The blackout that contains an instant, and its end, ms; null = none. O(blackouts). */
export const blackoutAt = (calendar: BusinessCalendar, instantMs: number): BlackoutSpan | null =>
  spanAt(blackoutSpans(calendar), instantMs);

/** Whether a blackout ends after it begins. */
export function isForward({ from, to }: Blackout): boolean {
  return localMsOf(from) < localMsOf(to) + (hasClock(to) ? 0 : DAY_MS);
}

const hasClock = (bound: string): boolean => bound.length > 10;

function localMsOf(bound: string): number {
  const midnight = periodStartLocal('day', bound.slice(0, 10));
  return midnight + Number(bound.slice(11, 13)) * 3_600_000 + Number(bound.slice(14, 16)) * 60_000;
}
