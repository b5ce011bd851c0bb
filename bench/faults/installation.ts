/**
 * The product while faults strike it: its own PostgreSQL, Temporal, two APIs, two workers and several agents as real processes, each restarted by the
 * supervisor as `npm start` does it, and a link of our own between every pair.
 */
import { createHash, randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import type { Config } from '../../config.ts';
import type { Home } from '../../embedded/home.ts';
import { partsOf, setUp, startAll } from '../../embedded/parts.ts';
import { freePort } from '../../embedded/ports.ts';
import { createDatabase, startPostgres } from '../../embedded/postgres.ts';
import { removeOutsideData } from '../../embedded/postgres-data.ts';
import { startProgram } from '../../embedded/programs.ts';
import { type Startable, type Supervised, supervise } from '../../embedded/supervise.ts';
import { startTemporal } from '../../embedded/temporal.ts';
import { obtainTemporal } from '../../embedded/temporal-binary.ts';
import { createPool } from '../../store/schema/pool.ts';
import { type Link, openLink } from './link.ts';

/** Times in ms. They are short, so that leases end and tasks change hands many times in a run of minutes. */
export const LEASE_MS = 4_000;
export const ORPHAN_MS = 8_000;
export const GRACE_MS = 500;
/** How long a workflow task may take, ms: Temporal's default. */
export const TASK_TIMEOUT_MS = 10_000;
export const SLOTS = 6;
const APIS = ['api-1', 'api-2'];
const WORKERS = ['worker-1', 'worker-2'];
const AGENTS = ['agent-1', 'agent-2', 'agent-3', 'agent-4'];
/** Those that need others before those that are needed. */
const STOPPED_IN_ORDER = [...AGENTS, ...WORKERS, ...APIS, 'temporal', 'postgres'];
export const OPERATORS = ['operator-1', 'operator-2', 'operator-3', 'operator-4'];

interface Process extends Startable {
  readonly pid: number;
  kill9(): Promise<unknown>;
}

export interface Installation {
  readonly home: Home;
  /** Direct connections without a link, for the harness itself. */
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

interface InstallationOptions {
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

export async function startInstallation(options: InstallationOptions): Promise<Installation> {
  const { config, home, random, say } = options;
  const parts = new Map<string, Supervised<Process>>();
  const links = new Map<string, Link>();
  const pools: pg.Pool[] = [];
  const crashes: string[] = [];
  const stop = async (): Promise<void> => {
    for (const name of STOPPED_IN_ORDER)
      await parts
        .get(name)
        ?.stop(15_000)
        .catch((error: unknown) => say(`${name} did not stop cleanly: ${String(error)}`));
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
  const link = async (name: string, port: number): Promise<void> => {
    links.set(name, await openLink(name, port, random));
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
      const pool = createPool(postgres.url(name), { max: 3, name: 'faults' });
      pools.push(pool);
      return pool;
    }) as [pg.Pool, pg.Pool];
    await platform.query(options.platformTables);

    const tokens = await setUp({
      home,
      databaseUrl: postgres.url('record'),
      apiUrl: '',
      catalogue: options.catalogue,
      agents: AGENTS,
    });
    const operatorTokens = await createOperators(record);

    const apis = await Promise.all(APIS.map(async (name) => ({ name, port: await freePort() })));
    for (const name of [...APIS, ...WORKERS]) {
      await link(`${name}>postgres`, postgresPort);
      await link(`${name}>temporal`, temporalPort);
    }
    for (const [i, name] of AGENTS.entries()) {
      await options.prepareSpool(name, join(home.path, 'agents', name));
      await link(`${name}>api`, apis[i % apis.length]!.port);
      await link(`${name}>yt`, postgresPort);
    }
    for (const { name, port } of apis) await link(`operators>${name}`, port);
    const urlThrough = (name: string): string => `http://127.0.0.1:${links.get(name)!.port}`;
    const databaseThrough = (name: string, database: string): string => {
      const url = new URL(postgres.url(database));
      url.port = String(links.get(name)!.port);
      return url.href;
    };
    const described = partsOf({
      home,
      apis,
      workers: WORKERS,
      agents: AGENTS.map((name) => ({ name, platform: 'yt', slots: SLOTS })),
      addresses: {
        database: (part) => databaseThrough(`${part}>postgres`, 'record'),
        temporal: (part) => `127.0.0.1:${links.get(`${part}>temporal`)!.port}`,
        // API and worker do not call it.
        api: (part) => (AGENTS.includes(part) ? urlThrough(`${part}>api`) : ''),
        connections: (agent) => ({ yt: databaseThrough(`${agent}>yt`, 'yt') }),
      },
      tokens,
      settings: {
        SLUICE_TASK_QUEUE: 'faults',
        SLUICE_LEASE_MS: String(LEASE_MS),
        SLUICE_HEARTBEAT_MS: '800',
        SLUICE_GRACE_MS: String(GRACE_MS),
        SLUICE_ORPHAN_MS: String(ORPHAN_MS),
        SLUICE_LOG_LEVEL: 'warn',
      },
    });
    await startAll(described, (part) => keep(part.name, () => startProgram(home, part)));
    return {
      home,
      record,
      platform,
      links,
      parts,
      agents: AGENTS,
      apis: APIS,
      workers: WORKERS,
      apiUrls: APIS.map((name) => urlThrough(`operators>${name}`)),
      tokens: operatorTokens,
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
