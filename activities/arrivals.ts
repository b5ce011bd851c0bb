/**
 * What this worker has heard of logs that grew, for coordinators that wait inside their task (decision 0014). A wake signal takes Temporal
 * 12 to 24 ms; a notification of the record comes in one.
 */
import { setTimeout as sleep } from 'node:timers/promises';

/** How a wait ends; one that was given up belonged to a task that was. */
type Ended = 'came' | 'time' | 'given up';

/** Longest wait for a due moment inside a task, ms. Coordinators ask for 1 s at most; a longer one would come from clocks that disagree. */
const LONGEST_WAIT_MS = 2_000;

export class Arrivals {
  /** A waiting coordinator occupies one workflow-task slot. At most this many may wait; the others are woken by a signal. */
  readonly #limit: number;
  /** Coordinators that have looked into their logs here -> whether something was heard of since. */
  readonly #heard = new Map<string, boolean>();
  readonly #waiting = new Map<string, (why: Ended) => void>();
  /** The record's clock when an exchange was answered, less this process's own (performance.now), by run, ms. */
  readonly #clocks = new Map<string, number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The coordinator is about to read its log: what was heard of until now, it will find. */
  looking(run: string): void {
    this.#heard.set(run, false);
  }

  /** What the record's clock was a moment ago. */
  clock(run: string, now: number): void {
    this.#clocks.set(run, now - performance.now());
  }

  /** Whether its coordinator has looked into its log here. */
  knows(run: string): boolean {
    return this.#heard.has(run);
  }

  /** Something has come into the log; true when its coordinator waits here, and so needs no signal. */
  came(run: string): boolean {
    const resolve = this.#waiting.get(run);
    resolve?.('came');
    if (this.#heard.has(run)) this.#heard.set(run, true);
    return resolve !== undefined;
  }

  /**
   * Whether anything has come since the coordinator last looked, or comes within `ms`; then `gatherMs` are left for more. With `due`, an
   * instant of the record's clock, true when it is reached. False at once when as many wait as may.
   */
  async wait(run: string, ms: number, gatherMs: number, due = 0): Promise<boolean> {
    const isThere = this.#heard.get(run) === true;
    const before = this.#waiting.get(run);
    if (!isThere && before === undefined && this.#waiting.size >= this.#limit) return false;
    // One that still waits belongs to a task that was given up.
    before?.('given up');
    const { promise, resolve } = Promise.withResolvers<Ended>();
    this.#waiting.set(run, resolve);
    if (isThere) resolve('came');
    const timer = setTimeout(() => resolve('time'), due === 0 ? ms : this.#until(run, due));
    try {
      const why = await promise;
      // It has not looked yet: whatever comes meanwhile needs no signal either.
      if (why === 'came' && gatherMs > 0) await sleep(gatherMs);
      return why === 'came' || (why === 'time' && due !== 0);
    } finally {
      clearTimeout(timer);
      if (this.#waiting.get(run) === resolve) this.#waiting.delete(run);
    }
  }

  /** Whole ms until the record's clock is there; 0 when nothing is known of it. */
  #until(run: string, due: number): number {
    const clock = this.#clocks.get(run);
    if (clock === undefined) return 0;
    return Math.min(Math.max(0, Math.ceil(due - clock - performance.now())), LONGEST_WAIT_MS);
  }
}
