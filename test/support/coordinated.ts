/**
 * The coordinator as it is, with Temporal, but put together by the test: so that a test can come between an exchange and the end of its
 * workflow task, swallow signals, or force continue-as-new.
 */
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import type pg from 'pg';
import pino from 'pino';
import { Arrivals } from '../../activities/arrivals.ts';
import type { ExchangeRequest, ExchangeResult } from '../../activities/exchange.ts';
import { type Activities, createActivities } from '../../activities/index.ts';
import { projectFolder } from '../../config.ts';
import { versionReader } from '../../store/catalogue/catalogue.ts';
import { contextReader } from '../../store/record/run-context.ts';
import { type Bundle, workflowBundle } from '../../worker/bundle.ts';
import { Deliverer } from '../../worker/deliverer.ts';
import { Successor } from '../../worker/successor.ts';
import { runWorkflowId } from '../../workflows/messages.ts';
import type { TestDatabase } from './database.ts';
import type { PlayedAgent } from './play.ts';
import './quiet-temporal.ts';
import { temporalAddress, uniqueName } from './temporal.ts';

export interface Coordinated {
  readonly client: Client;
  readonly taskQueue: string;
  workflowId(run: string): string;
  stop(): Promise<void>;
}

export interface Meddling {
  /** What the workflow gets instead of the answer of the exchange, which was committed. */
  readonly afterExchange?: (run: string, n: number, result: ExchangeResult) => unknown;
  /** True: this wake signal is swallowed although its sender believes that it was sent. */
  readonly swallow?: () => boolean;
  readonly continueAfterEvents?: number;
  /** How long a finished run stays parked (protocol A8), ms; an hour unless given. */
  readonly keepMs?: number;
  /** Of another one: two workers share its runs. */
  readonly taskQueue?: string;
  /** Instead of the present sources'. */
  readonly bundle?: Bundle;
}

const HOUR_MS = 3_600_000;

export async function startCoordinated(
  database: TestDatabase,
  pool: pg.Pool,
  meddling: Meddling,
): Promise<Coordinated> {
  const taskQueue = meddling.taskQueue ?? uniqueName('traps');
  const address = temporalAddress();
  const [native, connection] = await Promise.all([
    NativeConnection.connect({ address }),
    Connection.connect({ address }),
  ]);
  const client = new Client({ connection });
  const workflowId = (run: string): string => runWorkflowId(taskQueue, run);
  const versionOf = versionReader(pool);
  const contextOf = contextReader(pool, versionOf);
  const arrivals = new Arrivals(5);
  const activities: Activities = createActivities({ pool, versionOf, contextOf, arrivals, graceMs: 0 });
  const bundle = meddling.bundle ?? (await workflowBundle(join(projectFolder, '.sluice', 'bundles')));
  const { build } = bundle;
  const keepMs = meddling.keepMs ?? HOUR_MS;
  const logger = pino({ level: 'silent' });
  const successor = new Successor({ client, taskQueue, build, logger });
  const told = ({ run, n }: ExchangeRequest, result: ExchangeResult): unknown =>
    meddling.afterExchange?.(run, n, result) ?? result;
  const worker = await Worker.create({
    connection: native,
    taskQueue,
    stickyQueueScheduleToStartTimeout: '1s',
    workflowBundle: bundle,
    sinks: successor.sinks,
    activities: {
      ...activities,
      exchange: async (request: ExchangeRequest) => told(request, await activities.exchange(request)),
      async exchangeOnArrival(request: ExchangeRequest, waitMs: number, gatherMs: number, due: number) {
        const result = await activities.exchangeOnArrival(request, waitMs, gatherMs, due);
        return result === null ? null : told(request, result);
      },
    },
  });
  const meddled = new Client({
    connection,
    interceptors: {
      workflow: [
        {
          signalWithStart: async (input, next) => (meddling.swallow?.() === true ? 'swallowed' : next(input)),
        },
      ],
    },
  });
  const deliverer = new Deliverer({
    pool,
    databaseUrl: database.url,
    taskQueue,
    build,
    logger,
    client: meddled,
    successor,
    arrivals,
    keepMs: { hour: keepMs, day: keepMs, month: keepMs },
    continueAfterEvents: meddling.continueAfterEvents ?? 0,
  });
  await deliverer.start();
  const ended = worker.run();
  return {
    client,
    workflowId,
    taskQueue,
    async stop() {
      await deliverer.stop();
      await successor.stop();
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await ended;
      await connection.close();
      await native.close();
    },
  };
}

/** When a run that does not finish is taken for stuck, ms: no figure of speed. */
const STUCK_MS = 300_000;

/** Carries out whatever is sent until the run has finished; throws when it does not. Answers how many attempts that took. */
export async function workUntilFinished(pool: pg.Pool, agent: PlayedAgent, run: string): Promise<number> {
  const until = performance.now() + STUCK_MS;
  let attempts = 0;
  for (;;) {
    const tasks = await agent.claim();
    if (tasks.length > 0) {
      await agent.start(tasks);
      attempts += (await agent.end(tasks)).length;
      continue;
    }
    const found = await pool.query<{ finished_ms: number | null }>(
      'select finished_ms from runs where id = $1',
      [run],
    );
    if (found.rows[0]!.finished_ms !== null) return attempts;
    if (performance.now() > until) throw new Error(`${run} has not finished after ${STUCK_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
