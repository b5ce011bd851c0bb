/**
 * How a coordinator waits for its log (decision 0014). A wake signal takes 12 ms through Temporal, and 24 ms when there are many (measured): longer
 * than all the rest of a hop between two short flows. So a busy coordinator waits inside its task, where the worker notifies it of new rows.
 */

/** A coordinator that finds rows twice within this time, ms, is busy. It then waits for this time inside its task. */
export const BUSY_MS = 200;
/** Longest wait for more rows after the first, ms, of a coordinator that found many rows last time: so rows that come together are read together. */
const GATHER_MS = 5;

/** How busy a coordinator is. Instants are those of the record's clock, ms. */
export class Pace {
  #isBusy = false;
  #found = 0;
  #foundAt = 0;

  /** The log was read, and `found` new rows were in it. */
  read(found: number, now: number): void {
    if (found === 0) return;
    this.#isBusy = now - this.#foundAt <= BUSY_MS;
    this.#found = found;
    this.#foundAt = now;
  }

  /** How long it waits for more rows after the first, whole ms; null: it is not busy and waits for a signal. */
  gatherMs(now: number): number | null {
    const isBusy = this.#isBusy && now - this.#foundAt <= BUSY_MS;
    return isBusy ? Math.min(this.#found >> 1, GATHER_MS) : null;
  }
}
