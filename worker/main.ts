/** The worker's process. Needs DATABASE_URL and TEMPORAL_ADDRESS. */
import { join } from 'node:path';
import { Runtime } from '@temporalio/worker';
import { loadConfig } from '../config.ts';
import { SluiceError } from '../errors.ts';
import { createLogger } from '../logging.ts';
import { startWorker } from './connect.ts';

const config = loadConfig();
const logger = createLogger({ name: 'worker', level: config.logLevel });
if (config.databaseUrl === undefined || config.temporalAddress === undefined)
  throw new SluiceError('invalid_config', 'a worker needs DATABASE_URL and TEMPORAL_ADDRESS');

Runtime.install({
  // Our own handlers below decide when it ends.
  shutdownSignals: [],
  logger: {
    log: (level, message, facts) => logger.debug({ level, ...facts }, message),
    trace: () => {},
    debug: () => {},
    info: () => {},
    warn: (message, facts) => logger.warn(facts ?? {}, message),
    error: (message, facts) => logger.error(facts ?? {}, message),
  },
});

const worker = await startWorker({
  databaseUrl: config.databaseUrl,
  temporalAddress: config.temporalAddress,
  namespace: config.temporalNamespace,
  taskQueue: config.taskQueue,
  bundleFolder: join(config.home, 'bundles'),
  graceMs: config.graceMs,
  orphanMs: config.orphanMs,
  continueAfterEvents: config.continueAfterEvents,
  logger,
});

const stop = (): void => {
  worker.stop().catch((error) => logger.error({ error }, 'the worker did not stop cleanly'));
};
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
// Its parent died: nobody would ever stop it.
process.once('disconnect', stop);
process.send?.({ ready: true });

await worker.ended;
process.exit(0);
