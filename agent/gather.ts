/**
 * Collects items and sends them in lists, with one call in flight at a time. While a call is in flight, the next list grows
 * (protocol C1, C2). Items keep their order.
 */
export class Gather<T> {
  readonly #send: (items: T[]) => Promise<void>;
  readonly #limit: number;
  #waiting: T[] = [];
  #busy = false;
  #idle: (() => void)[] = [];

  /** A list has at most `limit` items. `send` handles its own failures: it resolves when the list can be forgotten here. */
  constructor(limit: number, send: (items: T[]) => Promise<void>) {
    this.#limit = limit;
    this.#send = send;
  }

  push(item: T): void {
    this.#waiting.push(item);
    if (this.#busy) return;
    this.#busy = true;
    // Everything that is pushed in this turn of the event loop goes into one call.
    setImmediate(() => void this.#run());
  }

  /** Resolves when nothing waits and no call is in flight. */
  idle(): Promise<void> {
    return this.#busy ? new Promise((resolve) => this.#idle.push(resolve)) : Promise.resolve();
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const items = this.#waiting.splice(0, this.#limit);
      await this.#send(items);
    }
    this.#busy = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
