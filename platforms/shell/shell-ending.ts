/** How an attempt of a shell program ended, as it is reported to the API. graph/why/ending-text.ts has the messages in Chinese. */
import { constants } from 'node:os';
import type { Ending, Task } from '../../contract/agent.ts';
import type { Ended } from './attempt-folder.ts';

export const NEVER_BEGUN: Ending = {
  outcome: 'failed',
  kind: 'infrastructure',
  message:
    'the agent, its keeper or its contact with the API ended before the program began; nothing was run',
};

/** How an attempt ended that its keeper took away before a shim began it. */
export function unbegunEnding({ what }: Ended, task: Task): Ending {
  if (what === 'cancel') return { outcome: 'cancelled', effect: false };
  return what === 'timeout' ? causeEnding(what, task) : NEVER_BEGUN;
}

/** It cannot be seen any more whether the program runs or has run: a person has to decide before anything runs beside it. */
export const spoolTrouble = (error: unknown): Ending => ({
  outcome: 'lost',
  message: `the agent's spool cannot be used: ${(error as Error).message}`.slice(0, CHARACTER_LIMIT),
});

/** What the machine may have again a moment later. The program is not at fault. */
const OF_THE_MACHINE: Readonly<Record<string, string>> = {
  EAGAIN: 'no process can be created at the moment',
  EMFILE: 'too many open files in the keeper',
  ENFILE: 'too many open files on this machine',
  ENOMEM: 'not enough memory',
  ENOSPC: 'no space is left on the disk, or no file watch is left',
  ESHIM: 'the shim of the program could not begin',
};

const OF_THE_PROGRAM: Readonly<Record<string, string>> = {
  ENOENT: 'no such file (of a script: of its interpreter)',
  ENOTDIR: 'a part of its path is not a directory',
  EACCES: 'this user may not execute it',
  E2BIG: 'its arguments and environment are too long',
  ETXTBSY: 'its file is open for writing (being deployed?)',
  ENOEXEC: 'its file is empty or not a program for this machine',
  ELOOP: 'too many symbolic links in its path',
  EPERM: 'the operating system does not permit it',
  ENAMETOOLONG: 'its name is too long',
  ENOCWD: 'the working directory is missing',
};

/** `failed`: nothing has run, so there is nothing to decide. */
export function unlaunchedEnding(code: string, program: string): Ending {
  const transient = OF_THE_MACHINE[code];
  const why = transient ?? OF_THE_PROGRAM[code] ?? 'the operating system refuses it';
  // Programs and searches use the system's code. A missing working directory has no code of its own.
  const name = code === 'ENOCWD' ? 'ENOENT' : code;
  const message = `${name}: ${shortened(program)} was not started: ${why}; nothing was run`;
  if (transient !== undefined) return { outcome: 'failed', kind: 'infrastructure', message };
  return { outcome: 'failed', kind: 'program', message, exitCode: NOT_FOUND.has(code) ? 127 : 126 };
}

/** These get exit code 127 (not found) as in a shell; all others get 126 (found, but not started). */
const NOT_FOUND = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ENOCWD']);

/** Longest text of a command or an error in a message, in characters. */
const CHARACTER_LIMIT = 300;
const shortened = (text: string) =>
  text.length <= CHARACTER_LIMIT ? text : `${[...text].slice(0, CHARACTER_LIMIT).join('')}...`;

/** A shell gives 128 + n for a program that signal n ended. */
export function exitEnding(status: number): Ending {
  if (status === 0) return { outcome: 'succeeded' };
  const signal = Object.entries(constants.signals).find(([, number]) => number === status - 128)?.[0];
  const killed = `killed by ${signal} (exit code ${status})`;
  // Sluice notes a cause for every end of its own, so somebody else sent this signal.
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
      return { outcome: 'failed', kind: 'timeout', message: `timed out after ${task?.timeoutMs} ms` };
    case 'orphan': {
      const message = `no contact with the API for ${task?.orphanMs} ms: the program was ended`;
      return { outcome: 'lost', message };
    }
    case 'leave':
      return { outcome: 'lost', message: 'the agent stopped and ended the program' };
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
        message:
          'the shim of the program was killed, or the folder of the attempt was removed; what the program had started was ended',
      };
    case 'force': {
      const message = `ended by force, as a person decided; these processes could not be ended: ${survivorsOf() ?? 'not noted'}`;
      return { outcome: 'cancelled', effect: null, message };
    }
    default:
      return causeEnding(ended.what, task);
  }
}
