/**
 * Programs that cannot run in one transaction (protocol C6, `transaction: none`): VACUUM, procedures that commit. A session lock on the
 * work keeps other attempts away. Each statement commits by itself: the outcome of a lost attempt is unknown, and a failure says how far
 * the program came.
 */
import pg from 'pg';
import type { Ending, Task } from '../../contract/agent.ts';
import { ProgramError } from '../../sql/program-error.ts';
import type { Statement } from '../../sql/statements.ts';
import type { ExecuteContext } from '../platform.ts';
import { failed } from './failure.ts';
import { ensurePlatformSchema, type FenceAnswer, markDone, takeFence } from './fence.ts';
import { already, logOver, stale, whileWaiting } from './fenced-transaction.ts';
import { type Frame, inSession } from './in-session.ts';
import { type InterruptionReason, interruptedEnding } from './interruption.ts';
import { ProgramRun } from './program-statement.ts';
import type { DatabaseAttempt } from './session.ts';

/** How far the program came. Statements that have finished are committed. */
interface Progress {
  readonly total: number;
  finished: number;
  last: Statement | undefined;
  /** The statement that runs now, or was running at the end. */
  running: Statement | undefined;
}

/** Executes the statements one by one and returns how the attempt ended; never rejects. */
export async function withoutTransaction(
  attempt: DatabaseAttempt,
  statements: readonly Statement[],
): Promise<Ending> {
  const { task, context } = attempt;
  const progress: Progress = { total: statements.length, finished: 0, last: undefined, running: undefined };
  const work = async (frame: Frame): Promise<Ending> => {
    const { session, interruption } = frame;
    await ensurePlatformSchema(session.client);
    interruption.check();
    const fence = await lockAndTake(frame, task, context);
    if (fence.state === 'done') return already(task, fence.by, context);
    if (fence.state === 'stale') return stale(task, fence.heldBy, context);
    logOver(task, fence.over, context);
    context.log('-- without a transaction: each statement commits by itself\n');
    interruption.startTimeout(task.timeoutMs);
    const run = new ProgramRun(frame, context, 'I');
    await run.begin();
    let rows = 0;
    for (const statement of statements) {
      progress.running = statement;
      context.reached?.(howFar(progress));
      rows = (await run.statement(statement)).changed ?? rows;
      progress.finished++;
      progress.last = statement;
      progress.running = undefined;
    }
    if (!(await markDone(session.client, task)))
      throw new ProgramError(
        `the row of ${task.workText} in sluice.sluice_work is gone or another attempt's`,
      );
    const ending: Ending = { outcome: 'succeeded', rows };
    return fence.over === null ? ending : { ...ending, over: fence.over };
  };
  return inSession(attempt, work, ({ reason, error, frame }) => {
    const ending =
      reason === null ? failure(error, frame, progress) : interrupted(reason, error, task, progress);
    if ('message' in ending && ending.message !== undefined)
      context.log(`-- ${ending.outcome}: ${ending.message}\n`);
    return ending;
  });
}

/** Takes a session lock on the first 64 bits of the work, then the row of the fence, which is committed at once. */
async function lockAndTake(frame: Frame, task: Task, context: ExecuteContext): Promise<FenceAnswer> {
  const { client } = frame.session;
  return whileWaiting(frame, task, context, async () => {
    for (const key of [task.work ?? '', ...task.works].sort())
      await client.query('select pg_advisory_lock($1::bigint)', [
        BigInt.asIntN(64, BigInt(`0x${key.slice(0, 16)}`)).toString(),
      ]);
    await client.query('begin');
    const fence = await takeFence(client, task);
    await client.query(fence.state === 'taken' ? 'commit' : 'rollback');
    return fence;
  });
}

/** The ending of a program that was ended early. */
function interrupted(reason: InterruptionReason, error: unknown, task: Task, progress: Progress): Ending {
  const ending = interruptedEnding(reason, task, false);
  const far = howFar(progress);
  if (ending.outcome === 'cancelled') {
    const effect = isUndone(error, progress) ? false : progress.finished > 0 ? true : null;
    return { ...ending, effect, message: far };
  }
  if (ending.outcome === 'lost') return lost(far, ending.message);
  return 'message' in ending ? { ...ending, message: `${ending.message}\n${far}` } : ending;
}

/** The ending of a program that failed. */
function failure(error: unknown, frame: Frame | undefined, progress: Progress): Ending {
  const ending = failed(error, frame?.current);
  if (ending.outcome !== 'failed' || isUndone(error, progress)) return ending;
  const far = howFar(progress);
  // After a failure of the platform it is not known how far the program came.
  if (ending.kind !== 'program') return lost(far, ending.message);
  return { ...ending, message: `${ending.message}\n${far}` };
}

/** Whether nothing of the program is committed. A statement that calls may have committed before it failed; any other was undone by the server when it says so. */
function isUndone(error: unknown, { finished, running }: Progress): boolean {
  const calls = running !== undefined && /^(call|do)$/.test(running.verb);
  return finished === 0 && !calls && (running === undefined || error instanceof pg.DatabaseError);
}

/** How far the program came is the first line, which short answers show: a person has to decide by it. */
const lost = (far: string, cause: string): Ending => ({ outcome: 'lost', message: `${far}\n${cause}` });

function howFar({ total, finished, last, running }: Progress): string {
  if (running === undefined && finished === 0) return 'no statement had begun';
  const done =
    last === undefined
      ? `none of ${total} statements had finished`
      : `${finished} of ${total} statements had finished, the last: ${last.firstLine}`;
  const reached =
    running === undefined ? '' : `statement ${finished + 1} of ${total} was reached: ${running.firstLine}; `;
  return `${reached}${done}; without a transaction, what has finished is committed and stays`;
}
