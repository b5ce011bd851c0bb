/**
 * Shell programs (protocol C5): one wrapper process each, which outlives this one. All that is known of an attempt lies
 * in its folder, so an agent that is started again goes on where the killed one stopped.
 */
import { spawn } from 'node:child_process';
import { ProgramError } from '../sql/program-error.ts';
import { AttemptFolder, spooledEpochs, type WrapperResult } from './attempt-folder.ts';
import { LogPump } from './log-pump.ts';
import {
  type Ending,
  type ExecuteContext,
  type Platform,
  parametersOf,
  type SpecOf,
  stopReason,
  type Task,
} from './platform.ts';
import { processIdentity } from './process-identity.mjs';

/** Head and tail of a log that are kept (design.md 4). */
const LOG_BYTES = 10 * 1024 * 1024;
const GRACE_MS = 10_000;
const POLL_MS = 200;
/** A wrapper that does not take its attempt for so long never will; a slow machine needs less. */
const WRAPPER_START_MS = 30_000;

export interface ShellPlatform extends Platform {
  /** Tasks that an earlier process launched and did not clear away: running, ended, or never begun. */
  found(): Task[];
  /** Goes on with a found task; like `execute` without launching. */
  adopt(task: Task, context: ExecuteContext): Promise<Ending>;
  /** The API was heard to know these epochs: their programs may go on for another `orphanMs`. */
  touch(epochs: Iterable<number>): void;
  /** The result was delivered: the folder of the attempt is removed. */
  clear(epoch: number): void;
}

export interface ShellOptions {
  /** Folder that survives restarts of the agent and belongs to one agent name. */
  readonly spool: string;
  /** Path of agent/wrapper.mjs. */
  readonly wrapper: string;
  /** The environment programs begin with; it must hold no secret of the agent. */
  readonly environment: Readonly<Record<string, string>>;
  /** Working directory of programs. */
  readonly cwd: string;
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs?: number;
  readonly headBytes?: number;
  readonly tailBytes?: number;
}

export function createShellPlatform(options: ShellOptions): ShellPlatform {
  const mine = new Set<number>();
  const folderOf = (epoch: number) => new AttemptFolder(options.spool, epoch);

  return {
    async execute(task, context) {
      const spec = task.spec as SpecOf<'shell'>;
      const folder = folderOf(task.lease.epoch);
      let wake: (() => void) | undefined;
      try {
        const command = commandOf(spec, task);
        folder.create(task, {
          command,
          cwd: options.cwd,
          env: environmentOf(spec, task, options.environment),
          timeoutMs: task.timeoutMs,
          orphanMs: task.orphanMs,
          graceMs: options.graceMs ?? GRACE_MS,
          headBytes: options.headBytes ?? LOG_BYTES,
          tailBytes: options.tailBytes ?? LOG_BYTES,
        });
        mine.add(task.lease.epoch);
        const wrapper = spawn(process.execPath, [options.wrapper, folder.path], {
          detached: true,
          stdio: 'ignore',
          env: {},
        });
        wrapper.on('error', () => wake?.());
        wrapper.on('exit', () => wake?.());
        wrapper.unref();
      } catch (error) {
        const kind = error instanceof ProgramError ? 'program' : 'infrastructure';
        return { outcome: 'failed', kind, message: (error as Error).message };
      }
      return follow(folder, context, (listener) => {
        wake = listener;
      });
    },
    found() {
      return spooledEpochs(options.spool).flatMap((epoch) => {
        const task = folderOf(epoch).task();
        if (task !== undefined) return [task];
        folderOf(epoch).remove();
        return [];
      });
    },
    adopt(task, context) {
      mine.add(task.lease.epoch);
      const folder = folderOf(task.lease.epoch);
      folder.touch();
      if (folder.runner() === undefined && folder.giveUp()) return Promise.resolve(NEVER_BEGUN);
      return follow(folder, context, () => {});
    },
    touch(epochs) {
      for (const epoch of epochs) if (mine.has(epoch)) folderOf(epoch).touch();
    },
    clear(epoch) {
      if (mine.delete(epoch)) folderOf(epoch).remove();
    },
  };
}

const NEVER_BEGUN: Ending = {
  outcome: 'failed',
  kind: 'infrastructure',
  message: 'the agent or the wrapper ended before the program began; nothing was run',
};

/**
 * An element that is exactly `:name` becomes that parameter, as an argument of its own; nothing is ever pasted into a
 * text, and the text of `sh -c` takes none at all. Throws ProgramError.
 */
function commandOf(spec: SpecOf<'shell'>, task: Task): string[] {
  const parameters = parametersOf(task);
  return spec.command.map((element, index) => {
    const name = /^:([A-Za-z_][A-Za-z0-9_]*)$/.exec(element)?.[1];
    if (name === undefined) return element;
    if (!Object.hasOwn(parameters, name)) throw new ProgramError(`no parameter :${name} is given`);
    if (index === 0 || /^-[a-z]*c$/.test(spec.command[index - 1]!)) {
      throw new ProgramError(`parameter :${name} stands where a program's text is expected`);
    }
    const value = String(parameters[name]);
    if (value.includes('\0')) throw new ProgramError(`parameter :${name} holds a NUL, which no argument can`);
    return value;
  });
}

/** `SLUICE_PERIOD`, `SLUICE_RUN` ... and each parameter as `SLUICE_PARAM_<name>`, case kept. */
function environmentOf(
  spec: SpecOf<'shell'>,
  task: Task,
  base: Readonly<Record<string, string>>,
): Record<string, string> {
  const { run, flow, generation, attempt, epoch } = task.lease;
  const own: Record<string, string> = {
    SLUICE_PERIOD: task.period,
    SLUICE_RUN: run,
    SLUICE_FLOW: flow,
    SLUICE_GENERATION: String(generation),
    SLUICE_ATTEMPT: String(attempt),
    SLUICE_EPOCH: String(epoch),
    SLUICE_TIME_ZONE: task.timeZone,
  };
  for (const [name, value] of Object.entries(parametersOf(task))) own[`SLUICE_PARAM_${name}`] = String(value);
  const environment = { ...base, TZ: task.timeZone, ...spec.env, ...own };
  for (const [name, value] of Object.entries(environment)) {
    if (value.includes('\0')) throw new ProgramError(`${name} holds a NUL, which no environment can`);
  }
  return environment;
}

/** Waits for the result, passing on log text and a request to stop. */
async function follow(
  folder: AttemptFolder,
  context: ExecuteContext,
  onWake: (listener: () => void) => void,
): Promise<Ending> {
  const { signal } = context;
  const log = new LogPump(folder, context);
  const since = performance.now();
  let wake = () => {};
  let exited = false;
  onWake(() => {
    exited = true;
    wake();
  });
  const stop = () => folder.requestEnd(stopReason(signal));
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  try {
    for (;;) {
      const result = folder.result();
      if (result !== undefined) {
        await log.drain();
        return endingOf(result, folder.task());
      }
      const gone = wrapperIsGone(folder, exited ? Infinity : performance.now() - since);
      // It may have left its result between the two looks.
      if (gone !== null && folder.result() === undefined) {
        folder.killProgram();
        await log.drain();
        return gone;
      }
      log.pump();
      if (gone === null) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, POLL_MS);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    }
  } finally {
    signal.removeEventListener('abort', stop);
    log.close();
  }
}

/** How the attempt ends when its wrapper is no more and left no result; null while it lives or may yet begin. */
function wrapperIsGone(folder: AttemptFolder, waitedMs: number): Ending | null {
  const runner = folder.runner();
  if (runner === 'given up') return NEVER_BEGUN;
  if (runner === undefined) return waitedMs > WRAPPER_START_MS && folder.giveUp() ? NEVER_BEGUN : null;
  if (processIdentity(runner.pid) === runner.identity) return null;
  return { outcome: 'lost', message: 'the wrapper of the program was killed; its program was ended' };
}

function endingOf(result: WrapperResult, task: Task | undefined): Ending {
  switch (result.cause) {
    case 'cancel':
      return { outcome: 'cancelled', effect: null };
    case 'timeout':
      return { outcome: 'failed', kind: 'timeout', message: `no end within ${task?.timeoutMs} ms` };
    case 'orphan':
      return {
        outcome: 'lost',
        message: `no contact with the API for ${task?.orphanMs} ms: the program was ended`,
      };
    case 'leave':
      return { outcome: 'lost', message: 'the agent left and ended the program' };
    case 'terminated':
      return { outcome: 'lost', message: 'the wrapper was told to end and ended the program' };
    default:
  }
  if (result.error !== null)
    return { outcome: 'failed', kind: 'program', message: result.error, exitCode: 127 };
  if (result.exitCode === 0) return { outcome: 'succeeded' };
  if (result.exitCode === null)
    return { outcome: 'failed', kind: 'program', message: `killed by ${result.signal}` };
  return {
    outcome: 'failed',
    kind: 'program',
    message: `exit code ${result.exitCode}`,
    exitCode: result.exitCode,
  };
}
