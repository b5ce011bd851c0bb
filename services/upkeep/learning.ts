/** Learns expected durations from history: every API checks every ten minutes, and one of them learns (decision 0013). */
import type pg from 'pg';
import type { CatalogueVersion } from '../../store/catalogue/catalogue.ts';
import { learnExpected } from '../../store/history/expected.ts';
import { repeat } from '../../store/schema/repeat.ts';

export interface LearningDeps {
  readonly pool: pg.Pool;
  readonly versionOf: (version: number) => Promise<CatalogueVersion>;
}

/** Interval of the checks, ms. Day and month runs have something to learn about once a day, hour runs once an hour. */
const EVERY_MS = 600_000;
/** Delay before the first check, ms: not while everything starts. */
const FIRST_MS = 20_000;

type Log = (facts: object, message: string) => void;

/** Runs until the returned function is called; that function waits for the reading under way. */
export function startLearning(
  { pool, versionOf }: LearningDeps,
  log: { debug: Log; warn: Log },
  times: { firstMs: number; everyMs: number } = { firstMs: FIRST_MS, everyMs: EVERY_MS },
): () => Promise<void> {
  const stop = new AbortController();

  async function learn(): Promise<void> {
    try {
      const reports = await learnExpected(pool, versionOf, stop.signal);
      if (reports !== null && reports.length > 0)
        log.debug({ reports }, 'learned from history how long flows run and when they end');
    } catch (error) {
      if (!stop.signal.aborted) log.warn({ error }, 'could not learn from history; it is tried again');
    }
  }

  const end = repeat(learn, times.everyMs, times.firstMs);
  return () => {
    stop.abort();
    return end();
  };
}
