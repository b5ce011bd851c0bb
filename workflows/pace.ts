/**
 * How a coordinator waits for its log (decision 0014). A wake signal takes Temporal 12 ms, and 24 when there are many (measured): longer than
 * all the rest of a hop between two short flows. So one that is busy waits inside its task, where the worker tells it what it hears.
 */

/** A coordinator that finds something twice within this time, ms, is busy; it waits this long for more. */
export const BUSY_MS = 200;
/** Longest time in ms that a coordinator which found many rows last time leaves for more after the first: what comes together is read together. */
const GATHER_MS = 5;

/** Instants are the record's, ms. */
export class Pace {
  #isBusy = false;
  #found = 0;
  #foundAt = 0;

  /** A look into the log has found `found` rows. */
  read(found: number, now: number): void {
    if (found === 0) return;
    this.#isBusy = now - this.#foundAt <= BUSY_MS;
    this.#found = found;
    this.#foundAt = now;
  }

  /** How long it leaves for more when something comes, whole ms; null: it is not busy, and waits for a signal. */
  gatherMs(now: number): number | null {
    const isBusy = this.#isBusy && now - this.#foundAt <= BUSY_MS;
    return isBusy ? Math.min(this.#found >> 1, GATHER_MS) : null;
  }
}
