/**
 * Shell programs (protocol C5). Each runs under a shim, which one keeper process launches and watches; the keeper outlives this process.
 * All that is known of an attempt is in its folder, so an agent that is started again goes on where the killed one stopped.
 */
import { randomBytes } from 'node:crypto';
import type { Ending, Task } from '../../contract/agent.ts';
import { ProgramError } from '../../sql/program-error.ts';
import type { LogSource } from '../log-source.ts';
import { type ExecuteContext, type Platform, parametersOf, type SpecOf, stopReason } from '../platform.ts';
import { AttemptFolder, type Containment, makeSpool, spooledEpochs } from './attempt-folder.ts';
import { EndedAttempts } from './ended-attempts.ts';
import { KeeperProcess } from './keeper-process.ts';
import { LogPump, logBounds } from './log-pump.ts';
import { isReported, markReported } from './reported.ts';
import { endingOf, NEVER_BEGUN, spoolTrouble, unbegunEnding } from './shell-ending.ts';
import { SpareFolders } from './spare-folders.ts';
import { WrapperFolder } from './wrapper-folder.ts';

/** Time between SIGTERM and SIGKILL, ms, unless the options say another. */
const GRACE_MS = 10_000;
/** Interval of the looks at a running attempt, ms. */
const POLL_MS = 200;
/** A keeper that has not taken an attempt within this time, ms, never will. A slow machine needs less. */
const KEEPER_START_MS = 30_000;
const MARK_BYTES = 12;

export interface ShellPlatform extends Platform {
  /** Tasks of attempts that an earlier process launched and did not clear: running, ended, or never begun. */
  found(): Task[];
  /** Follows a found task, like `execute` without the launch. */
  adopt(task: Task, context: ExecuteContext): Promise<Ending>;
  /** The API knows these epochs: their programs may run for another `orphanMs`. */
  touch(epochs: Iterable<number>): void;
  /** The result was delivered, the log not yet. A later process does not report the attempt again, but sends the rest of the log. */
  reported(epoch: number): void;
  /** Attempts that an earlier process reported before it had sent all of their logs. */
  unsent(): { readonly task: Task; readonly source: LogSource }[];
  /** Result and log were delivered: the folder of the attempt is removed. */
  clear(epoch: number): void;
  /** A person decided that the attempt ends although processes of its program are still alive. */
  force(epoch: number): void;
  /** This process ends; programs and keeper go on. */
  close(): void;
}

export interface ShellOptions {
  /** Folder that survives restarts of the agent and belongs to one agent name. */
  readonly spool: string;
  /** Path of agent/keeper/main.ts. */
  readonly keeper: string;
  readonly containment: Containment;
  /** Environment of programs. It must hold no secret of the agent. */
  readonly environment: Readonly<Record<string, string>>;
  /** Working directory of programs. */
  readonly cwd: string;
  /** A program whose output exceeds this many MB is ended; default 10,000. */
  readonly outputMb?: number;
  /** Time between SIGTERM and SIGKILL, ms; default 10 s. */
  readonly graceMs?: number;
}

export function createShellPlatform(options: ShellOptions): ShellPlatform {
  const { spool } = options;
  makeSpool(spool);
  const spares = new SpareFolders(spool);
  const mine = new Set<number>();
  const bounds = logBounds(options.outputMb);
  const folderOf = (epoch: number) => new AttemptFolder(spool, epoch);
  const taskIn = (epoch: number) => folderOf(epoch).attempt()?.task ?? new WrapperFolder(spool, epoch).task();
  const keeper = new KeeperProcess(options.keeper, spool);
  const ended = new EndedAttempts(spool);

  /** Waits for the end of the attempt. Meanwhile it gives out the log and passes on a request to stop. */
  async function follow(task: Task, program: string, context: ExecuteContext): Promise<Ending> {
    const { epoch } = task.lease;
    const folder = folderOf(epoch);
    const log = new LogPump(folder, context, bounds);
    const since = performance.now();
    let survivors: string | undefined;
    const release = keeper.hold();
    const stop = () => folder.requestEnd(stopReason(context.signal));
    if (context.signal.aborted) stop();
    else context.signal.addEventListener('abort', stop, { once: true });
    try {
      for (;;) {
        const known = ended.of(epoch);
        if (known !== undefined) {
          const ending =
            known.what === 'exit' || folder.givenUpFor === undefined
              ? endingOf(known, task, program, () => folder.survivors())
              : unbegunEnding(known, task);
          // The ending already says what the shim wrote to stderr of a program that was not started.
          return log.finish(ending, known.what === 'unlaunched' ? 'unsaid' : 'stderr');
        }
        const isHopeless = keeper.broken || performance.now() - since > KEEPER_START_MS;
        if (isHopeless && folder.runner() === undefined && folder.giveUp()) return log.finish(NEVER_BEGUN);
        log.pump();
        const living = folder.survivors();
        if (living !== survivors)
          context.waits?.(living === undefined ? null : { code: 'processes_survive', by: living });
        survivors = living;
        await ended.next(epoch, POLL_MS);
      }
    } catch (error) {
      return spoolTrouble(error);
    } finally {
      context.signal.removeEventListener('abort', stop);
      release();
    }
  }

  async function followWrapper(task: Task, context: ExecuteContext): Promise<Ending> {
    const { epoch } = task.lease;
    const folder = new WrapperFolder(spool, epoch);
    if (folder.ending() === undefined && !folder.begun() && folder.giveUp()) return NEVER_BEGUN;
    const log = new LogPump(
      { path: folderOf(epoch).path, requestEnd: (reason) => folder.requestEnd(reason) },
      context,
    );
    const stop = () => folder.requestEnd(stopReason(context.signal));
    if (context.signal.aborted) stop();
    else context.signal.addEventListener('abort', stop, { once: true });
    try {
      for (;;) {
        const ending = folder.ending();
        if (ending !== undefined) return log.finish(ending);
        log.pump();
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    } finally {
      context.signal.removeEventListener('abort', stop);
    }
  }

  return {
    async execute(task, context) {
      const spec = task.spec as SpecOf<'shell'>;
      try {
        folderOf(task.lease.epoch).create(
          task,
          {
            command: commandOf(spec, task),
            cwd: options.cwd,
            env: environmentOf(spec, task, options.environment),
            timeoutMs: task.timeoutMs,
            orphanMs: task.orphanMs,
            graceMs: options.graceMs ?? GRACE_MS,
            containment: options.containment,
            leaves: task.leaves === 'running',
            mark: randomBytes(MARK_BYTES).toString('hex'),
          },
          spares,
        );
      } catch (error) {
        const kind = error instanceof ProgramError ? 'program' : 'infrastructure';
        return { outcome: 'failed', kind, message: (error as Error).message };
      }
      mine.add(task.lease.epoch);
      return follow(task, spec.command[0]!, context);
    },
    found() {
      return spooledEpochs(spool).flatMap((epoch) => {
        if (isReported(folderOf(epoch))) return [];
        const task = taskIn(epoch);
        if (task !== undefined) return [task];
        folderOf(epoch).remove();
        return [];
      });
    },
    adopt(task, context) {
      const { epoch } = task.lease;
      mine.add(epoch);
      const folder = folderOf(epoch);
      if (folder.attempt() === undefined) return followWrapper(task, context);
      if (ended.of(epoch) === undefined && folder.runner() === undefined && folder.giveUp())
        return Promise.resolve(NEVER_BEGUN);
      return follow(task, (task.spec as SpecOf<'shell'>).command[0]!, context);
    },
    touch(epochs) {
      for (const epoch of epochs)
        if (mine.has(epoch) && !folderOf(epoch).touch()) new WrapperFolder(spool, epoch).touch();
    },
    reported(epoch) {
      markReported(folderOf(epoch));
    },
    unsent() {
      return spooledEpochs(spool).flatMap((epoch) => {
        const folder = folderOf(epoch);
        const task = taskIn(epoch);
        if (!isReported(folder) || task === undefined) return [];
        mine.add(epoch);
        const encoding = (task.spec as SpecOf<'shell'>).encoding;
        const source = new LogPump(folder, { signal: new AbortController().signal, log: () => {}, encoding });
        source.finish({ outcome: 'succeeded' });
        return [{ task, source }];
      });
    },
    clear(epoch) {
      if (!mine.delete(epoch)) return;
      // Of any other end it is not known whether the shim still reads or writes a file.
      const whole = ended.of(epoch)?.what === 'exit';
      folderOf(epoch).remove(whole ? spares : undefined);
      ended.forget(epoch);
    },
    force(epoch) {
      if (mine.has(epoch)) folderOf(epoch).requestEnd('force');
    },
    close() {
      ended.close();
      keeper.close();
    },
  };
}

/**
 * An element that is exactly `:name` is replaced by that parameter, as one argument. A parameter is never put into a longer text,
 * and never into the text of `sh -c`. Throws ProgramError.
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
    if (value.includes('\0'))
      throw new ProgramError(`parameter :${name} contains a NUL character, which an argument cannot`);
    return value;
  });
}

/** Adds `SLUICE_PERIOD`, `SLUICE_RUN` ... and each parameter as `SLUICE_PARAM_<name>`, in its own case. */
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
    if (value.includes('\0'))
      throw new ProgramError(`${name} contains a NUL character, which a variable cannot`);
  }
  return environment;
}
