/**
 * Reference times: when a flow of a run is done on a usual day, and from when on it therefore counts as late ("should have completed").
 * Pure; integer ms.
 */

import { resolveMoment } from '../calendar/moment.ts';
import type { BusinessCalendar } from '../calendar/work-days.ts';
import type { Cycle, Flow } from '../model.ts';
import { quantile } from './quantile.ts';

/**
 * Where a reference time comes from, best first. `configured`: the catalogue's `referenceAt`; `learned`: its own ends; `deadline`: the
 * latest that is allowed, where nothing says what is usual; `default`: month flows without any of these are due with the 7th day.
 */
export const REFERENCE_ORIGINS = ['configured', 'learned', 'deadline', 'default'] as const;
export type ReferenceOrigin = (typeof REFERENCE_ORIGINS)[number];

export interface ReferenceTime {
  readonly at: number;
  readonly origin: ReferenceOrigin;
  /** Of `learned`: in how many periods. */
  readonly n: number | null;
}

/** How a flow has ended: `ms` after the beginnings of its `n` latest periods. */
export interface UsualEnd {
  readonly ms: number;
  readonly n: number;
}

/** Periods looked at, the latest ones, and how many of them it takes: the latest month, 7 days. */
export const LATEST_PERIODS = 30;
const LEAST_PERIODS = 7;
const SHARE = 0.9;

/** Month flows have no time of the day: what is known is that the month start is over with the 7th. */
const MONTH_IS_OVER = '+1 month, day 8, 00:00';

/** 90th percentile of the ends, each as ms after the beginning of its period, newest period first. Null with fewer than 7. */
export function usualEnd(offsets: readonly number[]): UsualEnd | null {
  const latest = offsets.slice(0, LATEST_PERIODS);
  if (latest.length < LEAST_PERIODS) return null;
  return { ms: Math.round(quantile(Float64Array.from(latest).sort(), SHARE)), n: latest.length };
}

/** A run as its flows' reference times are reckoned. */
export interface RunTimes {
  readonly cycle: Cycle;
  readonly period: string;
  /** Beginning of its period. */
  readonly startAt: number;
  readonly openedAt: number;
}

/** What is known of one flow of it. */
export interface FlowTimes {
  readonly flow: Pick<Flow, 'referenceAt'>;
  /** The flow's own; it tells clock times and work days of `referenceAt`. */
  readonly calendar: BusinessCalendar;
  /** Null: it has no past. */
  readonly usual: UsualEnd | null;
  /** As fixed at the opening; 0 = none. */
  readonly deadline: number;
}

/** The instant by which a flow of a run is due; null when nothing tells. */
export function referenceTimeOf(
  run: RunTimes,
  { flow, calendar, usual, deadline }: FlowTimes,
): ReferenceTime | null {
  const { cycle, period, startAt, openedAt } = run;
  const resolved = (moment: string): number =>
    resolveMoment(moment, { cycle, period, calendar, openedAtMs: openedAt });
  if (flow.referenceAt !== undefined)
    return { at: resolved(flow.referenceAt), origin: 'configured', n: null };
  if (usual !== null) return { at: startAt + usual.ms, origin: 'learned', n: usual.n };
  if (deadline !== 0) return { at: deadline, origin: 'deadline', n: null };
  return cycle === 'month' ? { at: resolved(MONTH_IS_OVER), origin: 'default', n: null } : null;
}
