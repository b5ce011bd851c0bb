/**
 * How a coordinator waits for its log (decision 0014). A wake signal takes Temporal 12 ms, and 24 when there are many (measured): longer than
 * all the rest of a hop between two short flows. So one that is busy waits inside its task, where the worker tells it what it hears.
 */

/** Busy is who finds something for the second time within this time, ms; for so long it waits for more. */
export const BUSY_MS = 200;
/** What comes together is read together: whoever has found many last time leaves so long for more after the first, ms. */
const GATHER_MS = 5;

/** Instants are the record's, ms. */
export class Pace {
  #isBusy = false;
  #found = 0;
  #foundAt = 0;

  /** A look into the log has found so many rows. */
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
