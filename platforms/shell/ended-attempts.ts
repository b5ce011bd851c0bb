/** What the keeper says to have ended: names in a folder that is watched, and looked at now and then besides. */
import { existsSync, type FSWatcher, readdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import { type Ended, endedOf, parseEnded } from './attempt-folder.ts';

export class EndedAttempts {
  readonly #folder: string;
  readonly #known = new Map<number, Ended>();
  readonly #waiting = new Map<number, () => void>();
  #watcher: FSWatcher | undefined;
  #closed = false;
  #lookedOn = Number.NEGATIVE_INFINITY;

  constructor(spool: string) {
    this.#folder = endedOf(spool);
    try {
      this.#watcher = watch(this.#folder, { persistent: false }, (_event, name) => {
        // The event of a removal has the same name: what it says was forgotten.
        if (name !== null && existsSync(join(this.#folder, name))) this.#hear(name);
      });
      this.#watcher.on('error', () => {});
    } catch {
      // A machine out of watches: looking finds the same, a little later.
    }
    this.#look();
  }

  of(epoch: number): Ended | undefined {
    return this.#known.get(epoch);
  }

  /** Resolves when the attempt is said to have ended, after `ms` at the latest; never after `close`. */
  async next(epoch: number, ms: number): Promise<void> {
    if (this.#closed) await new Promise(() => {});
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#waiting.set(epoch, () => {
        clearTimeout(timer);
        resolve();
      });
    });
    this.#waiting.delete(epoch);
    if (!this.#known.has(epoch) && performance.now() - this.#lookedOn >= ms) this.#look();
  }

  forget(epoch: number): void {
    this.#known.delete(epoch);
  }

  close(): void {
    this.#closed = true;
    this.#watcher?.close();
  }

  #look(): void {
    this.#lookedOn = performance.now();
    for (const name of readdirSync(this.#folder)) this.#hear(name);
  }

  #hear(name: string): void {
    const found = parseEnded(name);
    if (found === undefined) return;
    const { epoch, ended } = found;
    this.#known.set(epoch, ended);
    this.#waiting.get(epoch)?.();
  }
}
