/** The API's process. Needs DATABASE_URL; TEMPORAL_ADDRESS only to reload a frozen run. */
import { loadConfig } from '../config.ts';
import { SluiceError } from '../errors.ts';
import { RELOAD_SIGNAL, runWorkflowId } from '../workflows/messages.ts';
import { connectApi, logFolderOf } from './connect.ts';

const config = loadConfig();
if (config.databaseUrl === undefined) throw new SluiceError('invalid_config', 'the API needs DATABASE_URL');

/** Loads Temporal's client when a person asks for it: it takes 25 MB, and most APIs never need it. */
async function reload(run: string): Promise<void> {
  const { Client, Connection } = await import('@temporalio/client');
  const connection = await Connection.connect({ address: config.temporalAddress ?? 'localhost:7233' });
  try {
    const client = new Client({ connection, namespace: config.temporalNamespace });
    await client.workflow.getHandle(runWorkflowId(config.taskQueue, run)).signal(RELOAD_SIGNAL);
  } finally {
    await connection.close();
  }
}

const api = await connectApi({
  databaseUrl: config.databaseUrl,
  logFolder: logFolderOf(config.home),
  leaseMs: config.leaseMs,
  heartbeatMs: config.heartbeatMs,
  orphanMs: config.orphanMs,
  graceMs: config.graceMs,
  planTtlMs: config.planTtlMs,
  logLevel: config.logLevel,
  retention: { keepDays: config.keepDays, auditDays: config.keepAuditDays, folder: config.archive },
  retainsByItself: config.retention === 'auto',
  reload,
});

/** Ends after open requests are answered; at the latest after this time. */
const GRACE_MS = 8_000;
let stopping = false;
function stop(): void {
  if (stopping) return;
  stopping = true;
  setTimeout(() => process.exit(1), GRACE_MS).unref();
  api.close().then(
    () => process.exit(0),
    (error) => {
      api.app.log.error({ err: error }, 'the API did not stop cleanly');
      process.exit(1);
    },
  );
}
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
// Its parent died: nobody would ever stop it.
process.once('disconnect', stop);

try {
  await api.app.listen({ host: config.host, port: config.port });
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
  await api.close();
  throw new SluiceError('port_in_use', `port ${config.port} of ${config.host} is taken (SLUICE_PORT)`, {
    cause: error,
  });
}
const address = api.app.server.address();
process.send?.({ ready: true, port: typeof address === 'object' ? address?.port : config.port });
