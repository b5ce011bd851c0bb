/**
 * Reference times: when a flow of a run is done on a usual day; later, it is late ("should have completed"). Pure; integer ms.
 */

import { resolveMoment } from '../calendar/moment.ts';
import type { BusinessCalendar } from '../calendar/work-days.ts';
import type { Cycle, Flow } from '../model.ts';
import { quantile } from './quantile.ts';

/**
 * Where a reference time comes from, best first. `configured`: `referenceAt` of the catalogue; `learned`: its own ends; `deadline`: its
 * deadline; `default`: the end of the 7th day, for month flows.
 */
export const REFERENCE_ORIGINS = ['configured', 'learned', 'deadline', 'default'] as const;
export type ReferenceOrigin = (typeof REFERENCE_ORIGINS)[number];

export interface ReferenceTime {
  readonly at: number;
  readonly origin: ReferenceOrigin;
  /** With `learned`: from how many periods. */
  readonly n: number | null;
}

/** When a flow usually ends: `ms` after the beginning of its period, learned from its `n` latest periods. */
export interface UsualEnd {
  readonly ms: number;
  readonly n: number;
}

/** Periods looked at, the latest ones, and how many of them it takes: the latest month, 7 days. */
export const LATEST_PERIODS = 30;
const LEAST_PERIODS = 7;
const SHARE = 0.9;

/** The reference time of month flows when nothing else is known: the month start is over with the 7th day. */
const MONTH_IS_OVER = '+1 month, day 8, 00:00';

/** 90th percentile of the ends, each as ms after the beginning of its period, newest period first. Null with fewer than 7. */
export function usualEnd(offsets: readonly number[]): UsualEnd | null {
  const latest = offsets.slice(0, LATEST_PERIODS);
  if (latest.length < LEAST_PERIODS) return null;
  return { ms: Math.round(quantile(Float64Array.from(latest).sort(), SHARE)), n: latest.length };
}

/** What the reference times of a run's flows depend on. */
export interface RunTimes {
  readonly cycle: Cycle;
  readonly period: string;
  /** Beginning of its period. */
  readonly startAt: number;
  readonly openedAt: number;
}

/** What is known of one flow of the run. */
export interface FlowTimes {
  readonly flow: Pick<Flow, 'referenceAt'>;
  /** Calendar of the flow, for clock times and work days of `referenceAt`. */
  readonly calendar: BusinessCalendar;
  /** null = it has no past. */
  readonly usual: UsualEnd | null;
  /** Fixed when the run was opened, ms; 0 = none. */
  readonly deadline: number;
}

/** When a flow of a run is done on a usual day; null when nothing is known. */
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
