/**
 * The product under fire: its own PostgreSQL, Temporal, two APIs, two workers and several agents as real processes, each restarted by the
 * supervisor as `npm start` does it, and a link of our own between every pair.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { type Config, projectFolder } from '../../config.ts';
import type { Home } from '../../embedded/home.ts';
import { freePort } from '../../embedded/ports.ts';
import { createDatabase, startPostgres } from '../../embedded/postgres.ts';
import { removeOutsideData } from '../../embedded/postgres-data.ts';
import { runToEnd, startProgram } from '../../embedded/programs.ts';
import { type Startable, type Supervised, supervise } from '../../embedded/supervise.ts';
import { startTemporal } from '../../embedded/temporal.ts';
import { obtainTemporal } from '../../embedded/temporal-binary.ts';
import { type Link, openLink } from './link.ts';

/** Short, so that leases end and tasks change hands many times in a run of minutes. */
export const LEASE_MS = 4_000;
export const ORPHAN_MS = 8_000;
export const GRACE_MS = 500;
/** Temporal's default for workflow tasks. */
export const TASK_TIMEOUT_MS = 10_000;
export const SLOTS = 6;
const APIS = ['api-1', 'api-2'];
const WORKERS = ['worker-1', 'worker-2'];
const AGENTS = ['agent-1', 'agent-2', 'agent-3', 'agent-4'];
export const OPERATORS = ['operator-1', 'operator-2', 'operator-3', 'operator-4'];

interface Process extends Startable {
  readonly pid: number;
  kill9(): Promise<unknown>;
}

export interface Installation {
  readonly home: Home;
  /** Straight, without a link: for the harness's own questions. */
  readonly record: pg.Pool;
  readonly platform: pg.Pool;
  readonly links: ReadonlyMap<string, Link>;
  readonly parts: ReadonlyMap<string, Supervised<Process>>;
  readonly agents: readonly string[];
  readonly apis: readonly string[];
  readonly workers: readonly string[];
  /** Base URLs of the two APIs as people reach them, through links. */
  readonly apiUrls: readonly string[];
  /** Bearer tokens of the operators, by name. */
  readonly tokens: ReadonlyMap<string, string>;
  /** Ends of processes that nobody had killed. */
  readonly crashes: readonly string[];
  /** Ends every process; the record can be read until then. */
  stop(): Promise<void>;
}

interface Given {
  readonly config: Config;
  readonly home: Home;
  /** Catalogue folder for `api/setup/main.ts`. */
  readonly catalogue: string;
  readonly platformTables: string;
  /** Called for the folder of each agent before it starts. */
  readonly prepareSpool: (agent: string, folder: string) => Promise<void>;
  readonly random: () => number;
  readonly say: (text: string) => void;
}

const file = (path: string): string => join(projectFolder, path);

export async function startInstallation(given: Given): Promise<Installation> {
  const { config, home, random, say } = given;
  const parts = new Map<string, Supervised<Process>>();
  const links = new Map<string, Link>();
  const pools: pg.Pool[] = [];
  const crashes: string[] = [];
  const stop = async (): Promise<void> => {
    // As they were started, backwards: agents, workers, APIs, then the servers.
    for (const name of [...parts.keys()].reverse()) {
      const part = parts.get(name)!;
      await part
        .stop(15_000)
        .catch((error: unknown) => say(`${name} did not stop cleanly: ${String(error)}`));
    }
    await Promise.all(pools.map((pool) => pool.end().catch(() => {})));
    await Promise.all([...links.values()].map((link) => link.close()));
  };
  const keep = async <T extends Process>(name: string, start: () => Promise<T>): Promise<T> => {
    const part = await supervise(name, start, (text) => {
      // In the supervisor's own words; whatever the harness does to a process ends it with SIGKILL.
      if (/ ended \((?!signal SIGKILL).*started again$/.test(text)) crashes.push(text);
      say(text);
    });
    parts.set(name, part);
    return part.current();
  };
  const link = async (name: string, port: number): Promise<number> => {
    const opened = await openLink(name, port, random);
    links.set(name, opened);
    return opened.port;
  };
  try {
    return await start();
  } catch (error) {
    await stop();
    throw error;
  }

  async function start(): Promise<Installation> {
    const program = await obtainTemporal({ cache: config.cache, chosen: config.temporalBin, say });
    let postgresPort = 0;
    const postgres = await keep('postgres', async () => {
      const started = await startPostgres({ home, port: postgresPort });
      postgresPort = started.port;
      return started;
    });
    let temporalPort = 0;
    await keep('temporal', async () => {
      const started = await startTemporal({ home, program, port: temporalPort });
      temporalPort = Number(started.address.split(':')[1]);
      return started;
    });
    await createDatabase(postgres.url(), 'record');
    await createDatabase(postgres.url(), 'yt');
    const [record, platform] = ['record', 'yt'].map((name) => {
      const pool = new pg.Pool({
        connectionString: postgres.url(name),
        max: 3,
        connectionTimeoutMillis: 5_000,
      });
      pool.on('error', () => {});
      pools.push(pool);
      return pool;
    }) as [pg.Pool, pg.Pool];
    await platform.query(given.platformTables);

    const actorsFile = join(home.path, 'actors.json');
    await runToEnd(home, 'setup', file('api/setup/main.ts'), { DATABASE_URL: postgres.url('record') }, [
      actorsFile,
      given.catalogue,
      ...AGENTS,
    ]);
    const { actors } = JSON.parse(await readFile(actorsFile, 'utf8')) as { actors: Record<string, string> };
    const tokens = await createOperators(record);

    const through = (url: string, port: number): string => {
      const target = new URL(url);
      target.port = String(port);
      return target.href;
    };
    const common = {
      SLUICE_HOME: home.path,
      SLUICE_TASK_QUEUE: 'faults',
      SLUICE_LEASE_MS: String(LEASE_MS),
      SLUICE_HEARTBEAT_MS: '800',
      SLUICE_GRACE_MS: String(GRACE_MS),
      SLUICE_ORPHAN_MS: String(ORPHAN_MS),
      SLUICE_LOG_LEVEL: 'warn',
      SLUICE_CONNECTIONS: '',
    };
    /** What API and worker need: PostgreSQL and Temporal through links of their own. */
    const serverEnv = async (name: string) => ({
      ...common,
      DATABASE_URL: through(postgres.url('record'), await link(`${name}>postgres`, postgresPort)),
      TEMPORAL_ADDRESS: `127.0.0.1:${await link(`${name}>temporal`, temporalPort)}`,
    });
    const apiPorts: number[] = [];
    for (const name of APIS) {
      const port = await freePort();
      apiPorts.push(port);
      const env = { ...(await serverEnv(name)), SLUICE_PORT: String(port) };
      await keep(name, () => startProgram(home, name, file('api/main.ts'), env));
    }
    for (const name of WORKERS) {
      const env = await serverEnv(name);
      await keep(name, () => startProgram(home, name, file('worker/main.ts'), env));
    }
    await Promise.all(
      AGENTS.map(async (name, i) => {
        await given.prepareSpool(name, join(home.path, 'agents', name));
        const api = await link(`${name}>api`, apiPorts[i % apiPorts.length]!);
        const database = through(postgres.url('yt'), await link(`${name}>yt`, postgresPort));
        const env = {
          ...common,
          SLUICE_API_URL: `http://127.0.0.1:${api}`,
          SLUICE_TOKEN: actors[name],
          SLUICE_AGENT_NAME: name,
          SLUICE_AGENT_PLATFORM: 'yt',
          SLUICE_AGENT_SLOTS: String(SLOTS),
          SLUICE_CONNECTIONS: JSON.stringify({ yt: database }),
        };
        await keep(name, () => startProgram(home, name, file('agent/main.ts'), env));
      }),
    );
    const apiUrls = await Promise.all(
      APIS.map(async (name, i) => `http://127.0.0.1:${await link(`operators>${name}`, apiPorts[i]!)}`),
    );
    return {
      home,
      record,
      platform,
      links,
      parts,
      agents: AGENTS,
      apis: APIS,
      workers: WORKERS,
      apiUrls,
      tokens,
      crashes,
      stop,
    };
  }
}

/** Removes everything that an installation kept; its processes must be stopped. */
export async function removeHome(home: Home): Promise<void> {
  await home.release();
  await removeOutsideData(home.path);
  await rm(home.path, { recursive: true, force: true });
}

/** Operators with tokens of their own; the set-up program makes only the shipped ones. */
async function createOperators(record: pg.Pool): Promise<Map<string, string>> {
  const tokens = new Map<string, string>();
  for (const name of OPERATORS) {
    const token = randomBytes(32).toString('base64url');
    await record.query(
      "insert into actors (name, kind, roles, token_hash) values ($1, 'person', '{operator,gatekeeper,key}', $2)",
      [name, createHash('sha256').update(token).digest()],
    );
    tokens.set(name, token);
  }
  return tokens;
}
