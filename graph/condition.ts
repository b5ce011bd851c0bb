/** A condition that stands in the way of a flow, where it is looked for, and from which moments on things are judged (domain Q17). */
import type { Graph } from './compact.ts';
import type { CauseCode } from './conditions.ts';
import type { GaveUp, WhyFacts } from './run-facts.ts';
import type { RunState } from './state.ts';

export interface Condition {
  readonly code: CauseCode;
  /** Since when it stands in the way, ms. */
  readonly since: number;
  /** When it ends by itself, ms; null = not by itself, or unknown. */
  readonly until: number | null;
  /** Who or what: an actor, an agent, a pool, the flow that holds a lock. */
  readonly by: string | null;
  /** What somebody or a program said about it. */
  readonly reason: string | null;
  /** Why the engine gave it up. */
  readonly gaveUp?: GaveUp | null;
}

/** Domain Q17. M01: sent to an agent, or exported and not imported, for so long means hung. */
export const HUNG_MS = 10 * 60_000;
/** M02: a platform on which nothing ends for so long stands still. P13: an executor without a task for so long hangs. */
export const STANDSTILL_MS = 15 * 60_000;
export const IDLE_MS = 60 * 60_000;

export type Situation = {
  readonly graph: Graph;
  /** With `now` = the facts' clock, so that moments are judged as the engine will judge them next. */
  readonly s: RunState;
  readonly facts: WhyFacts;
};

export const condition = (code: CauseCode, since: number, rest: Partial<Condition> = {}): Condition => ({
  code,
  since,
  until: null,
  by: null,
  reason: null,
  ...rest,
});
