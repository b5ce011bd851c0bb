/**
 * The several-machine form on one machine, as docs/operations.md describes it: PostgreSQL and Temporal by address, the set-up, and of each
 * part a pair: two APIs, two workers, two agents of one platform. Processes of their own, which know of each other only what stands in
 * their environment.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { type Client, createClient } from '../../cli/client.ts';
import { projectFolder } from '../../config.ts';
import type { Child } from '../../embedded/children.ts';
import { type Home, writeNote } from '../../embedded/home.ts';
import { freePort } from '../../embedded/ports.ts';
import { createDatabase } from '../../embedded/postgres.ts';
import { runToEnd, startProgram } from '../../embedded/programs.ts';
import type { Shutdown } from '../../embedded/shutdown.ts';

/** What a month start runs on; each has a database of its name. */
const PLATFORMS = ['yt', 'mpp', 'db24'] as const;
const AGENTS = [
  { name: 'agent-yt-1', platform: 'yt' },
  { name: 'agent-yt-2', platform: 'yt' },
  { name: 'agent-mpp-1', platform: 'mpp' },
  { name: 'agent-mpp-2', platform: 'mpp' },
] as const;
const SLOTS = 4;
/** A quarter of the demo's: there are more months, and it is not the programs that are tried here. */
const BILL_ITEMS = '50000';
/** Shorter than in production, so that what a dead agent held is taken over while it is still dead. */
export const LEASE_MS = 10_000;
const HEARTBEAT_MS = 2_000;

/** One process of a pair, which can be killed and started again as its machine would. */
export interface Part {
  readonly name: string;
  readonly kind: 'api' | 'worker' | 'agent';
  kill9(): Promise<void>;
  /** Fulfils when it serves. */
  start(): Promise<void>;
}

export interface Installation {
  readonly record: pg.Pool;
  /** Platform -> its database. */
  readonly platforms: ReadonlyMap<string, pg.Pool>;
  /** In pairs, one after the other. */
  readonly parts: readonly Part[];
  /** Both APIs, with a comma between them. */
  readonly apiUrl: string;
  /** A new client that knows both APIs, as an operator's program does. */
  client(actor: string): Client;
}

export interface Wish {
  readonly home: Home;
  /** A server where databases may be made. */
  readonly databaseUrl: (name?: string) => string;
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  /** Accounting months that sample data are made for, `yyyyMM`. */
  readonly months: readonly string[];
  readonly say: (text: string) => void;
  readonly shutdown: Shutdown;
}

const file = (path: string): string => join(projectFolder, path);

export async function startInstallation(wish: Wish): Promise<Installation> {
  const { home, databaseUrl, say, shutdown } = wish;
  for (const name of ['sluice', ...PLATFORMS]) await createDatabase(databaseUrl('postgres'), name);
  const pools = new Map(
    ['sluice', ...PLATFORMS].map((name) => {
      const pool = new pg.Pool({ connectionString: databaseUrl(name), max: 2 });
      pool.on('error', () => {});
      shutdown.add(`pool ${name}`, () => pool.end());
      return [name, pool];
    }),
  );
  const connections = Object.fromEntries(PLATFORMS.map((name) => [name, databaseUrl(name)]));
  await writeNote(home, 'platforms', connections);
  say('preparing sample data');
  await runToEnd(home, 'sample', file('catalogue/sample/main.ts'), { SLUICE_SAMPLE_SCALE: BILL_ITEMS }, [
    'prepare',
    join(home.path, 'platforms.json'),
    ...wish.months,
  ]);

  const ports = [await freePort(), await freePort()] as const;
  const addresses = ports.map((port) => `http://127.0.0.1:${port}`);
  const apiUrl = addresses.join(',');
  const server = {
    SLUICE_HOME: home.path,
    DATABASE_URL: databaseUrl('sluice'),
    TEMPORAL_ADDRESS: wish.temporalAddress,
    TEMPORAL_NAMESPACE: wish.temporalNamespace,
    SLUICE_LEASE_MS: String(LEASE_MS),
    SLUICE_HEARTBEAT_MS: String(HEARTBEAT_MS),
    SLUICE_GRACE_MS: '1000',
    SLUICE_LOG_LEVEL: 'warn',
    // Empty, not missing: a missing one would be read from .env.
    SLUICE_CONNECTIONS: '',
    SLUICE_TOKEN: '',
  };
  const actorsFile = join(home.path, 'cli.json');
  await runToEnd(home, 'setup', file('api/setup/main.ts'), { ...server, SLUICE_API_URL: apiUrl }, [
    actorsFile,
    file('catalogue/month-start'),
    ...AGENTS.map(({ name }) => name),
  ]);
  const { actors } = JSON.parse(await readFile(actorsFile, 'utf8')) as { actors: Record<string, string> };

  const part = async (
    kind: Part['kind'],
    name: string,
    env: Readonly<Record<string, string | undefined>>,
  ): Promise<Part> => {
    let child: Child;
    const start = async (): Promise<void> => {
      child = await startProgram(home, name, file(`${kind}/main.ts`), env);
    };
    await start();
    shutdown.add(name, () => child.stop());
    return {
      name,
      kind,
      start,
      kill9: async () => {
        await child.kill9();
      },
    };
  };
  const parts: Part[] = [];
  for (const [i, port] of ports.entries())
    parts.push(await part('api', `api-${i + 1}`, { ...server, SLUICE_PORT: String(port) }));
  for (const name of ['worker-1', 'worker-2']) parts.push(await part('worker', name, server));
  for (const [i, { name, platform }] of AGENTS.entries()) {
    const agent = {
      ...server,
      DATABASE_URL: '',
      TEMPORAL_ADDRESS: '',
      // Half of them begin at the one API, half at the other.
      SLUICE_API_URL: (i % 2 === 0 ? addresses : addresses.toReversed()).join(','),
      SLUICE_TOKEN: actors[name],
      SLUICE_AGENT_NAME: name,
      SLUICE_AGENT_PLATFORM: platform,
      SLUICE_AGENT_SLOTS: String(SLOTS),
      SLUICE_CONNECTIONS: JSON.stringify(connections),
    };
    parts.push(await part('agent', name, agent));
  }
  say(`APIs ${apiUrl}, ${parts.map(({ name }) => name).join(', ')}`);
  return {
    record: pools.get('sluice')!,
    platforms: new Map(PLATFORMS.map((name) => [name, pools.get(name)!])),
    parts,
    apiUrl,
    client: (actor) => createClient({ apiUrl, token: actors[actor] }),
  };
}
