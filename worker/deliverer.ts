/**
 * The deliverer (protocol A6): wakes the coordinators of runs whose log is ahead of them. One in every worker; listening to NOTIFY, and
 * each second looking for what a lost notification, a dead API or a parked run has left.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Arrivals } from '../activities/arrivals.ts';
import type { Cycle } from '../graph/model.ts';
import { readCycle, readProgress, runsBehind } from '../store/record/run-progress.ts';
import { listen } from '../store/schema/listen.ts';
import type { RunInput } from '../workflows/messages.ts';
import { repeat } from './repeat.ts';
import { signalCoordinator } from './signal-coordinator.ts';
import type { Successor } from './successor.ts';

export interface DelivererDeps {
  readonly pool: pg.Pool;
  readonly databaseUrl: string;
  readonly client: Client;
  readonly successor: Successor;
  readonly arrivals: Arrivals;
  readonly taskQueue: string;
  /** Of the worker's bundle (decision 0009). */
  readonly build: string;
  readonly logger: Logger;
  /** Keep time of a finished run by cycle, ms (A8). */
  readonly keepMs: Record<Cycle, number>;
  readonly continueAfterEvents: number;
}

/** Two wake signals of one run are at least this far apart (A6). */
const SPACING_MS = 10;
const POLL_MS = 1_000;
/** How long one signal may take while Temporal is away; then the poll begins again. The end waits for those in flight. */
const SIGNAL_MS = 3_000;
/**
 * Time in ms without an exchange after which a woken run is looked at: its history may not fit the code, or take too long to replay
 * (decisions 0009, 0011). From then on it is woken and looked at only once in this time: each signal makes the history longer.
 */
const STUCK_MS = 5_000;

/** Time in ms that a coordinator of another worker has to look by itself: it may wait inside its task there (decision 0014). */
const ELSEWHERE_MS = 20;

/** Time in ms for which a coordinator that leaves (A7) is left alone. By then its new execution has begun, or has died and is woken. */
const LEAVING_MS = 10_000;

/** Signals to a run under way: there is one of these as long as there are. */
interface Delivery {
  again: boolean;
  /** The coordinator itself asks for it. */
  wanted: boolean;
}

export class Deliverer {
  readonly #deps: DelivererDeps;
  readonly #deliveries = new Map<string, Delivery>();
  readonly #cycles = new Map<string, Cycle>();
  /** The exchange of a run that was its last when it was signalled, when that was, and when it was first (performance.now). */
  readonly #signalled = new Map<string, { exchange: number; on: number; since: number }>();
  #stopListening: (() => Promise<void>) | undefined;
  #stopPolling: (() => Promise<void>) | undefined;
  readonly #delivering = new Set<Promise<void>>();
  #stopped = false;

  constructor(deps: DelivererDeps) {
    this.#deps = deps;
  }

  async start(): Promise<void> {
    const { databaseUrl, logger } = this.#deps;
    this.#stopListening = await listen(
      databaseUrl,
      ['sluice_log', 'sluice_wake'],
      (channel, run) => this.wake(run, channel === 'sluice_wake'),
      { log: logger },
    );
    this.#stopPolling = repeat(() => this.#poll(), POLL_MS);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#stopPolling?.();
    await this.#stopListening?.();
    // The caller closes the client next: under a call that is being repeated that would end the process.
    await Promise.all(this.#delivering);
  }

  /** A coordinator that waits here hears of it at once. Otherwise at most one signal in flight per run; what comes meanwhile makes one more signal. */
  wake(run: string, wanted = false): void {
    if (this.#stopped) return;
    if (!wanted && this.#deps.arrivals.came(run)) return;
    const delivery = this.#deliveries.get(run);
    if (delivery !== undefined) {
      delivery.again = true;
      delivery.wanted ||= wanted;
      return;
    }
    this.#deliveries.set(run, { again: false, wanted });
    const delivering = this.#deliver(run).finally(() => this.#delivering.delete(delivering));
    this.#delivering.add(delivering);
  }

  async #deliver(run: string): Promise<void> {
    const { client, taskQueue, logger, successor, arrivals } = this.#deps;
    const delivery = this.#deliveries.get(run)!;
    do {
      const { wanted } = delivery;
      delivery.again = false;
      delivery.wanted = false;
      const begun = performance.now();
      try {
        if (!wanted) {
          if (this.#isElsewhere(run)) await sleep(ELSEWHERE_MS);
          // It may have begun to wait meanwhile.
          if (!(await this.#isNeeded(run)) || arrivals.came(run)) continue;
        }
        const input = await this.#inputOf(run);
        if (!wanted && this.#isStuck(run)) await successor.look(input);
        await client.withDeadline(Date.now() + SIGNAL_MS, () => signalCoordinator(client, taskQueue, input));
      } catch (error) {
        // The poll finds the run again: its log stays ahead of its cursor.
        logger.warn({ run, error }, 'could not wake the coordinator');
      }
      const rest = SPACING_MS - (performance.now() - begun);
      if (rest > 0) await sleep(rest);
    } while (delivery.again && !this.#stopped);
    this.#deliveries.delete(run);
  }

  /**
   * Whether a signal would tell the coordinator anything. Not when its last exchange has read the log to the end; not when it has made no
   * exchange since the last signal, which then still waits for it; not while it continues as new: a signal that arrives in that moment
   * makes the server refuse it, and a busy run would never get there.
   */
  async #isNeeded(run: string): Promise<boolean> {
    const progress = await readProgress(this.#deps.pool, run, LEAVING_MS);
    if (progress === null || !progress.unread || progress.leaving) return false;
    const { exchange } = progress;
    const signalled = this.#signalled.get(run);
    const now = performance.now();
    // One that was lost is repeated: by the poll, after its second.
    const rest = this.#isStuck(run) ? STUCK_MS : POLL_MS;
    if (signalled?.exchange === exchange && now - signalled.on < rest) return false;
    const since = signalled?.exchange === exchange ? signalled.since : now;
    this.#signalled.set(run, { exchange, on: now, since });
    return true;
  }

  /** It was signalled from here, and has never looked into its log here. */
  #isElsewhere(run: string): boolean {
    return this.#signalled.has(run) && !this.#deps.arrivals.knows(run);
  }

  #isStuck(run: string): boolean {
    const signalled = this.#signalled.get(run);
    return signalled !== undefined && signalled.on - signalled.since >= STUCK_MS;
  }

  async #inputOf(run: string): Promise<RunInput> {
    const { keepMs, continueAfterEvents, build } = this.#deps;
    return { run, seen: 0, keepMs: keepMs[await this.#cycleOf(run)], continueAfterEvents, build };
  }

  async #cycleOf(run: string): Promise<Cycle> {
    const known = this.#cycles.get(run);
    if (known !== undefined) return known;
    const cycle = await readCycle(this.#deps.pool, run);
    this.#cycles.set(run, cycle);
    return cycle;
  }

  async #poll(): Promise<void> {
    const { pool, logger } = this.#deps;
    try {
      for (const run of await runsBehind(pool)) this.wake(run);
    } catch (error) {
      logger.warn({ error }, 'could not look for runs whose log is ahead');
    }
  }
}
