/**
 * The deliverer (protocol A6): wakes the coordinators of runs whose log is ahead of them. One in every worker; listening to NOTIFY, and
 * each second looking for what a lost notification, a dead API or a parked run has left.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Cycle } from '../graph/model.ts';
import { listen } from '../store/listen.ts';
import { RUN_WORKFLOW, type RunInput, runWorkflowId, WAKE_SIGNAL } from '../workflows/messages.ts';

export interface DelivererDeps {
  readonly pool: pg.Pool;
  readonly databaseUrl: string;
  readonly client: Client;
  readonly taskQueue: string;
  readonly logger: Logger;
  /** Keep time of a finished run by cycle, ms (A8). */
  readonly keepMs: Record<Cycle, number>;
  readonly continueAfterEvents: number;
}

/** Two wake signals of one run are at least this far apart (A6). */
const SPACING_MS = 10;
const POLL_MS = 1_000;
/** How long the end waits for signals in flight. */
const STOP_MS = 3_000;

interface Delivery {
  inFlight: boolean;
  again: boolean;
}

export class Deliverer {
  readonly #deps: DelivererDeps;
  readonly #deliveries = new Map<string, Delivery>();
  readonly #cycles = new Map<string, Cycle>();
  #timer: NodeJS.Timeout | undefined;
  #stopListening: (() => Promise<void>) | undefined;
  #polling: Promise<void> = Promise.resolve();
  readonly #delivering = new Set<Promise<void>>();
  #stopped = false;

  constructor(deps: DelivererDeps) {
    this.#deps = deps;
  }

  async start(): Promise<void> {
    const { databaseUrl, logger } = this.#deps;
    this.#stopListening = await listen(
      databaseUrl,
      ['sluice_log'],
      (_channel, run) => this.wake(run),
      logger,
    );
    this.#polling = this.#poll();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#polling;
    await this.#stopListening?.();
    // Whoever stops us closes the client next: under a call that is being repeated that would end the process.
    await Promise.race([Promise.all(this.#delivering), pause(STOP_MS, undefined, { ref: false })]);
  }

  /** At most one signal in flight per run; what comes meanwhile is one more signal afterwards. */
  wake(run: string): void {
    if (this.#stopped) return;
    const delivery = this.#deliveries.get(run);
    if (delivery?.inFlight) {
      delivery.again = true;
      return;
    }
    this.#deliveries.set(run, { inFlight: true, again: false });
    const delivering = this.#deliver(run).finally(() => this.#delivering.delete(delivering));
    this.#delivering.add(delivering);
  }

  async #deliver(run: string): Promise<void> {
    const { client, taskQueue, logger, keepMs, continueAfterEvents } = this.#deps;
    const delivery = this.#deliveries.get(run)!;
    do {
      delivery.again = false;
      const begun = performance.now();
      try {
        const input: RunInput = {
          run,
          seen: 0,
          keepMs: keepMs[await this.#cycleOf(run)],
          continueAfterEvents,
        };
        await client.workflow.signalWithStart(RUN_WORKFLOW, {
          workflowId: runWorkflowId(taskQueue, run),
          taskQueue,
          args: [input],
          signal: WAKE_SIGNAL,
          signalArgs: [],
        });
      } catch (error) {
        // The poll finds the run again: its log stays ahead of its cursor.
        logger.warn({ run, error }, 'could not wake the coordinator');
      }
      const rest = SPACING_MS - (performance.now() - begun);
      if (rest > 0) await new Promise((resolve) => setTimeout(resolve, rest));
    } while (delivery.again && !this.#stopped);
    this.#deliveries.delete(run);
  }

  async #cycleOf(run: string): Promise<Cycle> {
    const known = this.#cycles.get(run);
    if (known !== undefined) return known;
    const found = await this.#deps.pool.query<{ cycle: Cycle }>('select cycle from runs where id = $1', [
      run,
    ]);
    const cycle = found.rows[0]!.cycle;
    this.#cycles.set(run, cycle);
    return cycle;
  }

  async #poll(): Promise<void> {
    const { pool, logger } = this.#deps;
    try {
      const behind = await pool.query<{ run_id: string }>(
        // A frozen run stands still until a person decides (A9): a signal a second would only fill its history.
        `select c.run_id from run_counters c join runs r on r.id = c.run_id
         where (c.log_seq > c.cursor or c.exchange = 0) and r.frozen is null`,
      );
      for (const row of behind.rows) this.wake(row.run_id);
    } catch (error) {
      logger.warn({ error }, 'could not look for runs whose log is ahead');
    }
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#polling = this.#poll();
    }, POLL_MS);
  }
}
