/**
 * Folders of the wrapper, which ran shell programs in versions before the keeper. An agent that is started on a spool of
 * that time goes on with them. The wrapper process still runs its old code; nothing new is ever put into such a folder.
 *
 * | file | written by | meaning |
 * |---|---|---|
 * | task.json | agent | the task |
 * | launch.json | agent | command, limits |
 * | running.json | wrapper | exclusive: who creates it may run the program; an agent creates it to give up |
 * | program.json | wrapper | the program's process |
 * | contact | agent | its time of change is the last contact with the API |
 * | cancel | agent | a request to end the program; the text is the reason |
 * | log | wrapper | stdout and stderr, head and tail |
 * | result.json | wrapper | renamed into place when whole |
 */
import { linkSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Ending, Task } from '../../contract/agent.ts';
import { attemptsOf, type ProcessRef } from './attempt-folder.ts';
import { processIdentity } from './process-identity.mjs';
import { causeEnding, exitEnding, NEVER_BEGUN } from './shell-ending.ts';

/** `cause`: why the wrapper ended the program; null: the program ended by itself. `error`: the program could not be launched. */
interface WrapperResult {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly error: string | null;
  readonly cause: string | null;
}

type FileName = 'contact' | 'task.json' | 'running.json' | 'program.json' | 'cancel' | 'result.json';

export class WrapperFolder {
  readonly #path: string;

  constructor(spool: string, epoch: number) {
    this.#path = join(attemptsOf(spool), String(epoch));
  }

  /** Undefined when this is no folder of the wrapper. */
  task(): Task | undefined {
    return this.#json<Task>('task.json');
  }

  begun(): boolean {
    return this.#text('running.json') !== undefined;
  }

  /** How the attempt ended; undefined while the wrapper lives or may yet begin. */
  ending(): Ending | undefined {
    const left = this.#left();
    if (left !== undefined) return left;
    const runner = this.#text('running.json');
    if (runner === undefined) return undefined;
    if (runner === 'given up') return NEVER_BEGUN;
    const { pid, identity } = JSON.parse(runner) as ProcessRef;
    if (processIdentity(pid) === identity) return undefined;
    // It may have left its result between the two looks.
    const late = this.#left();
    if (late !== undefined) return late;
    this.#killProgram();
    return { outcome: 'lost', message: 'the wrapper of the program was killed; its program was ended' };
  }

  /** Takes the attempt away from a wrapper that has not begun; false when one has. */
  giveUp(): boolean {
    const draft = join(this.#path, 'running.json.agent');
    try {
      writeFileSync(draft, 'given up', { mode: 0o600 });
      linkSync(draft, this.#file('running.json'));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST')
        return this.#text('running.json') === 'given up';
      throw error;
    } finally {
      rmSync(draft, { force: true });
    }
  }

  /** Contact with the API: the wrapper ends its program without it. */
  touch(): void {
    const now = new Date();
    try {
      utimesSync(this.#file('contact'), now, now);
    } catch {
      // The attempt ended and its folder is gone.
    }
  }

  requestEnd(reason: string): void {
    try {
      // Renamed into place: the wrapper never reads half a reason.
      writeFileSync(`${this.#file('cancel')}.new`, reason, { mode: 0o600 });
      renameSync(`${this.#file('cancel')}.new`, this.#file('cancel'));
    } catch {
      // The attempt ended and its folder is gone.
    }
  }

  #left(): Ending | undefined {
    const result = this.#json<WrapperResult>('result.json');
    return result === undefined ? undefined : endingOf(result, this.task());
  }

  /**
   * Ends the process group of the program that a killed wrapper left running. A group lives on when its leader has ended, so it is ended also when
   * no process has the leader's id. It is left alone when that id is now that of another process.
   */
  #killProgram(): void {
    const program = this.#json<ProcessRef>('program.json');
    if (program === undefined) return;
    const now = processIdentity(program.pid);
    if (now !== undefined && now !== program.identity) return;
    if (!sameBoot(program.identity)) return;
    try {
      process.kill(-program.pid, 'SIGKILL');
    } catch {
      // Gone already.
    }
  }

  #file(name: FileName): string {
    return join(this.#path, name);
  }

  #text(name: FileName): string | undefined {
    try {
      return readFileSync(this.#file(name), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  #json<T>(name: FileName): T | undefined {
    const text = this.#text(name);
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text) as T;
    } catch {
      return undefined;
    }
  }
}

function endingOf(result: WrapperResult, task: Task | undefined): Ending {
  switch (result.cause) {
    case 'cancel':
    case 'timeout':
    case 'orphan':
    case 'leave':
      return causeEnding(result.cause, task);
    case 'terminated':
      return { outcome: 'lost', message: 'the wrapper got a signal to end and ended the program' };
    default:
  }
  if (result.error !== null)
    return { outcome: 'failed', kind: 'program', message: result.error, exitCode: 127 };
  if (result.exitCode === null)
    return { outcome: 'failed', kind: 'program', message: `killed by ${result.signal}` };
  return exitEnding(result.exitCode);
}

/**
 * Whether the process was started since this machine booted: identities on Linux begin with the id of the boot. Of an earlier boot nothing lives,
 * and the number of its process group may be that of another one now.
 */
function sameBoot(identity: string | undefined): boolean {
  return identity?.split('/')[0] === processIdentity(process.pid)?.split('/')[0] || !identity?.includes('/');
}
