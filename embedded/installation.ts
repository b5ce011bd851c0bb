/** Our own parts on one machine: databases, set-up, API, worker, two agents, and the demo on sample data. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { type Config, childEnvironment, projectFolder } from '../config.ts';
import { SluiceError } from '../errors.ts';
import { type Home, readNote, writeNote } from './home.ts';
import { createDatabase } from './postgres.ts';
import { runToEnd, startProgram } from './programs.ts';
import type { Servers } from './servers.ts';
import type { Shutdown } from './shutdown.ts';
import { supervise } from './supervise.ts';

/** Agents of the one-machine form; each reaches the connections of its platform (protocol C1). */
const AGENTS = [
  { name: 'agent-yt', platform: 'yt', slots: 6 },
  { name: 'agent-mpp', platform: 'mpp', slots: 3 },
] as const;
/** Databases that play the platforms. */
const PLATFORMS = ['yt', 'mpp', 'db24'] as const;
/** The database that stands for a platform's in rehearsals: its copy as of the first start, the catalogue's `rehearsal:` twin. */
const twinOf = (platform: string): string => `${platform}_rehearsal`;

interface Given {
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

const program = (path: string): string => join(projectFolder, path);

/**
 * Makes databases, schema, catalogue, actors and sample data, then starts API, worker and agents and keeps them alive. Each part is added to
 * `shutdown` as it starts. Throws `child_failed` with the last lines of the part that did not come up.
 */
export async function startParts(given: Given): Promise<void> {
  const { config, home, servers, shutdown, say, sample } = given;
  const databaseUrl = servers.databaseUrl();
  if (servers.ownsDatabase)
    for (const name of ['sluice', ...PLATFORMS]) await createDatabase(servers.databaseUrl('postgres'), name);
  const connections = servers.ownsDatabase
    ? Object.fromEntries(
        PLATFORMS.flatMap((name) => [name, twinOf(name)]).map((name) => [name, servers.databaseUrl(name)]),
      )
    : config.agent.connections;
  await writeNote(home, 'platforms', connections);
  const env = {
    SLUICE_HOME: home.path,
    DATABASE_URL: databaseUrl,
    TEMPORAL_ADDRESS: servers.temporalAddress,
    SLUICE_API_URL: config.apiUrl,
  };

  const actorsFile = join(home.path, 'cli.json');
  const setUp = runToEnd(home, 'setup', program('api/setup/main.ts'), env, [
    ...(given.replaceTokens ? ['--replace-tokens'] : []),
    actorsFile,
    program('catalogue/month-start'),
    ...AGENTS.map((agent) => agent.name),
  ]);
  const prepared = sample ? prepareSample(home, say) : Promise.resolve();
  // Awaited together, so that the failure of one does not leave the other unowned.
  const [setUpEnd, sampleEnd] = await Promise.allSettled([setUp, prepared]);
  if (setUpEnd.status === 'rejected') throw setUpEnd.reason;
  if (sampleEnd.status === 'rejected') throw sampleEnd.reason;
  if (shutdown.signal.aborted) return;
  if (servers.ownsDatabase) await createTwins(servers, say);

  const note = await readNote<{ actors: Record<string, string> }>(home, 'cli');
  if (note === undefined) throw new SluiceError('internal', `the set-up left no readable ${actorsFile}`);
  const keep = async (
    name: string,
    file: string,
    changes: Record<string, string | undefined>,
  ): Promise<void> => {
    const part = await supervise(
      name,
      () => startProgram(home, name, program(file), { ...env, ...changes }),
      say,
    );
    shutdown.add(name, () => part.stop());
  };
  // Platforms' credentials are the agents' alone.
  // An empty value, not a missing one: a missing one would be read from .env.
  const none = { SLUICE_CONNECTIONS: '' };
  await keep('api', 'api/main.ts', none);
  await Promise.all([
    keep('worker', 'worker/main.ts', none),
    ...AGENTS.map((agent) =>
      keep(agent.name, 'agent/main.ts', {
        DATABASE_URL: '',
        SLUICE_TOKEN: note.actors[agent.name],
        SLUICE_AGENT_NAME: agent.name,
        SLUICE_AGENT_PLATFORM: agent.platform,
        SLUICE_AGENT_SLOTS: String(agent.slots),
        SLUICE_CONNECTIONS: JSON.stringify(connections),
      }),
    ),
  ]);
}

/** Copies each platform's database once, while nobody uses it. Without its twin only rehearsals are missing: the start goes on. */
async function createTwins(servers: Servers, say: (text: string) => void): Promise<void> {
  for (const name of PLATFORMS)
    await createDatabase(servers.databaseUrl('postgres'), twinOf(name), { template: name }).catch(
      (error: unknown) => say(`no database ${twinOf(name)} for rehearsals: ${String(error)}`),
    );
}

async function prepareSample(home: Home, say: (text: string) => void): Promise<void> {
  say('preparing sample data');
  const begun = Date.now();
  await runToEnd(home, 'sample', program('catalogue/sample/main.ts'), { SLUICE_HOME: home.path }, [
    'prepare',
    join(home.path, 'platforms.json'),
  ]);
  say(`sample data ready after ${((Date.now() - begun) / 1000).toFixed(1)} s`);
}

/** Runs the demo with this process's own stdout and stderr; answers its exit code. */
export async function runDemo(
  home: Home,
  config: Config,
  shutdown: Shutdown,
  json: boolean,
): Promise<number> {
  const child = spawn(process.execPath, [program('cli/demo/main.ts'), ...(json ? ['--json'] : [])], {
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
