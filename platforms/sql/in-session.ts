/** What every attempt on a database has in common: one session, what may interrupt it, and an ending whatever happens (protocol C6). */
import type { Ending } from '../../contract/agent.ts';
import type { Statement } from '../../sql/statements.ts';
import { failed } from './failure.ts';
import { Interruption, type InterruptionReason, interruptedEnding } from './interruption.ts';
import type { DatabaseAttempt } from './session.ts';
import type { Session } from './silence.ts';

export interface Frame {
  readonly session: Session;
  readonly interruption: Interruption;
  /** The statement that runs now, for the place of an error. */
  current: Statement | undefined;
  /** The commit was sent: after an interruption nobody knows whether the effects are there. */
  committing: boolean;
}

/** How `work` stopped before its end. */
export interface Stopped {
  /** Why the attempt was to end early; null: it was not. */
  readonly reason: InterruptionReason | null;
  /** Why the session failed, otherwise what `work` has thrown. */
  readonly error: unknown;
  /** Undefined: no session was opened. */
  readonly frame: Frame | undefined;
}

/**
 * Opens the session of an attempt and carries out `work` on it; answers how the attempt ended, never rejects. An interruption cancels what
 * the session does. `endingOf` words an ending before the end of `work`; default: nothing of it is in force, unless the commit was sent.
 */
export async function inSession(
  attempt: DatabaseAttempt,
  work: (frame: Frame) => Promise<Ending>,
  endingOf: (stopped: Stopped) => Ending = (stopped) => undone(attempt, stopped),
): Promise<Ending> {
  const { sessions, url, task, context } = attempt;
  const interruption = new Interruption(context);
  let frame: Frame | undefined;
  try {
    interruption.check();
    const session = await sessions.open(url, task, context.log);
    frame = { session, interruption, current: undefined, committing: false };
    interruption.watch(session);
    return await work(frame);
  } catch (error) {
    return endingOf({ reason: interruption.reason, error: frame?.session.failure ?? error, frame });
  } finally {
    interruption.dispose();
    frame?.session.close();
  }
}

function undone({ task, context }: DatabaseAttempt, { reason, error, frame }: Stopped): Ending {
  if (reason !== null) return interruptedEnding(reason, task, frame?.committing ?? false);
  const ending = failed(error, frame?.current);
  if (ending.outcome === 'failed') context.log(`-- failed: ${ending.message}\n`);
  return ending;
}
