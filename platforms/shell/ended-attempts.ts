/** Which attempts the keeper has reported as ended: names in a folder, which is watched and also read at intervals. */
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
        // The removal of a name is an event with the same name, which must not count as an end.
        if (name !== null && existsSync(join(this.#folder, name))) this.#note(name);
      });
      this.#watcher.on('error', () => {});
    } catch {
      // The machine has no file watch left. Reading the folder finds the same, a little later.
    }
    this.#look();
  }

  of(epoch: number): Ended | undefined {
    return this.#known.get(epoch);
  }

  /** Resolves when the attempt is reported as ended, after `ms` at the latest; never after `close`. */
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
    for (const name of readdirSync(this.#folder)) this.#note(name);
  }

  #note(name: string): void {
    const found = parseEnded(name);
    if (found === undefined) return;
    const { epoch, ended } = found;
    this.#known.set(epoch, ended);
    this.#waiting.get(epoch)?.();
  }
}
