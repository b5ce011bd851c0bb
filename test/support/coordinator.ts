/**
 * A coordinator without Temporal: the same code (loadRun, decide, exchange, apply) in a loop of this process, so that tests of the API
 * and of agents see decisions applied. What the workflow adds (timers that survive, replay, continue-as-new) is tested elsewhere.
 */
import type pg from 'pg';
import { exchange } from '../../activities/exchange.ts';
import { type Graph, inflate } from '../../graph/compiled/compact.ts';
import { decide } from '../../graph/decide.ts';
import { apply } from '../../graph/run/apply.ts';
import { nextDue } from '../../graph/run/due.ts';
import { restoreState } from '../../graph/run/restore.ts';
import type { RunState } from '../../graph/run/state.ts';
import { versionReader } from '../../store/catalogue/catalogue.ts';
import { type ContextReader, contextReader, readRun } from '../../store/record/run-context.ts';
import { loadRun } from '../../store/record/run-state.ts';
import { listen } from '../../store/schema/listen.ts';
import { createPool, isOutage } from '../../store/schema/pool.ts';

export interface Settled {
  readonly graph: Graph;
  readonly state: RunState;
  /** Next instant at which something happens by itself, ms; 0 = none. */
  readonly due: number;
}

/** Reads the log of a run to its end and carries out what follows. Given `contextOf` saves reading the catalogue again. */
export async function settleRun(
  pool: pg.Pool,
  run: string,
  contextOf: ContextReader = contextReader(pool, versionReader(pool)),
  graceMs = 0,
): Promise<Settled> {
  const context = await contextOf(run);
  const loaded = await loadRun(pool, context, graceMs);
  const graph = inflate(loaded.compact);
  const state = restoreState(graph, loaded.stored);
  let groups = decide(graph, state, [], state.now);
  for (;;) {
    const answer = await exchange(pool, context, {
      run,
      n: state.exchange + 1,
      groups,
      graph: graph.version,
    });
    if (
      'refused' in answer &&
      (answer.refused === 'moved' || context.run.catalogueVersion !== (await versionOf(pool, run)))
    ) {
      contextOf.forget(run);
      return settleRun(pool, run, contextOf, graceMs);
    }
    if ('refused' in answer) throw new Error(`two coordinators of ${run} at once: ${answer.refused}`);
    apply(graph, state, groups, answer);
    groups = decide(graph, state, answer.entries, state.now);
    if (groups.length === 0 && !answer.more) return { graph, state, due: nextDue(graph, state) };
  }
}

const versionOf = async (pool: pg.Pool, run: string): Promise<number> =>
  (await readRun(pool, run)).catalogueVersion;

/** Rest before a pass that met an outage is made again, ms. */
const AGAIN_MS = 100;

export interface TestCoordinator {
  /** Resolves when everything that was in the log at the call is decided; throws what a pass threw. */
  settled(run: string): Promise<void>;
  stop(): Promise<void>;
}

/** Coordinates every run of the database until stopped: woken by NOTIFY as the deliverer is, and by the runs' own due moments. */
export async function startCoordinator(
  url: string,
  options: { graceMs?: number } = {},
): Promise<TestCoordinator> {
  const pool = createPool(url, { max: 4, name: 'test-coordinator' });
  const contextOf = contextReader(pool, versionReader(pool));
  const passes = new Map<string, { running: Promise<void>; again: boolean }>();
  const timers = new Map<string, NodeJS.Timeout>();
  const failures: unknown[] = [];
  let stopped = false;

  function wake(run: string): Promise<void> {
    const pass = passes.get(run);
    if (pass !== undefined) {
      pass.again = true;
      return pass.running;
    }
    const next = { running: Promise.resolve(), again: false };
    passes.set(run, next);
    next.running = (async () => {
      do {
        next.again = false;
        const { due, state } = await settleRun(pool, run, contextOf, options.graceMs ?? 0);
        clearTimeout(timers.get(run));
        if (due > 0 && !stopped)
          timers.set(
            run,
            setTimeout(() => start(run), Math.min(Math.max(1, due - state.now), 2 ** 31 - 1)),
          );
      } while (next.again && !stopped);
    })().finally(() => passes.delete(run));
    return next.running;
  }

  /** Nobody waits for this pass. After an outage, such as a full pool, it is made again, as by the deliverer; any other error is thrown by `stop`. */
  function start(run: string): void {
    wake(run).catch((error) => {
      if (!isOutage(error)) failures.push(error);
      else if (!stopped)
        timers.set(
          run,
          setTimeout(() => start(run), AGAIN_MS),
        );
    });
  }

  const stopListening = await listen(url, ['sluice_log'], (_channel, run) => start(run), { log: console });
  const known = await pool.query<{ id: string }>('select id from runs');
  for (const { id } of known.rows) start(id);
  return {
    settled: (run) => wake(run),
    async stop() {
      stopped = true;
      for (const timer of timers.values()) clearTimeout(timer);
      await stopListening();
      await Promise.allSettled([...passes.values()].map((pass) => pass.running));
      await pool.end();
      if (failures.length > 0) throw failures[0];
    },
  };
}
