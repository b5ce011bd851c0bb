/**
 * The folder of one shell attempt, `<spool>/attempts/<epoch>`: all that agent and wrapper say to each other.
 *
 * | file | written by | meaning |
 * |---|---|---|
 * | task.json | agent | the task, for an agent that finds the folder after a restart |
 * | launch.json | agent | command, limits: what the wrapper needs |
 * | running.json | wrapper | exclusive: who creates it may run the program; an agent creates it to give up |
 * | program.json | wrapper | the program's process |
 * | contact | agent | its time of change is the last contact with the API |
 * | cancel | agent | a request to end the program; the text is the reason |
 * | log | program | stdout, appended (O_APPEND) without bound; an older wrapper's: stdout and stderr, head and tail |
 * | err | program | stderr, appended without bound; absent in an older wrapper's folder |
 * | result.json | wrapper | renamed into place when whole |
 */
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Task } from './platform.ts';
import { processIdentity } from './process-identity.mjs';

export interface Launch {
  readonly command: readonly string[];
  readonly cwd: string;
  /** Of the program alone: the wrapper gets none of it. */
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number | null;
  readonly orphanMs: number;
  readonly graceMs: number;
  readonly headBytes: number;
  readonly tailBytes: number;
}

export interface ProcessRef {
  readonly pid: number;
  readonly identity: string | undefined;
}

/** `cause`: why the wrapper ended the program, null = it ended by itself; `error`: it could not be launched. */
export interface WrapperResult {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly error: string | null;
  readonly cause: string | null;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly leftOutBytes: number;
}

export class AttemptFolder {
  readonly path: string;

  constructor(spool: string, epoch: number) {
    this.path = join(spool, 'attempts', String(epoch));
  }

  file(
    name:
      | 'task.json'
      | 'launch.json'
      | 'running.json'
      | 'program.json'
      | 'contact'
      | 'cancel'
      | 'log'
      | 'err'
      | 'result.json',
  ): string {
    return join(this.path, name);
  }

  /** Fails when the folder is there already: an epoch is attempted once. */
  create(task: Task, launch: Launch): void {
    mkdirSync(join(this.path, '..'), { recursive: true, mode: 0o700 });
    mkdirSync(this.path, { mode: 0o700 });
    const write = (name: 'task.json' | 'launch.json' | 'contact', text: string) =>
      writeFileSync(this.file(name), text, { mode: 0o600 });
    write('contact', '');
    write('launch.json', JSON.stringify(launch));
    write('task.json', JSON.stringify(task));
  }

  /** Undefined when the folder was never finished: nothing was launched from it. */
  task(): Task | undefined {
    return this.#json<Task>('task.json');
  }

  result(): WrapperResult | undefined {
    return this.#json<WrapperResult>('result.json');
  }

  /** The wrapper that took the attempt; `given up` when an agent took it away first; undefined when nobody has yet. */
  runner(): ProcessRef | 'given up' | undefined {
    const text = this.#text('running.json');
    if (text === undefined) return undefined;
    if (text === 'given up') return text;
    return JSON.parse(text) as ProcessRef;
  }

  /** Takes the attempt away from a wrapper that has not begun; false when one has. */
  giveUp(): boolean {
    const draft = `${this.file('running.json')}.agent`;
    try {
      // Linked into place as the wrapper does it: on a full disk there must be no empty file that nobody can read.
      writeFileSync(draft, 'given up', { mode: 0o600 });
      linkSync(draft, this.file('running.json'));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return this.runner() === 'given up';
      throw error;
    } finally {
      rmSync(draft, { force: true });
    }
  }

  touch(): void {
    const now = new Date();
    try {
      utimesSync(this.file('contact'), now, now);
    } catch {
      // The attempt ended and its folder is gone.
    }
  }

  requestEnd(reason: string): void {
    try {
      // Renamed into place: the wrapper never reads half a reason.
      writeFileSync(`${this.file('cancel')}.new`, reason, { mode: 0o600 });
      renameSync(`${this.file('cancel')}.new`, this.file('cancel'));
    } catch {
      // As above.
    }
  }

  /** Of `log` or `err`, to be read; undefined when there is no such file. */
  openLog(name: 'log' | 'err' = 'log'): number | undefined {
    try {
      return openSync(this.file(name), 'r');
    } catch {
      return undefined;
    }
  }

  closeLog(log: number | undefined): void {
    if (log !== undefined) closeSync(log);
  }

  /** Ends what a killed wrapper left running. A group outlives its leader's id, so only a foreign leader is spared. */
  killProgram(): void {
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

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  #text(name: Parameters<AttemptFolder['file']>[0]): string | undefined {
    try {
      return readFileSync(this.file(name), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  #json<T>(name: Parameters<AttemptFolder['file']>[0]): T | undefined {
    const text = this.#text(name);
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text) as T;
    } catch {
      return undefined;
    }
  }
}

/** Identities on Linux begin with the boot: after one, groups with old numbers are strangers. */
function sameBoot(identity: string | undefined): boolean {
  return identity?.split('/')[0] === processIdentity(process.pid)?.split('/')[0] || !identity?.includes('/');
}

/** Epochs that have a folder in the spool. */
export function spooledEpochs(spool: string): number[] {
  const folder = join(spool, 'attempts');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map(Number)
    .filter((epoch) => Number.isSafeInteger(epoch) && epoch > 0)
    .sort((a, b) => a - b);
}
