/** Retention as the API carries it out: when asked to, and by itself, a pass an hour in one of the APIs. */
import type pg from 'pg';
import {
  type PassLimits,
  type RetentionPolicy,
  type RetentionReport,
  runRetention,
} from '../../store/retention/retention.ts';
import type { LogStore } from '../log-store.ts';

export interface RetentionDeps {
  readonly copyPool: pg.Pool;
  readonly retention: RetentionPolicy;
  readonly logs: LogStore;
}

/** One pass; what the attempts of archived runs wrote goes too. Null when another process is at it. */
export async function retain(
  { copyPool, retention, logs }: RetentionDeps,
  limits: PassLimits,
): Promise<RetentionReport | null> {
  const report = await runRetention(copyPool, retention, limits);
  for (const { run } of report?.archived ?? []) await logs.forget(run);
  return report;
}

const EVERY_MS = 3_600_000;
/** Not while everything starts. */
const FIRST_MS = 300_000;
/** Runs a pass: 24 hours, a day and a month come in a day; more is a backlog. */
const RUNS = 200;

type Log = (facts: object, message: string) => void;

/** Until the returned function is called, which waits for the run that is being written. */
export function startRetention(
  deps: RetentionDeps,
  log: { info: Log; warn: Log },
  times: { firstMs: number; everyMs: number } = { firstMs: FIRST_MS, everyMs: EVERY_MS },
): () => Promise<void> {
  const stop = new AbortController();
  let pass: Promise<void> = Promise.resolve();
  let timer = setTimeout(begin, times.firstMs);

  function begin(): void {
    pass = look().finally(() => {
      if (!stop.signal.aborted) timer = setTimeout(begin, times.everyMs);
    });
  }

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

  return async () => {
    stop.abort();
    clearTimeout(timer);
    await pass;
  };
}
