/** How an attempt of a shell program ended, in the words of the record. */
import { constants } from 'node:os';
import type { Ending, Task } from '../platform.ts';
import type { Ended } from './attempt-folder.ts';

export const NEVER_BEGUN: Ending = {
  outcome: 'failed',
  kind: 'infrastructure',
  message: 'the agent or its keeper ended before the program began; nothing was run',
};

/** Whether the program runs, or has run, cannot be seen any more: nothing may be run beside it without a decision. */
export const spoolTrouble = (error: unknown): Ending => ({
  outcome: 'lost',
  message: `the agent's spool cannot be used: ${(error as Error).message}`.slice(0, MOST_CHARACTERS),
});

/** What the machine may have again a moment later: no fault of the program. */
const OF_THE_MACHINE: Readonly<Record<string, string>> = {
  EAGAIN: 'no process can be made at the moment',
  EMFILE: 'too many open files in the keeper',
  ENFILE: 'too many open files on this machine',
  ENOMEM: 'not enough memory',
  ENOSPC: 'no space is left on the disk or in the table of watches',
  ESHIM: 'the small process around the program could not begin',
};

const OF_THE_PROGRAM: Readonly<Record<string, string>> = {
  ENOENT: 'no such file (of a script: of its interpreter)',
  ENOTDIR: 'a part of its path is no directory',
  EACCES: 'it may not be executed by this user',
  E2BIG: 'its arguments and environment are too long',
  ETXTBSY: 'its file is open for writing (being deployed?)',
  ENOEXEC: 'its file is empty or no program of this machine',
  ELOOP: 'too many symbolic links in its path',
  EPERM: 'the operating system does not permit it',
  ENAMETOOLONG: 'its name is too long',
  ENOCWD: 'the working directory is missing',
};

/** `failed`: nothing has run, so nobody must decide anything. */
export function unlaunchedEnding(code: string, program: string): Ending {
  const transient = OF_THE_MACHINE[code];
  const why = transient ?? OF_THE_PROGRAM[code] ?? 'the operating system refuses it';
  // The reason's own name is for programs and searches; a missing working directory has none.
  const name = code === 'ENOCWD' ? 'ENOENT' : code;
  const message = `${name}: ${shortened(program)} was not started: ${why}; nothing was run`;
  if (transient !== undefined) return { outcome: 'failed', kind: 'infrastructure', message };
  return { outcome: 'failed', kind: 'program', message, exitCode: NOT_FOUND.has(code) ? 127 : 126 };
}

/** As shells number them: 127 not found, 126 found and not started. */
const NOT_FOUND = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ENOCWD']);

const MOST_CHARACTERS = 300;
const shortened = (text: string) =>
  text.length <= MOST_CHARACTERS ? text : `${[...text].slice(0, MOST_CHARACTERS).join('')}...`;

/** A shell gives 128 + n for a program that signal n ended. */
export function exitEnding(status: number): Ending {
  if (status === 0) return { outcome: 'succeeded' };
  const signal = Object.entries(constants.signals).find(([, number]) => number === status - 128)?.[0];
  const killed = `killed by ${signal} (exit code ${status})`;
  // Ends of ours have their cause: who sent this one is not known.
  const guess = signal === 'SIGKILL' ? ', not by Sluice; perhaps a memory limit' : '';
  const message = signal === undefined ? `exit code ${status}` : `${killed}${guess}`;
  return { outcome: 'failed', kind: 'program', message, exitCode: status };
}

export function causeEnding(
  cause: 'cancel' | 'timeout' | 'orphan' | 'leave',
  task: Task | undefined,
): Ending {
  switch (cause) {
    case 'cancel':
      return { outcome: 'cancelled', effect: null };
    case 'timeout':
      return { outcome: 'failed', kind: 'timeout', message: `no end within ${task?.timeoutMs} ms` };
    case 'orphan': {
      const message = `no contact with the API for ${task?.orphanMs} ms: the program was ended`;
      return { outcome: 'lost', message };
    }
    case 'leave':
      return { outcome: 'lost', message: 'the agent left and ended the program' };
  }
}

/** `survivorsOf` answers what the keeper could not end. */
export function endingOf(
  ended: Ended,
  task: Task,
  program: string,
  survivorsOf: () => string | undefined,
): Ending {
  switch (ended.what) {
    case 'exit':
      return exitEnding(ended.status);
    case 'unlaunched':
      return unlaunchedEnding(ended.code, program);
    case 'lost':
      return {
        outcome: 'lost',
        message: 'the shim of the program was killed, or its folder removed; what it had started was ended',
      };
    case 'force': {
      const message = `ended by a person's word; these processes could not be ended: ${survivorsOf() ?? 'not noted'}`;
      return { outcome: 'cancelled', effect: null, message };
    }
    default:
      return causeEnding(ended.what, task);
  }
}
