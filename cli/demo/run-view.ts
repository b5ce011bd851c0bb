/** What the demo sees of a run, kept fresh by its events; and waiting for something to become so, with a deadline and never a blind sleep. */
import type { Flow } from '../../contract/flows.ts';
import { SluiceError } from '../../errors.ts';
import type { Client } from '../client.ts';
import { followRun, type Sight } from '../follow.ts';

type Listener = (sight: Sight) => void;

export class RunView {
  readonly run: string;
  readonly #listeners = new Set<Listener>();
  readonly #over = new AbortController();
  readonly #deadlineMs: number;
  readonly #following: Promise<void>;
  #sight: Sight | null = null;
  #failure: unknown = null;

  /** Begins to follow at once. `deadlineMs` bounds every single wait. */
  constructor(client: Client, run: string, deadlineMs: number) {
    this.run = run;
    this.#deadlineMs = deadlineMs;
    this.#following = this.#follow(client);
  }

  async #follow(client: Client): Promise<void> {
    try {
      for await (const sight of followRun(client, this.run, {
        signal: this.#over.signal,
        gapMs: 60,
        pollMs: 1_000,
      })) {
        this.#sight = sight;
        for (const listener of [...this.#listeners]) listener(sight);
      }
    } catch (error) {
      this.#failure = error;
      if (this.#sight !== null) for (const listener of [...this.#listeners]) listener(this.#sight);
    }
  }

  /** Calls `listener` with every new sight until the returned function is called. */
  on(listener: Listener): () => void {
    this.#listeners.add(listener);
    if (this.#sight !== null) listener(this.#sight);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Resolves with the first value that `found` answers (null and false: not yet). Throws `timed_out`, naming what was waited for and
   * which flows stand in which state, or what broke the following.
   */
  until<T>(what: string, found: (sight: Sight) => T | null | false): Promise<T> {
    return new Promise((resolve, reject) => {
      let off = (): void => {};
      let ended = false;
      const end = (settle: () => void): void => {
        ended = true;
        clearTimeout(timer);
        off();
        settle();
      };
      const timer = setTimeout(() => end(() => reject(this.#late(what))), this.#deadlineMs);
      off = this.on((sight) => {
        if (this.#failure !== null) return end(() => reject(this.#failure));
        try {
          const value = found(sight);
          if (value !== null && value !== false) end(() => resolve(value));
        } catch (error) {
          end(() => reject(error));
        }
      });
      // The sight at hand may have been enough already.
      if (ended) off();
    });
  }

  /** The flow as last seen. */
  flow(id: string): Flow | undefined {
    return this.#sight?.flows.find((flow) => flow.id === id);
  }

  async close(): Promise<void> {
    this.#over.abort();
    await this.#following;
  }

  #late(what: string): SluiceError {
    const open = (this.#sight?.flows ?? [])
      .filter((flow) => !isDone(flow))
      .map((flow) => `${flow.id} ${flow.state}`);
    return new SluiceError(
      'timed_out',
      `${this.run}: ${what} did not come within ${this.#deadlineMs / 1_000} s; open: ${open.slice(0, 12).join(', ') || 'nothing'}`,
      { facts: { run: this.run, waitedFor: what, open } },
    );
  }
}

export const isDone = (flow: Flow): boolean =>
  flow.state === 'succeeded' || flow.state === 'skipped' || flow.state === 'force_passed';

/** Not sent, not running, no result. */
export const isWaiting = (flow: Flow): boolean =>
  flow.state.startsWith('waiting_') || flow.state === 'not_triggered' || flow.state === 'held';
