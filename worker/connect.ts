/** The worker put together: Temporal worker, deliverer of wake signals, reaper of leases, keeper of schedules, opener of runs. */
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import { Arrivals } from '../activities/arrivals.ts';
import { createActivities } from '../activities/index.ts';
import type { Cycle } from '../graph/model.ts';
import { versionReader } from '../store/catalogue/catalogue.ts';
import { contextReader } from '../store/record/run-context.ts';
import { patiently } from '../store/schema/patiently.ts';
import { createPool } from '../store/schema/pool.ts';
import { workflowBundle } from './bundle.ts';
import { Deliverer } from './deliverer.ts';
import { startOpener } from './opener.ts';
import { startReaper } from './reaper.ts';
import { startScheduleKeeper } from './schedule-keeper.ts';
import { Successor } from './successor.ts';

export interface WorkerOptions {
  readonly databaseUrl: string;
  readonly temporalAddress: string;
  readonly namespace: string;
  readonly taskQueue: string;
  /** Folder in which built bundles are kept. */
  readonly bundleFolder: string;
  readonly graceMs: number;
  /** Default orphan time, ms: how long a program goes on without its agent when its flow sets no time (protocol C4, C5). */
  readonly orphanMs: number;
  readonly logger: Logger;
  /** 0: when the server suggests it. */
  readonly continueAfterEvents: number;
  /** How long finished runs stay parked, by cycle, ms (protocol A8); default 24 h, 7 d, 45 d. */
  readonly keepMs?: Record<Cycle, number>;
}

/** Statement timeout in ms. No statement of the engine takes 20 s: the record ends a transaction after 5 s (protocol A10). */
const ANSWER_MS = 20_000;
/** Workflow tasks executed at the same time. Measured on two processors with 30 chains: hops of 89 ms with 10, of 372 ms with 40. */
const TASKS = 10;
const DAY_MS = 24 * 3_600_000;
/** How long a finished run stays parked before its workflow completes, ms (protocol A8). */
const KEEP_MS: Record<Cycle, number> = { hour: DAY_MS, day: 7 * DAY_MS, month: 45 * DAY_MS };

export interface RunningWorker {
  /** Resolves when the worker has ended, rejects when it failed. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/** A connection to Temporal that fails is always tried again: its errors do not say whether they will pass. */
const isAway = (): boolean => true;

/** Starts all parts. Throws when PostgreSQL or Temporal cannot be reached for a minute. */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const { databaseUrl, temporalAddress, namespace, taskQueue, logger } = options;
  const pool = createPool(databaseUrl, {
    max: 10,
    name: 'worker',
    answerMs: ANSWER_MS,
    onError: (error) => logger.warn({ error: error.message }, 'an idle connection to PostgreSQL broke'),
  });
  const versionOf = versionReader(pool, options, { programs: false });
  const contextOf = contextReader(pool, versionOf);
  const [native, connection, bundle] = await Promise.all([
    patiently(() => NativeConnection.connect({ address: temporalAddress }), isAway, logger),
    patiently(() => Connection.connect({ address: temporalAddress }), isAway, logger),
    workflowBundle(options.bundleFolder),
  ]);
  const { build } = bundle;
  const client = new Client({ connection, namespace });
  const arrivals = new Arrivals(TASKS / 2);
  const successor = new Successor({ client, taskQueue, build, logger });
  const worker = await Worker.create({
    connection: native,
    namespace,
    taskQueue,
    workflowBundle: bundle,
    sinks: successor.sinks,
    activities: { ...createActivities({ pool, versionOf, contextOf, arrivals, graceMs: options.graceMs }) },
    // All live runs should fit: an evicted one replays its whole history when it is woken.
    maxCachedWorkflows: 200,
    maxConcurrentWorkflowTaskExecutions: TASKS,
    // How long runs of a worker that died wait before another worker takes them.
    stickyQueueScheduleToStartTimeout: '1s',
    shutdownGraceTime: '2s',
    shutdownForceTime: '5s',
  });
  const deliverer = new Deliverer({
    pool,
    databaseUrl,
    client,
    successor,
    arrivals,
    taskQueue,
    build,
    logger,
    keepMs: options.keepMs ?? KEEP_MS,
    continueAfterEvents: options.continueAfterEvents,
  });
  await deliverer.start();
  const stopReaper = startReaper(pool, logger);
  const stopOpener = startOpener({ pool, versionOf }, logger);
  const stopKeeper = await startScheduleKeeper({ pool, databaseUrl, versionOf, client, taskQueue, logger });
  const ended = worker.run().finally(async () => {
    await stopReaper();
    await stopOpener();
    await stopKeeper();
    await deliverer.stop();
    await successor.stop();
    await connection.close();
    await native.close();
    await pool.end();
  });
  return {
    ended,
    async stop() {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await ended;
    },
  };
}
