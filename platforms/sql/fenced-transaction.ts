/**
 * The frame of every fenced attempt (protocol C6): older attempts of the record are ended, the fence is taken before the timeout starts,
 * and the effects and `done` are committed together, or nothing is.
 */

import type { Ending, FenceRow, Task } from '../../contract/agent.ts';
import { ProgramError } from '../../sql/program-error.ts';
import type { ExecuteContext } from '../platform.ts';
import { withControl } from './control.ts';
import { describeRow, ensurePlatformSchema, markDone, takeFence } from './fence.ts';
import { type Frame, inSession } from './in-session.ts';
import { blockersOf, cancelUnended, type DatabaseAttempt } from './session.ts';

/** Interval, ms, at which an attempt that waits for the fence cancels older backends of its record again (and closes them the third time) and looks for the holder. */
const LOOK_AGAIN_MS = 1_000;

/** What a program did: rows it changed, as far as it knows. */
export interface Effects {
  readonly rows: number;
}

/**
 * Carries out `work` inside the fenced transaction and answers how the attempt ended; never rejects.
 * `prepare` runs before the transaction on the same session, with the platform's schema in place.
 */
export async function inFencedTransaction(
  attempt: DatabaseAttempt,
  work: (frame: Frame) => Promise<Effects>,
  prepare: (frame: Frame) => Promise<void> = async () => {},
): Promise<Ending> {
  const { task, context } = attempt;
  return inSession(attempt, async (frame) => {
    const { interruption } = frame;
    const { client } = frame.session;
    await ensurePlatformSchema(client);
    await prepare(frame);
    interruption.check();

    const fence = await whileWaiting(frame, task, context, async () => {
      await client.query('begin');
      return takeFence(client, task);
    });
    if (fence.state !== 'taken') {
      await client.query('rollback');
      return fence.state === 'done' ? already(task, fence.by, context) : stale(task, fence.heldBy, context);
    }
    const { over } = fence;
    logOver(task, over, context);
    interruption.startTimeout(task.timeoutMs);
    const effects = await work(frame);
    if (!(await markDone(client, task)))
      throw new ProgramError(
        `the row of ${task.workText} in sluice.sluice_work is gone: the program may not touch it`,
      );
    interruption.check();
    frame.committing = true;
    const { command } = await client.query('commit');
    if (command !== 'COMMIT') throw new ProgramError(`the database answered the commit with ${command}`);
    const ending: Ending = { outcome: 'succeeded', rows: effects.rows };
    return over === null ? ending : { ...ending, over };
  });
}

export function logOver(task: Task, over: FenceRow | null, context: ExecuteContext): void {
  if (over !== null) context.log(`-- executed over the effect of ${describeRow(over, task.record)}\n`);
}

export function already(task: Task, by: FenceRow, context: ExecuteContext): Ending {
  context.log(
    `-- nothing to do, an earlier attempt of this generation has committed: ${describeRow(by, task.record)}\n`,
  );
  return { outcome: 'succeeded', already: true };
}

export function stale(task: Task, heldBy: FenceRow, context: ExecuteContext): Ending {
  const message =
    `stale: the fence of ${task.workText} has ${describeRow(heldBy, task.record)}; this attempt has the smaller epoch ` +
    `${task.lease.epoch} and is tried again with a larger one`;
  context.log(`-- ${message}\n`);
  return { outcome: 'cancelled', effect: false, stale: true, heldBy, message };
}

/** Takes what others may hold. It ends older attempts of the record as long as they hold it, and reports other holders. */
export async function whileWaiting<T>(
  frame: Frame,
  task: Task,
  context: ExecuteContext,
  take: () => Promise<T>,
): Promise<T> {
  const { client, pid } = frame.session;
  const cancelled = await cancelUnended(client, task, false);
  if (cancelled.length > 0) context.log(`-- cancelled older attempts: epochs ${cancelled.join(', ')}\n`);
  let rounds = cancelled.length > 0 ? 1 : 0;
  let over = false;
  let isReported = false;
  let timer: NodeJS.Timeout | undefined;
  const again = async () => {
    try {
      await withControl(frame.session.url, async (control) => {
        if (over) return;
        const still = await cancelUnended(control, task, rounds >= 2);
        if (still.length > 0) rounds++;
        const holders = still.length > 0 ? [] : await blockersOf(control, pid);
        if (over || holders.length === 0) return;
        const by = holders.join(', ');
        if (!isReported) context.log(`-- the fence of ${task.workText} is held elsewhere: ${by}\n`);
        isReported = true;
        context.waits?.({ code: 'fence_held_elsewhere', by });
      });
    } catch {
      // The platform takes no further connection now. The next round tries again.
    }
    if (!over) timer = setTimeout(again, LOOK_AGAIN_MS);
  };
  timer = setTimeout(again, LOOK_AGAIN_MS);
  try {
    return await take();
  } finally {
    over = true;
    clearTimeout(timer);
    if (isReported) context.waits?.(null);
  }
}
