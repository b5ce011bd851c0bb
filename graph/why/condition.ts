/** A condition that keeps a flow from running, and the times after which something counts as hung (docs/answers.md). */
import type { GaveUp } from '../run/run-facts.ts';
import type { CauseCode } from './causes.ts';

export interface Condition {
  readonly code: CauseCode;
  /** Since when it keeps the flow from running, ms. */
  readonly since: number;
  /** When it ends without a person, ms; null = never, or not known. */
  readonly until: number | null;
  /** Who or what: an actor, an agent, a pool, the flow that holds a lock. */
  readonly by: string | null;
  /** What a person or a program wrote about it. */
  readonly reason: string | null;
  /** Which retries or how much patience of a check were used up, when the engine gave up. */
  readonly gaveUp?: GaveUp | null;
  /** The flow is skipped when the condition ends. */
  readonly skips?: true;
}

/** A flow that was sent and has not started, or exported and not imported, for longer than this hangs, ms. */
export const HUNG_MS = 10 * 60_000;
/** A platform on which nothing has ended for longer than this makes no progress, ms. */
export const STANDSTILL_MS = 15 * 60_000;
/** An agent that runs nothing for longer than this while flows wait for it hangs, ms. */
export const IDLE_MS = 60 * 60_000;

/** Makes a condition; everything that `rest` does not give is null. */
export const condition = (code: CauseCode, since: number, rest: Partial<Condition> = {}): Condition => ({
  code,
  since,
  until: null,
  by: null,
  reason: null,
  ...rest,
});
