/**
 * A whole installation for load: embedded servers, API, worker and agents as processes of their own in a folder that goes away afterwards.
 * Nothing in it is special: the programs and settings are those of `npm start`.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Client, createClient } from '../../cli/client.ts';
import { loadConfig } from '../../config.ts';
import { openHome } from '../../embedded/home.ts';
import { type AgentPart, partsOf, setUp, startAll } from '../../embedded/parts.ts';
import { freePort } from '../../embedded/ports.ts';
import { createDatabase } from '../../embedded/postgres.ts';
import { removeOutsideData } from '../../embedded/postgres-data.ts';
import { startProgram } from '../../embedded/programs.ts';
import { startServers } from '../../embedded/servers.ts';
import type { Shutdown } from '../../embedded/shutdown.ts';

export interface SystemOptions {
  /** File name below the catalogue's folder -> text. */
  readonly catalogue: Readonly<Record<string, string>>;
  readonly agents: readonly AgentPart[];
  /** Number of worker processes; default 1. */
  readonly workers?: number;
  /** `host:port` of a Temporal server that is there; otherwise one is started. Its task queue is this system's alone. */
  readonly temporalAddress?: string | undefined;
  /** Added to the environment of every part. */
  readonly env?: Readonly<Record<string, string>>;
  readonly say: (text: string) => void;
  /** Stops everything that is started here. */
  readonly shutdown: Shutdown;
}

export interface System {
  /** Folder with `run/<part>.json` (pids) and `logs/`. */
  readonly home: string;
  readonly databaseUrl: string;
  readonly temporalAddress: string;
  readonly taskQueue: string;
  readonly apiUrl: string;
  /** What the command line would use for an actor: admin, operator, viewer, demo or an agent's name. */
  client(actor: string): Client;
  /** Bearer token of an actor, for requests that are sent without a client. */
  token(actor: string): string;
}

/** Starts everything; what was started, and the folder, go away when `shutdown` runs. */
export async function startSystem(options: SystemOptions): Promise<System> {
  const { catalogue, agents, workers = 1, temporalAddress, env = {}, say, shutdown } = options;
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  const home = await openHome(folder);
  shutdown.add('home', async () => {
    await home.release();
    await removeOutsideData(folder);
    await rm(folder, { recursive: true, force: true });
  });
  const { cache, temporalBin, temporalNamespace } = loadConfig();
  const own = { databaseUrl: undefined, temporalAddress, postgresPort: 0, temporalPort: 0 };
  const starting = startServers({ ...own, cache, temporalBin, temporalNamespace }, home, say);
  // Added before the servers are up, so that a signal meanwhile stops them.
  shutdown.add('servers', () => starting.then((entry) => entry.stop()).catch(() => undefined));
  const servers = await starting;
  await createDatabase(servers.databaseUrl('postgres'), 'sluice');
  const databaseUrl = servers.databaseUrl();
  // Coordinators of earlier runs may be there under the same ids.
  const taskQueue = temporalAddress === undefined ? 'sluice' : `bench-${randomBytes(4).toString('hex')}`;
  const port = await freePort();
  const apiUrl = `http://127.0.0.1:${port}`;
  const settings = { SLUICE_TASK_QUEUE: taskQueue, SLUICE_LOG_LEVEL: 'warn', ...env };
  const files = join(folder, 'catalogue');
  await mkdir(files);
  for (const [name, text] of Object.entries(catalogue)) {
    await mkdir(dirname(join(files, name)), { recursive: true });
    await writeFile(join(files, name), text);
  }
  const actors = await setUp({
    home,
    databaseUrl,
    apiUrl,
    catalogue: files,
    agents: agents.map(({ name }) => name),
    settings,
  });
  const parts = partsOf({
    home,
    apis: [{ name: 'api', port }],
    workers: Array.from({ length: workers }, (_, i) => `worker-${i + 1}`),
    agents,
    addresses: {
      database: () => databaseUrl,
      temporal: () => servers.temporalAddress,
      api: () => apiUrl,
      connections: () => ({}),
    },
    tokens: actors,
    settings,
  });
  await startAll(parts, async (part) => {
    const child = await startProgram(home, part);
    shutdown.add(part.name, () => child.stop());
  });
  return {
    home: folder,
    databaseUrl,
    temporalAddress: servers.temporalAddress,
    taskQueue,
    apiUrl,
    client: (actor) => createClient({ apiUrl, token: actors[actor] }),
    token: (actor) => actors[actor]!,
  };
}
