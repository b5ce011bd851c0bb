/** `npm start`: our own parts on one machine: databases, set-up, API, worker, two agents, and the demo on sample data. */
import { spawn } from 'node:child_process';
import { type Config, childEnvironment } from '../config.ts';
import type { Home } from './home.ts';
import { notePlatforms, PLATFORMS, partsOf, prepareSample, programFile, setUp, startAll } from './parts.ts';
import { createDatabase } from './postgres.ts';
import { startProgram } from './programs.ts';
import type { Servers } from './servers.ts';
import type { Shutdown } from './shutdown.ts';
import { supervise } from './supervise.ts';

/** Agents of the one-machine form; each reaches the connections of its platform (protocol C1). */
const AGENTS = [
  { name: 'agent-yt', platform: 'yt', slots: 6 },
  { name: 'agent-mpp', platform: 'mpp', slots: 3 },
] as const;
/** The database that stands for a platform's in rehearsals: its copy as of the first start, the catalogue's `rehearsal:` twin. */
const twinOf = (platform: string): string => `${platform}_rehearsal`;

interface StartOptions {
  readonly config: Config;
  readonly home: Home;
  readonly servers: Servers;
  readonly shutdown: Shutdown;
  readonly say: (text: string) => void;
  /** Whether sample data are wanted: the demo reads them. */
  readonly sample: boolean;
  /** Make new tokens where the record has some that this home does not know. */
  readonly replaceTokens: boolean;
}

/**
 * Makes databases, schema, catalogue, actors and sample data, then starts API, worker and agents and keeps them alive. Each part is added to
 * `shutdown` as it starts. Throws `child_failed` with the last lines of the part that did not come up.
 */
export async function startParts(options: StartOptions): Promise<void> {
  const { config, home, servers, shutdown, say, sample, replaceTokens } = options;
  if (servers.ownsDatabase)
    for (const name of ['sluice', ...PLATFORMS]) await createDatabase(servers.databaseUrl('postgres'), name);
  const connections = servers.ownsDatabase
    ? Object.fromEntries(
        PLATFORMS.flatMap((name) => [name, twinOf(name)]).map((name) => [name, servers.databaseUrl(name)]),
      )
    : config.agent.connections;
  await notePlatforms(home, connections);

  // Awaited together, so that the failure of one does not leave the other unowned.
  const [setUpEnd, sampleEnd] = await Promise.allSettled([
    setUp({
      home,
      databaseUrl: servers.databaseUrl(),
      apiUrl: config.apiUrl,
      catalogue: programFile('catalogue/month-start'),
      agents: AGENTS.map((agent) => agent.name),
      replaceTokens,
    }),
    sample ? sampleFor(home, say) : undefined,
  ]);
  if (setUpEnd.status === 'rejected') throw setUpEnd.reason;
  if (sampleEnd.status === 'rejected') throw sampleEnd.reason;
  if (shutdown.signal.aborted) return;
  if (servers.ownsDatabase) await createTwins(servers, say);

  const parts = partsOf({
    home,
    apis: [{ name: 'api' }],
    workers: ['worker'],
    agents: AGENTS,
    addresses: {
      database: () => servers.databaseUrl(),
      temporal: () => servers.temporalAddress,
      api: () => config.apiUrl,
      connections: () => connections,
    },
    tokens: setUpEnd.value,
  });
  await startAll(parts, async (part) => {
    const kept = await supervise(part.name, () => startProgram(home, part), say);
    shutdown.add(part.name, () => kept.stop());
  });
}

/** Copies each platform's database once, while nobody uses it. Without its twin only rehearsals are missing: the start goes on. */
async function createTwins(servers: Servers, say: (text: string) => void): Promise<void> {
  for (const name of PLATFORMS)
    await createDatabase(servers.databaseUrl('postgres'), twinOf(name), { template: name }).catch(
      (error: unknown) => say(`no database ${twinOf(name)} for rehearsals: ${String(error)}`),
    );
}

async function sampleFor(home: Home, say: (text: string) => void): Promise<void> {
  say('preparing sample data');
  const begun = Date.now();
  await prepareSample(home);
  say(`sample data ready after ${((Date.now() - begun) / 1000).toFixed(1)} s`);
}

/** Runs the demo with this process's own stdout and stderr; answers its exit code. */
export async function runDemo(
  home: Home,
  config: Config,
  shutdown: Shutdown,
  json: boolean,
): Promise<number> {
  const child = spawn(process.execPath, [programFile('cli/demo/main.ts'), ...(json ? ['--json'] : [])], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: childEnvironment({ SLUICE_HOME: home.path, SLUICE_API_URL: config.apiUrl }),
  });
  const ended = new Promise<number>((resolve) => {
    child.once('exit', (code) => resolve(code ?? 1));
    child.once('error', () => resolve(1));
  });
  shutdown.add('demo', async () => {
    child.kill('SIGTERM');
    await ended;
  });
  return ended;
}
