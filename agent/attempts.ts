/**
 * The attempts this agent answers for, from the claim to the acknowledged result. Each holds a slot (protocol C8).
 */
import type { AttemptResult, Ending, Reached, Task, Waiting, Waits } from '../contract/agent.ts';
import { DEFAULT_ENCODING } from '../encoding.ts';
import type { LogSource } from '../platforms/log-source.ts';
import { noopEnding } from '../platforms/noop.ts';
import type { ExecuteContext, Platform, ProgramType, StopReason } from '../platforms/platform.ts';
import type { ShellPlatform } from '../platforms/shell/shell.ts';
import type { LogShipper } from './log-shipper.ts';
import { MemoryLog } from './memory-log.ts';
import type { ResultSpool } from './result-spool.ts';

export interface Platforms extends Record<Exclude<ProgramType, 'shell'>, Platform> {
  readonly shell: ShellPlatform;
}

/** Delay in ms between the progress of a program and its report to the API. Progress made meanwhile goes with the same report. */
const REACHED_MS = 1_000;

/** Its state goes from `claimed` to `running` (`started` was accepted) to `ended`. When the API has the result, it is forgotten. */
interface Attempt {
  readonly epoch: number;
  /** Undefined for a result that an earlier process left in the spool. */
  readonly task: Task | undefined;
  state: 'claimed' | 'running' | 'ended';
  /** Why it has to end early. A claimed attempt is then not launched. */
  stopped: StopReason | undefined;
  controller: AbortController | undefined;
  /** What its program waits for outside the engine; null: nothing. */
  waits: Waiting | null;
  /** How far its program has come, where what it did cannot be undone; null otherwise. */
  reached: string | null;
  /** performance.now() of the last heartbeat in whose answer the API knew the lease. */
  contactOn: number;
}

export interface AttemptsOptions {
  readonly platforms: Platforms;
  readonly results: ResultSpool;
  readonly logs: LogShipper;
  /** Encoding of programs that declare none; default utf-8. */
  readonly encoding?: string | undefined;
  /** A result is ready to be sent. */
  readonly onResult: (result: AttemptResult) => void;
  /** A running program waits for something else than before, or has come further. */
  readonly onProgress?: () => void;
  /** An attempt was forgotten: its slot is free. */
  readonly onFree: () => void;
  /** A result could not be kept on the disk. It is sent all the same. */
  readonly onUnsaved: (epoch: number, error: unknown) => void;
}

export class Attempts {
  readonly #options: AttemptsOptions;
  readonly #held = new Map<number, Attempt>();
  #reachedTimer: NodeJS.Timeout | undefined;

  constructor(options: AttemptsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#held.size;
  }

  epochs(): number[] {
    return [...this.#held.keys()];
  }

  has(epoch: number): boolean {
    return this.#held.has(epoch);
  }

  /** Attempts that this process still works on. `inside` leaves out shell programs, which can go on without this process. */
  unfinished(kind: 'inside' | 'all'): number[] {
    return this.#epochsWhere(({ task }) => kind === 'all' || task?.spec.type !== 'shell');
  }

  /** Attempts that the next process will find in the spool: shell programs and results on disk. */
  surviving(): number[] {
    return this.#epochsWhere(
      ({ task, state }) =>
        task === undefined ||
        (state !== 'claimed' && (task.spec.type === 'shell' || (state === 'ended' && isSpooled(task)))),
    );
  }

  /**
   * Finds what an earlier process left in the spool: undelivered results and shell programs. They are held from now on.
   * The returned function delivers the results and follows the programs; it is called once the API knows this process.
   */
  recover(): () => void {
    const left = this.#options.results.found();
    for (const result of left) this.#hold(result.epoch, undefined).state = 'ended';
    const { shell } = this.#options.platforms;
    const tasks = shell.found();
    for (const task of tasks) this.#hold(task.lease.epoch, task).state = 'running';
    return () => {
      for (const { task, source } of shell.unsent()) {
        this.#options.logs.open(task.lease, source);
        this.#options.logs.end(task.lease.epoch, () => shell.clear(task.lease.epoch));
      }
      for (const result of left) this.#options.onResult(result);
      for (const task of tasks) {
        const attempt = this.#held.get(task.lease.epoch)!;
        this.#run(attempt, task, (context) => shell.adopt(task, context));
      }
    };
  }

  claim(task: Task): void {
    this.#hold(task.lease.epoch, task);
  }

  /** The API has accepted `started` (protocol C4): launches the program, unless a stop came meanwhile. */
  launch(epoch: number): void {
    const attempt = this.#held.get(epoch);
    if (attempt?.state !== 'claimed' || attempt.task === undefined) return;
    const { task } = attempt;
    attempt.contactOn = performance.now();
    if (attempt.stopped !== undefined) {
      this.#end(attempt, resultOf(task, { outcome: 'cancelled', effect: false }));
    } else if (task.spec.type === 'noop' && task.spec.ms === 0) {
      this.#end(attempt, resultOf(task, noopEnding(task)));
    } else {
      const platform = this.#options.platforms[task.spec.type];
      this.#run(attempt, task, (context) => platform.execute(task, context));
    }
  }

  /**
   * Ends running programs early; claimed attempts are not launched. Unknown epochs are ignored. Returns the epochs that this
   * call stopped.
   */
  stop(epochs: Iterable<number>, reason: StopReason): number[] {
    const stopped: number[] = [];
    for (const epoch of epochs) {
      const attempt = this.#held.get(epoch);
      if (attempt === undefined || attempt.stopped !== undefined || attempt.state === 'ended') continue;
      attempt.stopped = reason;
      attempt.controller?.abort(reason);
      stopped.push(epoch);
    }
    return stopped;
  }

  /** A person decided that these attempts end although processes of their programs are still alive. */
  force(epochs: Iterable<number>): void {
    for (const epoch of epochs) if (this.#held.has(epoch)) this.#options.platforms.shell.force(epoch);
  }

  /** What running programs wait for outside the engine. */
  waits(): Waits {
    return [...this.#held.values()].flatMap(({ epoch, state, waits }) =>
      state !== 'running' || waits === null
        ? []
        : [{ epoch, code: waits.code, by: waits.by.slice(0, 1_000) }],
    );
  }

  /** How far running programs have come whose statements commit one by one. */
  reached(): Reached {
    return [...this.#held.values()].flatMap(({ epoch, state, reached }) =>
      state !== 'running' || reached === null ? [] : [{ epoch, said: reached }],
    );
  }

  /** A heartbeat was answered: the API knows these epochs. */
  contact(epochs: Iterable<number>): void {
    const now = performance.now();
    const known = new Set(epochs);
    for (const epoch of known) {
      const attempt = this.#held.get(epoch);
      if (attempt !== undefined) attempt.contactOn = now;
    }
    this.#options.platforms.shell.touch(known);
  }

  /** Ends programs inside the agent that had no contact for `orphanMs` (protocol C4). The keeper ends shell programs. */
  endOrphans(): void {
    const now = performance.now();
    for (const attempt of this.#held.values()) {
      const { task, state, contactOn, epoch } = attempt;
      if (state !== 'running' || task === undefined || task.spec.type === 'shell') continue;
      if (now - contactOn > task.orphanMs) this.stop([epoch], 'orphan');
    }
  }

  /** The API needs nothing more from this attempt. */
  forget(epoch: number): void {
    const attempt = this.#held.get(epoch);
    if (attempt === undefined) return;
    this.#held.delete(epoch);
    const { shell } = this.#options.platforms;
    const isShell = attempt.task?.spec.type === 'shell';
    let logged = false;
    this.#options.logs.end(epoch, () => {
      logged = true;
      if (isShell) shell.clear(epoch);
    });
    if (isShell && !logged) shell.reported(epoch);
    if (attempt.task === undefined || isSpooled(attempt.task)) this.#options.results.remove(epoch);
    this.#options.onFree();
  }

  #epochsWhere(condition: (attempt: Attempt) => boolean): number[] {
    return [...this.#held.values()].filter(condition).map(({ epoch }) => epoch);
  }

  #hold(epoch: number, task: Task | undefined): Attempt {
    const attempt: Attempt = {
      epoch,
      task,
      state: 'claimed',
      stopped: undefined,
      controller: undefined,
      waits: null,
      reached: null,
      contactOn: performance.now(),
    };
    this.#held.set(epoch, attempt);
    return attempt;
  }

  #run(attempt: Attempt, task: Task, execute: (context: ExecuteContext) => Promise<Ending>): void {
    const since = performance.now();
    const controller = new AbortController();
    attempt.state = 'running';
    attempt.controller = controller;
    // It is opened with the first line, because most noops have none.
    let log: MemoryLog | undefined;
    let source: LogSource | undefined;
    const encoding = encodingOf(task, this.#options.encoding);
    const context: ExecuteContext = {
      signal: controller.signal,
      log: (said) => {
        if (log === undefined) {
          log = new MemoryLog();
          this.#options.logs.open(task.lease, log);
        }
        log.write(said);
      },
      logFrom: (from) => {
        source = from;
        this.#options.logs.open(task.lease, from);
      },
      encoding,
      waits: (what) => {
        attempt.waits = what;
        this.#options.onProgress?.();
      },
      reached: (howFar) => {
        attempt.reached = howFar;
        this.#notifyReached();
      },
    };
    execute(context)
      .catch(
        (error: unknown): Ending => ({
          outcome: 'failed',
          kind: 'infrastructure',
          message: `the agent failed: ${error instanceof Error ? error.message : String(error)}`.slice(
            0,
            4_000,
          ),
        }),
      )
      .then((ending) => {
        log?.end();
        const result: AttemptResult = {
          ...task.lease,
          ending,
          agentMs: Math.round(performance.now() - since),
          logBytes: (source ?? log)?.bytes,
          encoding,
        };
        if (isSpooled(task)) this.#keep(result);
        // A result never waits for the log.
        this.#options.logs.hurry();
        this.#end(attempt, result);
      });
  }

  /** Calls `onProgress` REACHED_MS after the first progress that was not reported yet, once for all that comes meanwhile. */
  #notifyReached(): void {
    this.#reachedTimer ??= setTimeout(() => {
      this.#reachedTimer = undefined;
      this.#options.onProgress?.();
    }, REACHED_MS).unref();
  }

  /** A full disk must not end the agent. The result is then only in memory, and lost if this process dies (protocol C4 says what follows). */
  #keep(result: AttemptResult): void {
    try {
      this.#options.results.save(result);
    } catch (error) {
      this.#options.onUnsaved(result.epoch, error);
    }
  }

  #end(attempt: Attempt, result: AttemptResult): void {
    attempt.state = 'ended';
    attempt.controller = undefined;
    this.#options.onResult(result);
  }
}

/** Results of shell programs are in the folders of their attempts. A noop has no effect that a second attempt would repeat. */
function isSpooled(task: Task): boolean {
  return task.spec.type !== 'shell' && task.spec.type !== 'noop';
}

const resultOf = (task: Task, ending: Ending): AttemptResult => ({ ...task.lease, ending, agentMs: 0 });

/** Encoding of the program's output; undefined: utf-8, as for every program inside the agent. */
function encodingOf({ spec }: Task, agentEncoding: string | undefined): string | undefined {
  if (spec.type !== 'shell') return undefined;
  const encoding = spec.encoding ?? agentEncoding;
  return encoding === DEFAULT_ENCODING ? undefined : encoding;
}
