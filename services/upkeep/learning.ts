/** Learning from history by itself: a look every ten minutes in each API; one of them learns what there is to learn (decision 0013). */
import type pg from 'pg';
import type { CatalogueVersion } from '../../store/catalogue/catalogue.ts';
import { learnExpected } from '../../store/history/expected.ts';

export interface LearningDeps {
  readonly pool: pg.Pool;
  readonly versionOf: (version: number) => Promise<CatalogueVersion>;
}

/** Of one and the same cycle, day or month once a day or so, hours once an hour. */
const EVERY_MS = 600_000;
/** Not while everything starts. */
const FIRST_MS = 20_000;

type Log = (facts: object, message: string) => void;

/** Until the returned function is called, which waits for what is being read. */
export function startLearning(
  { pool, versionOf }: LearningDeps,
  log: { debug: Log; warn: Log },
  times: { firstMs: number; everyMs: number } = { firstMs: FIRST_MS, everyMs: EVERY_MS },
): () => Promise<void> {
  const stop = new AbortController();
  let look: Promise<void> = Promise.resolve();
  let timer = setTimeout(begin, times.firstMs);

  function begin(): void {
    look = learn().finally(() => {
      if (!stop.signal.aborted) timer = setTimeout(begin, times.everyMs);
    });
  }

  async function learn(): Promise<void> {
    try {
      const reports = await learnExpected(pool, versionOf, stop.signal);
      if (reports !== null && reports.length > 0)
        log.debug({ reports }, 'learned from history how long flows run and when they end');
    } catch (error) {
      if (!stop.signal.aborted) log.warn({ error }, 'could not learn from history; it is tried again');
    }
  }

  return async () => {
    stop.abort();
    clearTimeout(timer);
    await look;
  };
}
