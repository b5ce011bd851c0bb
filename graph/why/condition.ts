/** A condition that stands in the way of a flow, where it is looked for, and from which moments on things are judged (docs/answers.md). */
import type { GaveUp } from '../run/run-facts.ts';
import type { CauseCode } from './causes.ts';

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

/** Sent to an agent and not started, or exported and not imported, for longer than this: hung, ms. */
export const HUNG_MS = 10 * 60_000;
/** A platform on which nothing has ended for longer than this stands still, ms. */
export const STANDSTILL_MS = 15 * 60_000;
/** An agent that had nothing for longer than this while flows wait for it hangs, ms. */
export const IDLE_MS = 60 * 60_000;

export const condition = (code: CauseCode, since: number, rest: Partial<Condition> = {}): Condition => ({
  code,
  since,
  until: null,
  by: null,
  reason: null,
  ...rest,
});
