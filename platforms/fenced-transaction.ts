/**
 * The frame of every fenced attempt (protocol C6): older epochs are cancelled, the fence is taken outside the timeout,
 * effects and `done` are committed together - or nothing is.
 */

import type { Statement } from '../sql/statements.ts';
import { withControl } from './control.ts';
import { failed } from './failure.ts';
import { ensurePlatformSchema, markDone, takeFence } from './fence.ts';
import { endingOfCause, Interruption } from './interruption.ts';
import type { Ending, ExecuteContext, Task } from './platform.ts';
import { cancelOlderEpochs, openSession, type Session } from './session.ts';

/** While the fence is held by an older epoch, how often its backend is asked to end; the third time it is closed. */
const CANCEL_AGAIN_MS = 1_000;

export interface Frame {
  readonly session: Session;
  readonly interruption: Interruption;
  /** The statement that runs now, for the place of an error. */
  current: Statement | undefined;
}

/** What a program did: rows it changed, as far as it knows. */
export interface Effects {
  readonly rows: number;
}

/**
 * Carries out `work` inside the fenced transaction on `url` and answers how the attempt ended; never rejects.
 * `prepare` runs before the transaction on the same session, with the platform's schema in place.
 */
export async function inFencedTransaction(
  url: string,
  task: Task,
  context: ExecuteContext,
  work: (frame: Frame) => Promise<Effects>,
  prepare: (frame: Frame) => Promise<void> = async () => {},
): Promise<Ending> {
  const interruption = new Interruption(context);
  let frame: Frame | undefined;
  let committing = false;
  try {
    interruption.check();
    const session = await openSession(url, task, context.log);
    frame = { session, interruption, current: undefined };
    interruption.watch(session);
    const { client } = session;
    await ensurePlatformSchema(client);
    await prepare(frame);
    interruption.check();

    const fence = await waitForFence(frame, task, context);
    if (fence.state !== 'taken') {
      await client.query('rollback');
      return fence.state === 'done' ? already(context) : stale(task, fence.heldBy, context);
    }
    interruption.startTimeout(task.timeoutMs);
    const effects = await work(frame);
    await markDone(client, task);
    interruption.check();
    committing = true;
    await client.query('commit');
    return { outcome: 'succeeded', rows: effects.rows };
  } catch (error) {
    if (interruption.cause !== null) return endingOfCause(interruption.cause, task, committing);
    const ending = failed(frame?.session.failure ?? error, frame?.current);
    if (ending.outcome === 'failed') context.log(`-- failed: ${ending.message}\n`);
    return ending;
  } finally {
    interruption.dispose();
    frame?.session.close();
  }
}

function already(context: ExecuteContext): Ending {
  context.log('-- the effects of this run and generation are committed already: nothing to do\n');
  return { outcome: 'succeeded', already: true };
}

function stale(task: Task, heldBy: number, context: ExecuteContext): Ending {
  const message = `stale: epoch ${heldBy} holds the fence of ${task.program} ${task.period}, this attempt has ${task.lease.epoch}`;
  context.log(`-- ${message}\n`);
  return { outcome: 'cancelled', effect: false, stale: true, message };
}

/** Begins the transaction and takes the fence, cancelling older epochs first and for as long as they hold it. */
async function waitForFence(frame: Frame, task: Task, context: ExecuteContext) {
  const { client } = frame.session;
  const cancelled = await cancelOlderEpochs(client, task, false);
  if (cancelled.length > 0) context.log(`-- cancelled older attempts: epochs ${cancelled.join(', ')}\n`);
  let asked = cancelled.length > 0 ? 1 : 0;
  let over = false;
  let timer: NodeJS.Timeout | undefined;
  const again = async () => {
    try {
      await withControl(frame.session.url, async (control) => {
        if (over) return;
        const still = await cancelOlderEpochs(control, task, asked >= 2);
        if (still.length > 0) asked++;
      });
    } catch {
      // The platform takes no further connection now; the next round tries again.
    }
    if (!over) timer = setTimeout(again, CANCEL_AGAIN_MS);
  };
  timer = setTimeout(again, CANCEL_AGAIN_MS);
  try {
    await client.query('begin');
    return await takeFence(client, task);
  } finally {
    over = true;
    clearTimeout(timer);
  }
}
