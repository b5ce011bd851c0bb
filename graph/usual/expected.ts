/**
 * How long a flow is expected to run, learned from its past (decision 0013): from the last successful attempt of each of its latest periods,
 * by class of day, with outliers limited. Each estimate says where it comes from. Runs of backfills and rehearsals do not count, nor flows
 * that were skipped or force-passed. Pure; ms.
 */
import type { Cycle, Flow } from '../model.ts';
import { quantile } from './quantile.ts';

/**
 * Best first. `class`: its own past on days like this one; `own`: its own past; `configured`: the catalogue's `expectedMs`; `alike`: flows of
 * the same kind, layer and platform; `few`: its own past of less than three runs; `default`: nothing is known.
 */
export const EXPECTED_ORIGINS = ['class', 'own', 'configured', 'alike', 'few', 'default'] as const;
export type ExpectedOrigin = (typeof EXPECTED_ORIGINS)[number];

/** Tenth, half and ninetieth percentile, and of how many: runs, or flows where it is `alike`. */
export interface Spread {
  readonly p10: number;
  readonly p50: number;
  readonly p90: number;
  readonly n: number;
}

export interface Expected extends Spread {
  readonly origin: ExpectedOrigin;
}

/** Estimate while nothing is known, ms. */
export const DEFAULT_DURATION_MS = 60_000;

/** Number of runs from which on a flow's own past counts. */
const LEAST = 3;

/**
 * A value further from the median than this counts as this far: 4.45 median absolute deviations, which is three standard deviations of a
 * normal distribution, and at least a tenth of the median. So a flow that has become slower moves its estimate, and one night with a hung
 * disk does not. Unlike mean and standard deviation, both measures are not moved by the outliers.
 */
const DEVIATIONS = 3 * 1.4826;
const LEAST_SHARE = 0.1;

/** Ascending, outliers set to the limits. O(n log n). */
export function limited(durations: readonly number[]): Float64Array {
  const sorted = Float64Array.from(durations).sort();
  if (sorted.length < LEAST) return sorted;
  const median = quantile(sorted, 0.5);
  const deviation = quantile(sorted.map((ms) => Math.abs(ms - median)).sort(), 0.5);
  const room = Math.max(DEVIATIONS * deviation, LEAST_SHARE * median);
  return sorted.map((ms) => Math.min(median + room, Math.max(median - room, ms)));
}

/** Null for an empty list. */
export function spreadOf(durations: readonly number[]): Spread | null {
  if (durations.length === 0) return null;
  const sorted = limited(durations);
  const at = (share: number): number => Math.round(quantile(sorted, share));
  return { p10: at(0.1), p50: at(0.5), p90: at(0.9), n: sorted.length };
}

/** A successful run of a flow. */
export interface PastDuration {
  readonly ms: number;
  /** Class of its period, graph/calendar/day-class.ts. */
  readonly dayClass: string;
  /** Whether it ended within the last week. */
  readonly lately: boolean;
}

/** A flow's past by class of day. `''` stands for all days; a class is listed with three runs or more, when there are other classes, too. */
export interface Learned {
  readonly spreads: ReadonlyMap<string, Spread>;
  /** Average of the last week, outliers limited as in the whole series. */
  readonly week: { readonly n: number; readonly ms: number } | null;
}

/** Learns how long a flow runs from its past, for all days and for each class of day. O(n log n). */
export function learn(past: readonly PastDuration[]): Learned {
  const spreads = new Map<string, Spread>();
  const all = spreadOf(past.map((entry) => entry.ms));
  if (all === null) return { spreads, week: null };
  spreads.set('', all);
  for (const [dayClass, list] of Map.groupBy(past, (entry) => entry.dayClass))
    if (list.length >= LEAST && list.length < past.length)
      spreads.set(dayClass, spreadOf(list.map((item) => item.ms))!);
  const sorted = limited(past.map((entry) => entry.ms));
  const [low, high] = [sorted[0]!, sorted.at(-1)!];
  const lately = past.filter((entry) => entry.lately).map((entry) => Math.min(high, Math.max(low, entry.ms)));
  const mean = lately.reduce((sum, ms) => sum + ms, 0) / lately.length;
  return { spreads, week: lately.length === 0 ? null : { n: lately.length, ms: Math.round(mean) } };
}

/** Key that flows of the same kind, layer and platform share; never the id of a flow. */
export const alikeKey = (
  cycle: Cycle,
  { kind, layer, platform }: Pick<Flow, 'kind' | 'layer' | 'platform'>,
) => `${cycle}/${kind}/${layer}/${platform ?? '-'}`;

/** What is known of a flow; null = not known. */
export interface Known {
  readonly sameClass: Spread | null;
  readonly own: Spread | null;
  readonly configuredMs: number | null;
  readonly alike: Spread | null;
}

/** The best estimate that is known of a flow; never none. O(1). */
export function expectedOf({ sameClass, own, configuredMs, alike }: Known): Expected {
  if (sameClass !== null && sameClass.n >= LEAST) return { ...sameClass, origin: 'class' };
  if (own !== null && own.n >= LEAST) return { ...own, origin: 'own' };
  if (configuredMs !== null) return { ...certain(configuredMs), origin: 'configured' };
  if (alike !== null && alike.n >= LEAST) return { ...alike, origin: 'alike' };
  if (own !== null) return { ...own, origin: 'few' };
  return { ...certain(DEFAULT_DURATION_MS), origin: 'default' };
}

const certain = (ms: number): Spread => ({ p10: ms, p50: ms, p90: ms, n: 0 });

/** Q09: every flow that runs for longer than this is long, ms. */
export const LONG_RUN_MS = 60 * 60_000;
/** Q09: a flow is long, too, after this many times its average. */
const LONG_SHARE = 1.5;
/** By how much it must exceed its average for that, ms: a flow of two seconds may take four. */
const LEAST_MORE_MS = 60_000;

/** By which measure a running flow runs too long; null = it does not. `usualMs`: its average of the last week, else its median; null = it has no past. */
export function overLong(elapsedMs: number, usualMs: number | null): 'hour' | 'usual' | null {
  if (usualMs !== null && elapsedMs > Math.max(LONG_SHARE * usualMs, usualMs + LEAST_MORE_MS)) return 'usual';
  return elapsedMs > LONG_RUN_MS ? 'hour' : null;
}
