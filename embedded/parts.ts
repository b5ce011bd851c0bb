/**
 * Describes an installation: which of the project's own programs run, and the environment of each. `npm start`, the bench, the fault runs and the
 * form on several machines give the names of the parts and the addresses at which each reaches the others. They start and stop the parts
 * themselves, with or without a supervisor.
 */
import { join } from 'node:path';
import { projectFolder } from '../config.ts';
import { SluiceError } from '../errors.ts';
import { type Home, readNote, writeNote } from './home.ts';
import { type Environment, type Program, runToEnd } from './programs.ts';

/** Databases that play the platforms of the month start, each named after its connection. */
export const PLATFORMS = ['yt', 'mpp', 'db24'] as const;

/**
 * Addresses at which a part reaches what it needs. They depend on the part's name: the fault runs give each part links of its own, and not all
 * agents begin at the same API.
 */
export interface Addresses {
  /** URL of the record. */
  database(part: string): string;
  temporal(part: string): string;
  /** URL of the API; several stand with commas between them. */
  api(part: string): string;
  /** Connection -> URL, for an agent. */
  connections(agent: string): Readonly<Record<string, string>>;
}

export interface AgentPart {
  readonly name: string;
  readonly platform: string;
  readonly slots: number;
}

export interface InstallationParts {
  readonly home: Home;
  /** An API without a port takes the one of its configuration. */
  readonly apis: readonly { readonly name: string; readonly port?: number }[];
  readonly workers: readonly string[];
  readonly agents: readonly AgentPart[];
  readonly addresses: Addresses;
  /** Agent -> token, as `setUp` answers them. */
  readonly tokens: Readonly<Record<string, string>>;
  /** Added to the environment of every part: times of leases, task queue, log level. */
  readonly settings?: Environment;
}

/** A program that serves. */
export interface Part extends Program {
  readonly kind: 'api' | 'worker' | 'agent';
}

/**
 * Only agents know the platforms' credentials, and their own token. Empty values and not missing ones: a missing one would be read from the
 * environment of this process, or from `.env`.
 */
const NOT_FOR_SERVERS = { SLUICE_CONNECTIONS: '', SLUICE_TOKEN: '' };
/** Agents speak with the API alone. */
const NOT_FOR_AGENTS = { DATABASE_URL: '', TEMPORAL_ADDRESS: '' };

/** Path of a program of this project. */
export const programFile = (path: string): string => join(projectFolder, path);

/** The parts of an installation: APIs, workers, agents. */
export function partsOf(installation: InstallationParts): Part[] {
  const { home, apis, workers, agents, addresses, tokens, settings } = installation;
  const common = (name: string): Environment => ({
    SLUICE_HOME: home.path,
    SLUICE_API_URL: addresses.api(name),
    ...settings,
  });
  const server = (name: string): Environment => ({
    ...common(name),
    DATABASE_URL: addresses.database(name),
    TEMPORAL_ADDRESS: addresses.temporal(name),
    ...NOT_FOR_SERVERS,
  });
  return [
    ...apis.map(({ name, port }): Part => {
      const env = { ...server(name), ...(port === undefined ? {} : { SLUICE_PORT: String(port) }) };
      return { kind: 'api', name, file: programFile('api/main.ts'), env };
    }),
    ...workers.map(
      (name): Part => ({ kind: 'worker', name, file: programFile('worker/main.ts'), env: server(name) }),
    ),
    ...agents.map(({ name, platform, slots }): Part => {
      const env = {
        ...common(name),
        ...NOT_FOR_AGENTS,
        SLUICE_TOKEN: tokens[name],
        SLUICE_AGENT_NAME: name,
        SLUICE_AGENT_PLATFORM: platform,
        SLUICE_AGENT_SLOTS: String(slots),
        SLUICE_CONNECTIONS: JSON.stringify(addresses.connections(name)),
      };
      return { kind: 'agent', name, file: programFile('agent/main.ts'), env };
    }),
  ];
}

/** Starts all parts with `start`: the APIs first, as agents look for one, then the others together. */
export async function startAll(
  parts: readonly Part[],
  start: (part: Part) => Promise<unknown>,
): Promise<void> {
  for (const part of parts) if (part.kind === 'api') await start(part);
  await Promise.all(parts.filter(({ kind }) => kind !== 'api').map(start));
}

export interface SetUp {
  readonly home: Home;
  readonly databaseUrl: string;
  /** Where the command line finds the API: it stands in the file of actors. */
  readonly apiUrl: string;
  /** Folder of the catalogue that is applied when there is none. */
  readonly catalogue: string;
  /** Names of the agents that get tokens. */
  readonly agents: readonly string[];
  /** Make new tokens where the record has some that this home does not know. */
  readonly replaceTokens?: boolean;
  readonly settings?: Environment;
}

/** Makes schema, catalogue and actors; answers actor -> token, which also stand in `cli.json` of the home. Throws `child_failed`. */
export async function setUp(options: SetUp): Promise<Readonly<Record<string, string>>> {
  const { home, databaseUrl, apiUrl, catalogue, agents, replaceTokens = false, settings } = options;
  const actorsFile = join(home.path, 'cli.json');
  await runToEnd(home, {
    name: 'setup',
    file: programFile('api/setup/main.ts'),
    env: {
      SLUICE_HOME: home.path,
      DATABASE_URL: databaseUrl,
      SLUICE_API_URL: apiUrl,
      ...settings,
      ...NOT_FOR_SERVERS,
    },
    args: [...(replaceTokens ? ['--replace-tokens'] : []), actorsFile, catalogue, ...agents],
  });
  const note = await readNote<{ actors: Record<string, string> }>(home, 'cli');
  if (note === undefined) throw new SluiceError('internal', `the set-up left no readable ${actorsFile}`);
  return note.actors;
}

/** Tells programs of this home, by a note, how the platforms' databases are reached: connection -> URL. */
export const notePlatforms = (home: Home, connections: Readonly<Record<string, string>>): Promise<void> =>
  writeNote(home, 'platforms', connections);

/** Makes sample data of accounting months (`yyyyMM`; default: those of the demo) in the noted platforms. Throws `child_failed`. */
export async function prepareSample(
  home: Home,
  months: readonly string[] = [],
  settings: Environment = {},
): Promise<void> {
  await runToEnd(home, {
    name: 'sample',
    file: programFile('catalogue/sample/main.ts'),
    env: { SLUICE_HOME: home.path, ...settings },
    args: ['prepare', join(home.path, 'platforms.json'), ...months],
  });
}
