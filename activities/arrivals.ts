/**
 * Lets coordinators of this worker wait for log rows inside their workflow task (decision 0014). A notification of PostgreSQL takes 1 ms, a
 * wake signal through Temporal 12 to 24 ms.
 */
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Why a wait has ended. `came`: a row has come into the log. `time`: its time is over. `given up`: Temporal has given up the workflow task that
 * waited, and the next task of the same run has begun to wait.
 */
type Ended = 'came' | 'time' | 'given up';

/** Longest wait for a due moment, ms. A coordinator waits 1 s at most (workflows/run.ts, NEAR_MS), so a longer wait comes from clocks that disagree. */
const LONGEST_WAIT_MS = 2_000;

export class Arrivals {
  /** Maximum number of coordinators that wait at once; the others are woken by a signal. Each occupies one of the worker's slots for workflow tasks. */
  readonly #limit: number;
  /** The runs whose coordinator has read its log in this worker, each with whether a row has come since. */
  readonly #heard = new Map<string, boolean>();
  readonly #waiting = new Map<string, (why: Ended) => void>();
  /** By run: the record's clock minus `performance.now` of this process, at the last exchange, ms. */
  readonly #clocks = new Map<string, number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The coordinator is about to read its log, and will find all rows that have come. */
  looking(run: string): void {
    this.#heard.set(run, false);
  }

  /** Notes the record's clock, as an exchange has just answered it. */
  clock(run: string, now: number): void {
    this.#clocks.set(run, now - performance.now());
  }

  /** Whether the run's coordinator has ever read its log in this worker. */
  knows(run: string): boolean {
    return this.#heard.has(run);
  }

  /** A row has come into the log. Answers true when the coordinator waits here and needs no signal. */
  came(run: string): boolean {
    const resolve = this.#waiting.get(run);
    resolve?.('came');
    if (this.#heard.has(run)) this.#heard.set(run, true);
    return resolve !== undefined;
  }

  /**
   * Answers true when a row has come since the coordinator last read its log, or comes within `ms`; it then waits `gatherMs` for more rows.
   * With `due`, an instant of the record's clock, it answers true at that instant, too. False at once when `#limit` coordinators wait.
   */
  async wait(run: string, ms: number, gatherMs: number, due = 0): Promise<boolean> {
    const isThere = this.#heard.get(run) === true;
    const before = this.#waiting.get(run);
    if (!isThere && before === undefined && this.#waiting.size >= this.#limit) return false;
    // A run has one task at a time, so the earlier wait belongs to a task that Temporal has given up.
    before?.('given up');
    const { promise, resolve } = Promise.withResolvers<Ended>();
    this.#waiting.set(run, resolve);
    if (isThere) resolve('came');
    const timer = setTimeout(() => resolve('time'), due === 0 ? ms : this.#until(run, due));
    try {
      const why = await promise;
      // The coordinator reads its log after this, so rows that come meanwhile need no signal either.
      if (why === 'came' && gatherMs > 0) await sleep(gatherMs);
      return why === 'came' || (why === 'time' && due !== 0);
    } finally {
      clearTimeout(timer);
      if (this.#waiting.get(run) === resolve) this.#waiting.delete(run);
    }
  }

  /** Whole ms until the record's clock reaches `due`; 0 when the difference to that clock is not known yet. */
  #until(run: string, due: number): number {
    const clock = this.#clocks.get(run);
    if (clock === undefined) return 0;
    return Math.min(Math.max(0, Math.ceil(due - clock - performance.now())), LONGEST_WAIT_MS);
  }
}
