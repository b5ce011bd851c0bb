/** Openings of runs that this API has begun: a request that is repeated meanwhile waits for the first one. */
import { keyReused } from '../../store/operations/operation-rows.ts';

interface Opening {
  readonly hash: string;
  readonly run: Promise<string>;
}

export class OpeningsUnderWay {
  readonly #byKey = new Map<string, Opening>();

  /**
   * The run that is opened under an actor's key: the one under way, otherwise what `open` begins. `hash` is that of the request; throws
   * `idempotency_key_reused` when the one under way has another.
   */
  join(actor: string, key: string, hash: string, open: () => Promise<string>): Promise<string> {
    const place = JSON.stringify([actor, key]);
    const begun = this.#byKey.get(place);
    if (begun !== undefined) {
      if (begun.hash !== hash) throw keyReused(key);
      return begun.run;
    }
    const run = open().finally(() => this.#byKey.delete(place));
    this.#byKey.set(place, { hash, run });
    return run;
  }
}
