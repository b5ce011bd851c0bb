/**
 * How a coordinator waits for its log (decision 0014). A wake signal takes Temporal 12 ms, and 24 when there are many (measured): longer than
 * all the rest of a hop between two short flows. So one that is busy waits inside its task, where the worker tells it what it hears.
 */

/** Busy is who finds something for the second time within this time, ms; for so long it waits for more. */
export const BUSY_MS = 200;
/** What comes together is read together: between two looks lies a ms for each row that the last one found, and at most so many. */
const SPACING_MS = 25;

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

  /** Least time between two looks, ms; null: it is not busy, and waits for a signal. */
  spacing(now: number): number | null {
    return this.#isBusy && now - this.#foundAt <= BUSY_MS ? Math.min(this.#found, SPACING_MS) : null;
  }
}
