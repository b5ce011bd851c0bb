/** The activities of the workflows; `exchange` and `exchangeOnArrival` make the exchange of protocol A5. */
import type pg from 'pg';
import type { CatalogueVersion } from '../store/catalogue/catalogue.ts';
import type { ContextReader } from '../store/record/run-context.ts';
import { setFrozen } from '../store/record/run-progress.ts';
import { type LoadedRun, loadRun } from '../store/record/run-state.ts';
import { openDue } from '../store/schedules/open-due.ts';
import type { Arrivals } from './arrivals.ts';
import { type ExchangeRequest, type ExchangeResult, exchange } from './exchange.ts';

export interface ActivityDeps {
  readonly pool: pg.Pool;
  readonly versionOf: (version: number) => Promise<CatalogueVersion>;
  readonly contextOf: ContextReader;
  readonly arrivals: Arrivals;
  /** Grace after the orphan time of a lost attempt, ms (protocol C4). */
  readonly graceMs: number;
}

export interface Activities {
  loadRun(run: string): Promise<LoadedRun>;
  exchange(request: ExchangeRequest): Promise<ExchangeResult>;
  /**
   * Waits for a row of the log, then `gatherMs` for more, or for the moment `due` by the record's clock (0 = none), and makes the exchange.
   * Answers null when no row comes within `waitMs` (protocol A5, A6).
   */
  exchangeOnArrival(
    request: ExchangeRequest,
    waitMs: number,
    gatherMs: number,
    due: number,
  ): Promise<ExchangeResult | null>;
  freezeRun(run: string, exchangeOfRecord: number): Promise<void>;
  /**
   * Decides all slots of a schedule that are due. `firedMs`: the moment for which Temporal fired it. While the clock of the record is before that
   * moment the call fails, and Temporal repeats it.
   */
  openDue(schedule: string, firedMs: number): Promise<void>;
}

export function createActivities({
  pool,
  versionOf,
  contextOf,
  arrivals,
  graceMs,
}: ActivityDeps): Activities {
  const exchangeNow: Activities['exchange'] = async (request) => {
    arrivals.looking(request.run);
    const result = await exchange(pool, await contextOf(request.run), request);
    if (!('refused' in result)) arrivals.clock(request.run, result.now);
    if (!('refused' in result) || result.refused !== 'moved') return result;
    // The run has another catalogue version than this worker knew: it is read again, and the exchange asked for once more (protocol A5, D8).
    contextOf.forget(request.run);
    return exchange(pool, await contextOf(request.run), request);
  };
  return {
    async loadRun(run) {
      // This worker may have read the run before it adopted its present version (protocol D8).
      contextOf.forget(run);
      return loadRun(pool, await contextOf(run), graceMs);
    },
    exchange: exchangeNow,
    exchangeOnArrival: async (request, waitMs, gatherMs, due) =>
      (await arrivals.wait(request.run, waitMs, gatherMs, due)) ? exchangeNow(request) : null,
    async freezeRun(run, exchangeOfRecord) {
      const reason = `the workflow has seen more exchanges than the record (${exchangeOfRecord}): was the database restored?`;
      await setFrozen(pool, run, reason);
    },
    openDue: (schedule, firedMs) => openDue({ pool, versionOf }, schedule, firedMs),
  };
}
