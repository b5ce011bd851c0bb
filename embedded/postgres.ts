/**
 * The embedded PostgreSQL: a server of this home, a child of this process, on 127.0.0.1 only. Its password is random and stands in a file that only
 * the owner can read. fsync and checksums stay on, because it holds the record.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { SluiceError } from '../errors.ts';
import { type Child, describe, type Exit, endStranger, startOwned } from './children.ts';
import { type Home, writeNote } from './home.ts';
import { choosePort } from './ports.ts';
import { locateBinaries, type PostgresBinaries, postgresUser, type RunAs } from './postgres-binaries.ts';
import {
  ENVIRONMENT,
  endFormerServer,
  type PostgresNote,
  prepareData,
  spareFolders,
  USER,
} from './postgres-data.ts';
import { processIdentity } from './process-lock.mjs';

export interface PostgresOptions {
  readonly home: Home;
  /** Exactly this port; 0: any free one. Default: the one that was used last, otherwise 7072, otherwise a free one. */
  readonly port?: number | undefined;
  /** The data is thrown away soon, so it is made without waiting for the disk. */
  readonly shortLived?: boolean;
}

export interface Postgres {
  readonly port: number;
  readonly pid: number;
  readonly exited: Promise<Exit>;
  /** URL of a database of this server, with its superuser `sluice`. */
  url(database?: string): string;
  /** Fast shutdown: open transactions are rolled back, sessions closed. */
  stop(deadlineMs?: number): Promise<Exit>;
  /** SIGKILL to the server and all its backends, as when the machine fails; fulfils when all are gone. */
  kill9(): Promise<Exit>;
  /** Stops it if it runs and starts it on the same port and data; fulfils when it answers. */
  restart(): Promise<void>;
}

const DEFAULT_PORT = 7072;
/** Time within which the server has to accept connections, ms: after a crash it first repeats its log. */
const READY_MS = 120_000;
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '256MB',
  // A backend whose client has died gives up its locks within a second (protocol C6).
  client_connection_check_interval: '1s',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // The server looks every 5 s, not every minute, whether leases and outbox need a vacuum (decision 0010).
  autovacuum_naptime: '5s',
  // Short statements: compiling them costs more than it saves.
  jit: 'off',
};

/**
 * Starts PostgreSQL on the data of `home`, making the data first where there is none (1-3 s); fulfils when it answers queries.
 * Throws `port_in_use`, `postgres_failed`.
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const { home } = options;
  const user = postgresUser();
  const binaries = await locateBinaries(user, spareFolders(user));
  const note = await prepareData(home, binaries, user, options.shortLived === true);
  const data = join(note.folder, 'data');
  await endFormerServer(data);

  let port = await pickPort(options, note);
  let child: Child;
  for (let tries = 1; ; tries++) {
    try {
      child = await launch({ home, binaries, data, port, user });
      break;
    } catch (error) {
      // Another process may have taken the free port meanwhile. A port that a person has named is not replaced.
      if (!(error instanceof SluiceError) || error.code !== 'port_in_use' || options.port || tries === 5)
        throw error;
      port = await pickPort(options, note);
    }
  }
  if (port !== note.port) await writeNote(home, 'postgres', { ...note, port });

  const url = (database = 'postgres') => `postgres://${USER}:${note.password}@127.0.0.1:${port}/${database}`;
  await answers(url(), child);
  return {
    port,
    get pid() {
      return child.pid;
    },
    get exited() {
      return child.exited;
    },
    url,
    stop: (deadlineMs = 20_000) => child.stop(deadlineMs),
    kill9: () => killAll(child),
    restart: async () => {
      await child.stop(20_000);
      child = await launch({ home, binaries, data, port, user });
      await answers(url(), child);
    },
  };
}

const pickPort = (options: PostgresOptions, note: PostgresNote) =>
  choosePort({
    what: 'PostgreSQL',
    key: 'SLUICE_POSTGRES_PORT',
    fixed: options.port,
    liked: [note.port, DEFAULT_PORT],
  });

/** Creates database `name`, a copy of `template` when given (nobody may be connected to that), unless it exists. */
export async function createDatabase(
  url: string,
  name: string,
  options: { template?: string } = {},
): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const template =
      options.template === undefined ? '' : ` template ${pg.escapeIdentifier(options.template)}`;
    const known = await client.query('select 1 from pg_database where datname = $1', [name]);
    if (known.rowCount === 0) await client.query(`create database ${pg.escapeIdentifier(name)}${template}`);
  } finally {
    await client.end();
  }
}

interface Launch {
  readonly home: Home;
  readonly binaries: PostgresBinaries;
  /** The data folder. */
  readonly data: string;
  readonly port: number;
  readonly user: RunAs;
}

/** Starts the server process and waits until it accepts connections. */
async function launch({ home, binaries, data, port, user }: Launch): Promise<Child> {
  const settings = Object.entries(SETTINGS).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
  const until = Date.now() + READY_MS;
  for (;;) {
    const child = await startOwned(home.path, {
      name: 'postgres',
      command: binaries.postgres,
      args: ['-D', data, '-p', String(port), ...settings],
      env: ENVIRONMENT,
      cwd: '/',
      stopSignal: 'SIGINT',
      ...user,
    });
    const exit = await acceptsConnections(child, data, until);
    if (exit === 'ready') return child;
    const log = await child.tail();
    if (exit === 'late') {
      await child.kill9();
      throw new SluiceError(
        'postgres_failed',
        `PostgreSQL did not get ready in ${READY_MS / 1000} s:\n${log}`,
      );
    }
    if (/Address already in use|could not create any TCP\/IP sockets/.test(log)) {
      throw new SluiceError('port_in_use', `PostgreSQL cannot listen on port ${port}`, { facts: { port } });
    }
    // After a kill -9 of the server its backends notice it a moment later. Until then no server may start on their shared memory.
    if (!/pre-existing shared memory block|lock file .* already exists/.test(log) || Date.now() > until) {
      throw new SluiceError('postgres_failed', `PostgreSQL ended (${describe(exit)}):\n${log}`);
    }
    await pause(100);
  }
}

/** Waits until the server has written `ready` into the last line of postmaster.pid; the first line must have the id of our child. */
async function acceptsConnections(
  child: Child,
  data: string,
  until: number,
): Promise<'ready' | 'late' | Exit> {
  const file = join(data, 'postmaster.pid');
  while (Date.now() < until && processIdentity(child.pid) !== undefined) {
    const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n');
    if (Number(lines[0]) === child.pid && lines[7]?.startsWith('ready')) return 'ready';
    await pause(20);
  }
  return Date.now() < until ? child.exited : 'late';
}

async function answers(url: string, child: Child): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('select 1');
  } catch (cause) {
    await child.stop();
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new SluiceError('postgres_failed', `PostgreSQL started but does not answer: ${detail}`, { cause });
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function killAll(child: Child): Promise<Exit> {
  const backends = (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').catch(() => ''))
    .split(' ')
    .map(Number)
    .filter((pid) => pid > 0);
  const exit = await child.kill9();
  await Promise.all(backends.map((pid) => endStranger(pid, 'SIGKILL')));
  return exit;
}
