/** Claims flows for free slots, and launches those whose `started` the API has accepted (protocol C2, C4). */
import type { EventLogger } from '../logging.ts';
import { pause } from './api-client.ts';
import type { Attempts } from './attempts.ts';
import { Gather } from './gather.ts';
import type { Session } from './session.ts';

/** Longest wait of one claim at the API, ms. */
const CLAIM_WAIT_MS = 20_000;
/** An API holds a claim that finds nothing. When one answers empty sooner than this, ms, the agent waits as long before the next claim. */
const EMPTY_PAUSE_MS = 250;
/** Pause after the API has refused a claim, ms. */
const REFUSED_PAUSE_MS = 5_000;
/** Leases in one call of `started`: the limit of the contract. */
const STARTED_LIMIT = 1_000;

export interface ClaimLoopOptions {
  readonly session: Session;
  readonly attempts: Attempts;
  readonly slots: number;
  /** Longest wait of one claim at the API, ms; default 20 s. */
  readonly waitMs?: number | undefined;
  readonly logger: EventLogger;
}

export class ClaimLoop {
  readonly #options: ClaimLoopOptions;
  readonly #stopping = new AbortController();
  readonly #starting: Gather<number>;
  #wake = (): void => {};

  constructor(options: ClaimLoopOptions) {
    this.#options = options;
    this.#starting = new Gather(STARTED_LIMIT, (epochs) => this.#start(epochs));
  }

  /** Aborted by `stop`. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  get stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** A slot is free. */
  slotFreed(): void {
    this.#wake();
  }

  /** Nothing more is claimed, and `run` resolves. */
  stop(): void {
    this.#stopping.abort();
    this.#wake();
  }

  async run(): Promise<void> {
    const { attempts, session, logger, slots } = this.#options;
    while (!this.stopped) {
      const free = slots - attempts.size;
      if (free <= 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      await this.#claim(free).catch(async (error: unknown) => {
        if (this.stopped) return;
        if (await session.renewedAfter(error)) return;
        if (this.stopped) return;
        logger.error({ err: error }, 'the API refuses a claim: the agent tries again');
        await pause(REFUSED_PAUSE_MS, this.signal).catch(() => {});
      });
    }
  }

  async #claim(free: number): Promise<void> {
    const { attempts, session, waitMs = CLAIM_WAIT_MS } = this.#options;
    await session.settled();
    const since = performance.now();
    const answer = await session.calls.claim(free, waitMs, { ...session.retry, signal: this.signal });
    for (const task of answer.tasks) {
      if (attempts.has(task.lease.epoch)) continue;
      attempts.claim(task);
      this.#starting.push(task.lease.epoch);
    }
    attempts.stop(answer.stop, 'cancel');
    if (answer.tasks.length === 0 && performance.now() - since < EMPTY_PAUSE_MS) {
      await pause(EMPTY_PAUSE_MS, this.signal);
    }
  }

  /** Protocol C4: only what is answered ok is launched. */
  async #start(epochs: number[]): Promise<void> {
    const { attempts, session, logger } = this.#options;
    for (;;) {
      try {
        const sentOn = performance.now();
        const answer = await session.calls.started(epochs, session.retry);
        attempts.stop(answer.stop, 'cancel');
        if (!session.isRecent(sentOn)) continue;
        const accepted = new Set(answer.ok);
        for (const epoch of epochs) {
          if (accepted.has(epoch)) attempts.launch(epoch);
          else attempts.forget(epoch);
        }
        return;
      } catch (error) {
        if (await session.renewedAfter(error)) continue;
        if (!session.closed)
          logger.error({ err: error, epochs }, 'the API refuses started: nothing is launched');
        for (const epoch of epochs) attempts.forget(epoch);
        return;
      }
    }
  }
}
