/** Retention: on request, and one pass an hour by itself in one of the APIs. */
import type pg from 'pg';
import {
  type PassLimits,
  type RetentionPolicy,
  type RetentionReport,
  runRetention,
} from '../../store/retention/retention.ts';
import { repeat } from '../../store/schema/repeat.ts';
import type { LogStore } from '../log-store.ts';

export interface RetentionDeps {
  readonly copyPool: pg.Pool;
  readonly retention: RetentionPolicy;
  readonly logs: LogStore;
}

/** One pass, which also deletes the logs of archived runs. Null when another process is running one. */
export async function retain(
  { copyPool, retention, logs }: RetentionDeps,
  limits: PassLimits,
): Promise<RetentionReport | null> {
  const report = await runRetention(copyPool, retention, limits);
  for (const { run } of report?.archived ?? []) await logs.forget(run);
  return report;
}

/** Interval of the passes, ms. */
const EVERY_MS = 3_600_000;
/** Delay before the first pass, ms: not while everything starts. */
const FIRST_MS = 300_000;
/** Maximum number of runs in a pass. A day adds at most 26: 24 hours, a day and a month. */
const RUNS = 200;

type Log = (facts: object, message: string) => void;

/** Runs until the returned function is called; that function waits for the run being written. */
export function startRetention(
  deps: RetentionDeps,
  log: { info: Log; warn: Log },
  times: { firstMs: number; everyMs: number } = { firstMs: FIRST_MS, everyMs: EVERY_MS },
): () => Promise<void> {
  const stop = new AbortController();

  async function look(): Promise<void> {
    try {
      const report = await retain(deps, { limit: RUNS, signal: stop.signal });
      if (report !== null && report.archived.length + report.auditRows > 0)
        log.info(
          { runs: report.archived.map((entry) => entry.run), auditRows: report.auditRows },
          'runs that were over long enough went into the archive',
        );
    } catch (error) {
      log.warn({ error }, 'retention did not get through; it goes on in an hour');
    }
  }

  const end = repeat(look, times.everyMs, times.firstMs);
  return () => {
    stop.abort();
    return end();
  };
}
