/**
 * What this worker has heard of logs that grew, for coordinators that wait inside their task (decision 0014). A wake signal takes Temporal
 * 12 to 24 ms; a notification of the record comes in one.
 */
import { setTimeout as sleep } from 'node:timers/promises';

export class Arrivals {
  /** Who waits holds a task of the worker: so many may, the others are signalled. */
  readonly #most: number;
  /** Coordinators that have looked into their logs here -> whether something was heard of since. */
  readonly #heard = new Map<string, boolean>();
  readonly #waiting = new Map<string, (came: boolean) => void>();

  constructor(most: number) {
    this.#most = most;
  }

  /** The coordinator is about to read its log: what was heard of until now, it will find. */
  looking(run: string): void {
    this.#heard.set(run, false);
  }

  /** Whether its coordinator has looked into its log here. */
  knows(run: string): boolean {
    return this.#heard.has(run);
  }

  /** Something has come into the log; true when its coordinator waits here, and so needs no signal. */
  came(run: string): boolean {
    const resolve = this.#waiting.get(run);
    resolve?.(true);
    if (this.#heard.has(run)) this.#heard.set(run, true);
    return resolve !== undefined;
  }

  /**
   * Whether anything has come since the coordinator last looked, or comes within `ms`; then `gatherMs` are left for more. False at once when
   * as many wait as may.
   */
  async wait(run: string, ms: number, gatherMs: number): Promise<boolean> {
    const isThere = this.#heard.get(run) === true;
    const before = this.#waiting.get(run);
    if (!isThere && before === undefined && this.#waiting.size >= this.#most) return false;
    // One that still waits belongs to a task that was given up.
    before?.(false);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#waiting.set(run, resolve);
    if (isThere) resolve(true);
    const timer = setTimeout(() => resolve(false), ms);
    try {
      if (!(await promise)) return false;
      // It has not looked yet: whatever comes meanwhile needs no signal either.
      if (gatherMs > 0) await sleep(gatherMs);
      return true;
    } finally {
      clearTimeout(timer);
      if (this.#waiting.get(run) === resolve) this.#waiting.delete(run);
    }
  }
}
