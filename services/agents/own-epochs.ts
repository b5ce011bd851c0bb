/** Which run and flow an epoch belongs to, for logs; read once for each epoch. */
import type pg from 'pg';
import { placesOfEpochs } from '../../store/agents/attempt-logs.ts';

/** The attempt of an epoch: an agent writes only the logs of its own attempts. Epochs are never used twice, so an entry stays true. */
export class OwnEpochs {
  readonly #pool: pg.Pool;
  readonly #known = new Map<number, { agent: string; run: string; flow: string }>();

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async placesOf(
    agent: string,
    epochs: readonly number[],
  ): Promise<Map<number, { run: string; flow: string }>> {
    const missing = [...new Set(epochs)].filter((epoch) => !this.#known.has(epoch));
    if (missing.length > 0) {
      if (this.#known.size > 20_000) this.#known.clear();
      for (const { epoch, ...rest } of await placesOfEpochs(this.#pool, missing))
        this.#known.set(epoch, rest);
    }
    const places = new Map<number, { run: string; flow: string }>();
    for (const epoch of epochs) {
      const place = this.#known.get(epoch);
      if (place?.agent === agent) places.set(epoch, place);
    }
    return places;
  }
}
