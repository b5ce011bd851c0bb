/**
 * The agent's process: one platform, one name, one spool folder (`<home>/agents/<name>`).
 *
 * SIGTERM and SIGINT end it politely, a second signal at once. With a parent that holds an IPC channel, it sends
 * `{ ready: true }` once the API knows it, ends when the parent is gone, and ends its shell programs with itself.
 * Without a parent its shell programs go on under their keeper until the next start (protocol C5).
 */
import { join } from 'node:path';
import { childEnvironment, loadConfig, projectFolder } from '../config.ts';
import { SluiceError } from '../errors.ts';
import { createLogger } from '../logging.ts';
import packageFile from '../package.json' with { type: 'json' };
import { correctionRowsOf } from '../platforms/sql/correction-rows.ts';
import { fencesOf } from '../platforms/sql/fence-report.ts';
import { createAgent } from './agent.ts';
import { createApiClient } from './api-client.ts';
import { containmentFor } from './containment-level.ts';
import { takeLock } from './lock.ts';
import { createPlatforms } from './platforms.ts';
import { programEnvironment } from './program-environment.ts';

/** With a parent: it kills a child that has not ended after 10 s, so draining, interrupting and farewell must fit into that. */
const OWNED = { drainMs: 2_500, graceMs: 2_000, endPrograms: true };
/** Without a parent. */
const FREE = { drainMs: 60_000, graceMs: 10_000, endPrograms: false };
/** Signals within this time, ms, count as one request to end: npm, a launcher and the terminal may each pass on one Ctrl-C. */
const ONE_REQUEST_MS = 1_500;

const config = loadConfig();
const { name, platform, slots, labels, connections, encoding, outputMb } = config.agent;
const logger = createLogger({ name: 'agent', level: config.logLevel, base: { agent: name } });

async function main(): Promise<void> {
  if (config.token === undefined || platform === undefined) {
    throw new SluiceError('invalid_config', 'an agent needs SLUICE_TOKEN and SLUICE_AGENT_PLATFORM');
  }
  const spool = join(config.home, 'agents', name);
  const lock = takeLock(spool);
  const { drainMs, graceMs, endPrograms } = process.send === undefined ? FREE : OWNED;
  const containment = containmentFor(config.agent.containment, spool);
  const agent = createAgent({
    client: createApiClient({ apiUrl: config.apiUrl, agent: name, token: config.token }),
    platforms: createPlatforms({
      agentName: name,
      platform,
      connections,
      spool,
      environment: programEnvironment(childEnvironment(), config.agent.passEnv),
      cwd: projectFolder,
      containment,
      outputMb,
      graceMs,
    }),
    spool,
    lockToken: lock.token,
    platform,
    slots,
    labels,
    version: packageFile.version,
    encoding,
    containment: containment.level,
    logger,
    drainMs,
    endPrograms,
    fences: fencesOf(connections),
    corrections: correctionRowsOf(connections),
    onReady: () => process.send?.({ ready: true }),
  });
  let askedOn = Number.NaN;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (performance.now() - askedOn > ONE_REQUEST_MS) process.exit(130);
      if (Number.isNaN(askedOn)) askedOn = performance.now();
      agent.stop();
    });
  }
  process.once('disconnect', () => agent.stop());
  try {
    await agent.run();
  } finally {
    lock.release();
  }
}

try {
  await main();
  process.exit(0);
} catch (error) {
  if (!(error instanceof SluiceError)) throw error;
  logger.fatal({ code: error.code, ...error.facts }, error.message);
  process.exit(error.kind.exit);
}
