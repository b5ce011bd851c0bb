/**
 * Gathers items and sends them in lists, one call in flight at a time: while one is under way the next list grows
 * (protocol C1, C2). Items keep their order.
 */
export class Gather<T> {
  readonly #send: (items: T[]) => Promise<void>;
  readonly #most: number;
  #waiting: T[] = [];
  #busy = false;
  #idle: (() => void)[] = [];

  /** `send` handles its own failures: it resolves when its items need no further care here. */
  constructor(most: number, send: (items: T[]) => Promise<void>) {
    this.#most = most;
    this.#send = send;
  }

  push(item: T): void {
    this.#waiting.push(item);
    if (this.#busy) return;
    this.#busy = true;
    // At the end of this turn: what is pushed in it travels together.
    setImmediate(() => void this.#run());
  }

  /** Resolves when nothing waits and no call is in flight. */
  idle(): Promise<void> {
    return this.#busy ? new Promise((resolve) => this.#idle.push(resolve)) : Promise.resolve();
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const items = this.#waiting.splice(0, this.#most);
      await this.#send(items);
    }
    this.#busy = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
