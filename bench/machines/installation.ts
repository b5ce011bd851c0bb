/**
 * The several-machine form on one machine, as docs/operations.md describes it: PostgreSQL and Temporal by address, the set-up, and of each
 * part a pair: two APIs, two workers, two agents of one platform. Processes of their own, which know of each other only what stands in
 * their environment.
 */
import type pg from 'pg';
import { type Client, createClient } from '../../cli/client.ts';
import type { Child } from '../../embedded/children.ts';
import type { Home } from '../../embedded/home.ts';
import {
  type Part as DescribedPart,
  notePlatforms,
  PLATFORMS,
  partsOf,
  prepareSample,
  programFile,
  setUp,
  startAll,
} from '../../embedded/parts.ts';
import { freePort } from '../../embedded/ports.ts';
import { createDatabase } from '../../embedded/postgres.ts';
import { startProgram } from '../../embedded/programs.ts';
import type { Shutdown } from '../../embedded/shutdown.ts';
import { createPool } from '../../store/schema/pool.ts';

/** Slots of each agent: few, so that both of a pair work. */
const SLOTS = 4;
const AGENTS = [
  { name: 'agent-yt-1', platform: 'yt', slots: SLOTS },
  { name: 'agent-yt-2', platform: 'yt', slots: SLOTS },
  { name: 'agent-mpp-1', platform: 'mpp', slots: SLOTS },
  { name: 'agent-mpp-2', platform: 'mpp', slots: SLOTS },
];
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

export interface InstallationOptions {
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

export async function startInstallation(options: InstallationOptions): Promise<Installation> {
  const { home, databaseUrl, temporalAddress, temporalNamespace, months, say, shutdown } = options;
  for (const name of ['sluice', ...PLATFORMS]) await createDatabase(databaseUrl('postgres'), name);
  const pools = new Map(
    ['sluice', ...PLATFORMS].map((name) => {
      const pool = createPool(databaseUrl(name), { max: 2, name: 'machines' });
      shutdown.add(`pool ${name}`, () => pool.end());
      return [name, pool];
    }),
  );
  const connections = Object.fromEntries(PLATFORMS.map((name) => [name, databaseUrl(name)]));
  await notePlatforms(home, connections);
  say('preparing sample data');
  await prepareSample(home, months, { SLUICE_SAMPLE_SCALE: BILL_ITEMS });

  const ports = [await freePort(), await freePort()] as const;
  const addresses = ports.map((port) => `http://127.0.0.1:${port}`);
  const apiUrl = addresses.join(',');
  const settings = {
    TEMPORAL_NAMESPACE: temporalNamespace,
    SLUICE_LEASE_MS: String(LEASE_MS),
    SLUICE_HEARTBEAT_MS: String(HEARTBEAT_MS),
    SLUICE_GRACE_MS: '1000',
    SLUICE_LOG_LEVEL: 'warn',
  };
  const actors = await setUp({
    home,
    databaseUrl: databaseUrl('sluice'),
    apiUrl,
    catalogue: programFile('catalogue/month-start'),
    agents: AGENTS.map(({ name }) => name),
    settings,
  });
  const described = partsOf({
    home,
    apis: ports.map((port, i) => ({ name: `api-${i + 1}`, port })),
    workers: ['worker-1', 'worker-2'],
    agents: AGENTS,
    addresses: {
      database: () => databaseUrl('sluice'),
      temporal: () => temporalAddress,
      // Of each pair of agents one begins at the first API, the other at the second.
      api: (part) => (part.endsWith('-2') ? addresses.toReversed() : addresses).join(','),
      connections: () => connections,
    },
    tokens: actors,
    settings,
  });
  const running = new Map<string, Child>();
  const start = async (part: DescribedPart): Promise<void> => {
    running.set(part.name, await startProgram(home, part));
  };
  await startAll(described, async (part) => {
    await start(part);
    shutdown.add(part.name, () => running.get(part.name)!.stop());
  });
  const parts = described.map(
    (part): Part => ({
      name: part.name,
      kind: part.kind,
      start: () => start(part),
      kill9: async () => {
        await running.get(part.name)!.kill9();
      },
    }),
  );
  say(`APIs ${apiUrl}, ${parts.map(({ name }) => name).join(', ')}`);
  return {
    record: pools.get('sluice')!,
    platforms: new Map(PLATFORMS.map((name) => [name, pools.get(name)!])),
    parts,
    apiUrl,
    client: (actor) => createClient({ apiUrl, token: actors[actor] }),
  };
}
