/**
 * What this worker has heard of logs that grew, for coordinators that wait inside their task (decision 0014). A wake signal takes Temporal
 * 12 to 24 ms; a notification of the record comes in one.
 */
import { setTimeout as sleep } from 'node:timers/promises';

interface Look {
  /** performance.now() */
  readonly at: number;
  /** Something was heard of since. */
  heard: boolean;
}

export class Arrivals {
  /** The last look of each coordinator that works here. */
  readonly #looks = new Map<string, Look>();
  readonly #waiting = new Map<string, (came: boolean) => void>();

  /** The coordinator is about to read its log: what was heard of until now, it will find. */
  looking(run: string): void {
    this.#looks.set(run, { at: performance.now(), heard: false });
  }

  /** Something has come into the log; true when its coordinator was waiting here, and so needs no signal. */
  came(run: string): boolean {
    const resolve = this.#waiting.get(run);
    const look = this.#looks.get(run);
    resolve?.(true);
    if (look !== undefined) look.heard = true;
    return resolve !== undefined;
  }

  /** Whether anything has come since the coordinator last looked, or comes within `ms`; looks are at least `spacingMs` apart. */
  async wait(run: string, ms: number, spacingMs: number): Promise<boolean> {
    const look = this.#looks.get(run);
    if (look?.heard !== true && !(await this.#next(run, ms))) return false;
    const rest = spacingMs - (performance.now() - (look?.at ?? 0));
    if (rest > 0) await sleep(rest);
    return true;
  }

  async #next(run: string, ms: number): Promise<boolean> {
    // One that still waits belongs to a task that was given up.
    this.#waiting.get(run)?.(false);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#waiting.set(run, resolve);
    const timer = setTimeout(() => resolve(false), ms);
    const came = await promise;
    clearTimeout(timer);
    if (this.#waiting.get(run) === resolve) this.#waiting.delete(run);
    return came;
  }
}
