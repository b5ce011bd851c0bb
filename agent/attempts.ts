/**
 * The attempts this agent answers for, from the claim to the acknowledged result. Each holds a slot (protocol C8).
 */
import type { AttemptResult, Reached, Waits } from '../contract/agent.ts';
import { DEFAULT_ENCODING } from '../encoding.ts';
import type { LogSource } from '../platforms/log-source.ts';
import { noopEnding } from '../platforms/noop.ts';
import type {
  Ending,
  ExecuteContext,
  Platform,
  ProgramType,
  StopReason,
  Task,
  Waiting,
} from '../platforms/platform.ts';
import type { ShellPlatform } from '../platforms/shell/shell.ts';
import type { LogShipper } from './log-shipper.ts';
import { MemoryLog } from './memory-log.ts';
import type { ResultSpool } from './result-spool.ts';

export interface Platforms extends Record<Exclude<ProgramType, 'shell'>, Platform> {
  readonly shell: ShellPlatform;
}

/** Delay in ms between the progress of a program and its report to the API. Progress made meanwhile goes with the same report. */
const REACHED_MS = 1_000;

/** claimed -> (started was ok) running -> ended -> (acknowledged) forgotten. */
interface Attempt {
  readonly epoch: number;
  /** Undefined for a result that an earlier process left. */
  readonly task: Task | undefined;
  state: 'claimed' | 'running' | 'ended';
  /** Why it is to end early; for one that is only claimed: it is not launched. */
  stopped: StopReason | undefined;
  controller: AbortController | undefined;
  /** What its program waits for outside the engine. */
  waits: Waiting | null;
  /** How far its program has come, where that cannot be undone. */
  reached: string | null;
  /** performance.now() of the last heartbeat whose answer knew the lease. */
  contactOn: number;
}

export interface AttemptsOptions {
  readonly platforms: Platforms;
  readonly results: ResultSpool;
  readonly logs: LogShipper;
  /** What programs write in that declare nothing; default utf-8. */
  readonly encoding?: string | undefined;
  /** A result is ready to be sent. */
  readonly onResult: (result: AttemptResult) => void;
  /** What a program waits for, or how far one has come, has changed. */
  readonly onWaits?: () => void;
  /** An attempt was forgotten: its slot is free. */
  readonly onFree: () => void;
  /** A result could not be kept on the disk; it is sent all the same. */
  readonly onUnsaved: (epoch: number, error: unknown) => void;
}

export class Attempts {
  readonly #options: AttemptsOptions;
  readonly #held = new Map<number, Attempt>();
  #telling: NodeJS.Timeout | undefined;

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

  /** Attempts that this process still works on; `inside`: without shell programs, which can do without it. */
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
   * Finds what an earlier process left in the spool: undelivered results and shell programs. They are held from now on;
   * the answer, called once the API knows this process, delivers and goes on with them.
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

  /** `started` was answered ok (protocol C4): launches the program, unless a stop came meanwhile. */
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
   * Ends running programs early; claimed ones are not launched. Unknown epochs are no error. Returns those that this
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

  /** A person decided that these end although processes of their programs live on. */
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

  /** How far running programs have come whose statements commit by themselves. */
  reached(): Reached {
    return [...this.#held.values()].flatMap(({ epoch, state, reached }) =>
      state !== 'running' || reached === null ? [] : [{ epoch, said: reached }],
    );
  }

  /** A heartbeat was answered: these epochs are known to the API. */
  contact(epochs: Iterable<number>): void {
    const now = performance.now();
    const known = new Set(epochs);
    for (const epoch of known) {
      const attempt = this.#held.get(epoch);
      if (attempt !== undefined) attempt.contactOn = now;
    }
    this.#options.platforms.shell.touch(known);
  }

  /** Ends programs inside the agent that had no contact for `orphanMs` (C4); the keeper does so for shell programs. */
  endOrphans(): void {
    const now = performance.now();
    for (const attempt of this.#held.values()) {
      const { task, state, contactOn, epoch } = attempt;
      if (state !== 'running' || task === undefined || task.spec.type === 'shell') continue;
      if (now - contactOn > task.orphanMs) this.stop([epoch], 'orphan');
    }
  }

  /** The API needs nothing more of this attempt. */
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
    // Opened with the first line: most noops have none.
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
        this.#options.onWaits?.();
      },
      reached: (howFar) => {
        attempt.reached = howFar;
        this.#tellReached();
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
        // The log follows, or has come already: no end waits for it.
        this.#options.logs.hurry();
        this.#end(attempt, result);
      });
  }

  /** Soon, once for all statements that begin meanwhile. */
  #tellReached(): void {
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      this.#options.onWaits?.();
    }, REACHED_MS).unref();
  }

  /** A full disk must not end the agent: the result then lives in memory, and is lost only with this process (C4 has an answer to that). */
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

/** Shell results lie in their own folder; a noop has no effect that a second attempt would double. */
function isSpooled(task: Task): boolean {
  return task.spec.type !== 'shell' && task.spec.type !== 'noop';
}

const resultOf = (task: Task, ending: Ending): AttemptResult => ({ ...task.lease, ending, agentMs: 0 });

/** What its output is in; undefined: utf-8, as of all that runs inside the agent. */
function encodingOf({ spec }: Task, ofAgent: string | undefined): string | undefined {
  if (spec.type !== 'shell') return undefined;
  const encoding = spec.encoding ?? ofAgent;
  return encoding === DEFAULT_ENCODING ? undefined : encoding;
}
