/**
 * A whole installation for load: embedded servers, API, worker and agents as processes of their own in a folder that goes away afterwards.
 * Nothing in it is special: the programs and settings are those of `npm start`.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Client, createClient } from '../../cli/client.ts';
import { loadConfig, projectFolder } from '../../config.ts';
import { openHome } from '../../embedded/home.ts';
import { freePort } from '../../embedded/ports.ts';
import { createDatabase } from '../../embedded/postgres.ts';
import { removeOutsideData } from '../../embedded/postgres-data.ts';
import { runToEnd, startProgram } from '../../embedded/programs.ts';
import { startServers } from '../../embedded/servers.ts';
import type { Shutdown } from '../../embedded/shutdown.ts';

export interface Wish {
  /** File name below the catalogue's folder -> text. */
  readonly catalogue: Readonly<Record<string, string>>;
  readonly agents: readonly { readonly name: string; readonly platform: string; readonly slots: number }[];
  /** Default: one. */
  readonly workers?: number;
  /** `host:port` of a Temporal server that is there; otherwise one is started. Its task queue is this system's alone. */
  readonly temporalAddress?: string | undefined;
  /** Added to the environment of every part. */
  readonly env?: Readonly<Record<string, string>>;
  readonly say: (text: string) => void;
  /** Everything that is started is stopped with it. */
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
  /** The same, for a request of one's own. */
  token(actor: string): string;
}

const program = (path: string): string => join(projectFolder, path);

/** Starts everything; what was started, and the folder, go away when `shutdown` runs. */
export async function startSystem(wish: Wish): Promise<System> {
  const { catalogue, agents, workers = 1, temporalAddress, env = {}, say, shutdown } = wish;
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
  // Added before it is done, so that a signal in between finds it.
  shutdown.add('servers', () => starting.then((entry) => entry.stop()).catch(() => undefined));
  const servers = await starting;
  await createDatabase(servers.databaseUrl('postgres'), 'sluice');
  const databaseUrl = servers.databaseUrl();
  // Coordinators of earlier runs may be there under the same ids.
  const taskQueue = temporalAddress === undefined ? 'sluice' : `bench-${randomBytes(4).toString('hex')}`;
  const port = await freePort();
  const apiUrl = `http://127.0.0.1:${port}`;
  const common = {
    SLUICE_HOME: folder,
    DATABASE_URL: databaseUrl,
    TEMPORAL_ADDRESS: servers.temporalAddress,
    SLUICE_TASK_QUEUE: taskQueue,
    SLUICE_PORT: String(port),
    SLUICE_API_URL: apiUrl,
    SLUICE_LOG_LEVEL: 'warn',
    SLUICE_CONNECTIONS: '',
    ...env,
  };
  const files = join(folder, 'catalogue');
  await mkdir(files);
  for (const [name, text] of Object.entries(catalogue)) {
    await mkdir(dirname(join(files, name)), { recursive: true });
    await writeFile(join(files, name), text);
  }
  const actorsFile = join(folder, 'cli.json');
  const names = agents.map((agent) => agent.name);
  await runToEnd(home, 'setup', program('api/setup/main.ts'), common, [actorsFile, files, ...names]);
  const { actors } = JSON.parse(await readFile(actorsFile, 'utf8')) as { actors: Record<string, string> };
  const start = async (name: string, file: string, more: Record<string, string> = {}): Promise<void> => {
    const child = await startProgram(home, name, program(file), { ...common, ...more });
    shutdown.add(name, () => child.stop());
  };
  await Promise.all([
    start('api', 'api/main.ts'),
    ...Array.from({ length: workers }, (_, i) => start(`worker-${i + 1}`, 'worker/main.ts')),
  ]);
  await Promise.all(
    agents.map(({ name, platform, slots }) =>
      start(name, 'agent/main.ts', {
        DATABASE_URL: '',
        SLUICE_TOKEN: actors[name]!,
        SLUICE_AGENT_NAME: name,
        SLUICE_AGENT_PLATFORM: platform,
        SLUICE_AGENT_SLOTS: String(slots),
      }),
    ),
  );
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
