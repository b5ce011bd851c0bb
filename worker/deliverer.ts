/**
 * The deliverer (protocol A6): wakes the coordinators of runs whose log is ahead of them. Every worker has one. It listens to NOTIFY, and
 * each second it looks for runs that no notification reached: one was lost, an API died, or the run was parked.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Arrivals } from '../activities/arrivals.ts';
import type { Cycle } from '../graph/model.ts';
import { readCycle, readProgress, runsBehind } from '../store/record/run-progress.ts';
import { listen } from '../store/schema/listen.ts';
import { repeat } from '../store/schema/repeat.ts';
import type { RunInput } from '../workflows/messages.ts';
import { signalCoordinator } from './signal-coordinator.ts';
import type { Successor } from './successor.ts';

export interface DelivererDeps {
  readonly pool: pg.Pool;
  readonly databaseUrl: string;
  readonly client: Client;
  readonly successor: Successor;
  readonly arrivals: Arrivals;
  readonly taskQueue: string;
  /** Build of the worker's bundle (decision 0009). */
  readonly build: string;
  readonly logger: Logger;
  /** Keep time of a finished run by cycle, ms (protocol A8). */
  readonly keepMs: Record<Cycle, number>;
  readonly continueAfterEvents: number;
}

/** Least time between two wake signals to one run, ms (protocol A6). */
const SPACING_MS = 10;
/** Rest between two looks for runs whose log is ahead, ms. */
const POLL_MS = 1_000;
/** Deadline of one signal, ms, when Temporal does not answer; the next look tries again. `stop` waits for signals under way. */
const SIGNAL_MS = 3_000;
/**
 * Time in ms without an exchange after which a run that was woken counts as stuck: its history may not fit the code, or take too long to
 * replay (decisions 0009, 0011). A stuck run is woken and examined once in this time, as each signal makes its history longer.
 */
const STUCK_MS = 5_000;

/**
 * Pause before a signal, ms, when the coordinator seems to run in another worker. It may wait inside its task there and read its log within
 * this time; without the pause it got a signal for every row of its log (decision 0014).
 */
const ELSEWHERE_MS = 20;

/**
 * Time in ms for which a coordinator gets no signal after it has announced that it continues as new (protocol A7), unless its next exchange comes
 * earlier. The new execution loads 18,000 flows in about a second (decision 0010); when it has made no exchange by then, it is woken.
 */
const LEAVING_MS = 10_000;

/** What has come for a run while a signal to it is being sent. */
interface Delivery {
  /** Something has come since that signal was begun, so another one has to be considered after it. */
  more: boolean;
  /** The coordinator itself has asked for a signal (`ExchangeRequest.wake`): it is sent without asking whether it is needed. */
  requested: boolean;
}

export class Deliverer {
  readonly #deps: DelivererDeps;
  readonly #deliveries = new Map<string, Delivery>();
  readonly #cycles = new Map<string, Cycle>();
  /** By run: its last exchange when it was signalled, the time of the last signal since that exchange, and of the first (performance.now). */
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
    // The caller closes the client next. A call that is repeated on a closed client throws where nobody catches it, and the process ends.
    await Promise.all(this.#delivering);
  }

  /**
   * Wakes the coordinator of a run. One that waits inside its task in this worker goes on at once. Any other gets a signal: at most one is
   * under way for each run, and one more follows for everything that comes meanwhile. `requested`: the coordinator itself has asked for it.
   */
  wake(run: string, requested = false): void {
    if (this.#stopped) return;
    if (!requested && this.#deps.arrivals.came(run)) return;
    const delivery = this.#deliveries.get(run);
    if (delivery !== undefined) {
      delivery.more = true;
      delivery.requested ||= requested;
      return;
    }
    this.#deliveries.set(run, { more: false, requested });
    const delivering = this.#deliver(run).finally(() => this.#delivering.delete(delivering));
    this.#delivering.add(delivering);
  }

  async #deliver(run: string): Promise<void> {
    const { client, taskQueue, logger, successor, arrivals } = this.#deps;
    const delivery = this.#deliveries.get(run)!;
    do {
      const { requested } = delivery;
      delivery.more = false;
      delivery.requested = false;
      const begun = performance.now();
      try {
        if (!requested) {
          if (this.#isElsewhere(run)) await sleep(ELSEWHERE_MS);
          // The coordinator may have begun to wait inside its task meanwhile.
          if (!(await this.#isNeeded(run)) || arrivals.came(run)) continue;
        }
        const input = await this.#inputOf(run);
        if (!requested && this.#isStuck(run)) await successor.look(input);
        await client.withDeadline(Date.now() + SIGNAL_MS, () => signalCoordinator(client, taskQueue, input));
      } catch (error) {
        // The log stays ahead of the coordinator, so the next look finds the run again.
        logger.warn({ run, error }, 'could not wake the coordinator; trying again in a second');
      }
      const rest = SPACING_MS - (performance.now() - begun);
      if (rest > 0) await sleep(rest);
    } while (delivery.more && !this.#stopped);
    this.#deliveries.delete(run);
  }

  /**
   * Whether the coordinator needs a signal. It needs none when its last exchange has read the whole log; when it has made no exchange since
   * the last signal, which is still on its way; and while it continues as new: a signal that arrives at that moment makes the server refuse
   * the new execution, and a busy run would never continue as new.
   */
  async #isNeeded(run: string): Promise<boolean> {
    const progress = await readProgress(this.#deps.pool, run, LEAVING_MS);
    if (progress === null || !progress.unread || progress.leaving) return false;
    const { exchange } = progress;
    const signalled = this.#signalled.get(run);
    const now = performance.now();
    // A signal that was lost is repeated by the next look.
    const rest = this.#isStuck(run) ? STUCK_MS : POLL_MS;
    if (signalled?.exchange === exchange && now - signalled.on < rest) return false;
    const since = signalled?.exchange === exchange ? signalled.since : now;
    this.#signalled.set(run, { exchange, on: now, since });
    return true;
  }

  /** Whether the coordinator seems to run in another worker: this one has signalled it, and it has never read its log here. */
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
      logger.warn({ error }, 'could not look for runs to wake; trying again in a second');
    }
  }
}
