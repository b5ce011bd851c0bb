/** The product as real processes over the test's database: API, workers and agents that can be killed and frozen one by one. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll } from 'vitest';
import type { Child } from '../../embedded/children.ts';
import { openHome } from '../../embedded/home.ts';
import { type InstallationParts, partsOf } from '../../embedded/parts.ts';
import { freePort } from '../../embedded/ports.ts';
import { startProgram } from '../../embedded/programs.ts';
import { createActor } from '../../store/operations/actors.ts';
import type { TestDatabase } from './database.ts';
import { temporalAddress, uniqueName } from './temporal.ts';

export interface Installation {
  readonly url: string;
  readonly taskQueue: string;
  startApi(name?: string): Promise<Child>;
  /** A second API on a port of its own, with a `call` that goes there. */
  startApiElsewhere(): Promise<{ child: Child; call: Installation['call'] }>;
  startWorker(name?: string, changes?: Record<string, string>): Promise<Child>;
  startAgent(name: string, changes?: Record<string, string>): Promise<Child>;
  /** A call of an actor with every right; answers status and body. */
  call(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: Answer }>;
  log(name: string): Promise<string>;
  /** Ends every process now; otherwise it is done after the file's tests. */
  stopAll(): Promise<void>;
}

// biome-ignore lint/suspicious/noExplicitAny: bodies of many routes, looked into by tests
type Answer = any;

/** Times short enough for tests; a worker's default is the server's. */
const TIMES = {
  SLUICE_LEASE_MS: '3000',
  SLUICE_HEARTBEAT_MS: '500',
  SLUICE_GRACE_MS: '200',
  SLUICE_LOG_LEVEL: 'warn',
};

/** Everything that was started is ended after the file's tests; connections of agents: name -> URL. */
export async function createInstallation(
  database: Pick<TestDatabase, 'url'>,
  connections: Record<string, string> = {},
  /** Of the whole installation, e.g. the address of another Temporal server. */
  common: Record<string, string> = {},
): Promise<Installation> {
  const home = await openHome(await mkdtemp(join(tmpdir(), 'sluice-installation-')));
  const port = await freePort();
  const taskQueue = uniqueName('faults');
  const url = `http://127.0.0.1:${port}`;
  const children: Child[] = [];
  const pool = new pg.Pool({ connectionString: database.url, max: 2 });
  pool.on('error', () => {});
  const token = await createActor(pool, {
    name: 'tester',
    kind: 'person',
    roles: ['maintainer', 'key', 'customer'],
  });
  let stopped = false;
  const stopAll = async (): Promise<void> => {
    if (stopped) return;
    stopped = true;
    await Promise.allSettled(children.map((child) => child.kill9()));
    await pool.end();
    await home.release();
    await rm(home.path, { recursive: true, force: true });
  };
  afterAll(stopAll);
  const tokens: Record<string, string> = {};
  const start = async (
    which: Partial<Pick<InstallationParts, 'apis' | 'workers' | 'agents'>>,
    changes: Record<string, string> = {},
  ): Promise<Child> => {
    const [part] = partsOf({
      home,
      apis: [],
      workers: [],
      agents: [],
      ...which,
      addresses: {
        database: () => database.url,
        temporal: () => common.TEMPORAL_ADDRESS ?? temporalAddress(),
        api: () => url,
        connections: () => connections,
      },
      tokens,
      settings: { ...TIMES, SLUICE_TASK_QUEUE: taskQueue, ...common },
    });
    const child = await startProgram(home, { ...part!, env: { ...part!.env, ...changes } });
    children.push(child);
    return child;
  };
  const callTo =
    (base: string): Installation['call'] =>
    async (method, path, body, headers = {}) => {
      const answer = await fetch(`${base}/api/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: answer.status, body: await answer.json() };
    };
  return {
    url,
    taskQueue,
    stopAll,
    call: callTo(url),
    startApi: (name = 'api') => start({ apis: [{ name, port }] }),
    async startApiElsewhere() {
      const other = await freePort();
      const child = await start({ apis: [{ name: `api-${other}`, port: other }] });
      return { child, call: callTo(`http://127.0.0.1:${other}`) };
    },
    startWorker: (name = 'worker', changes = {}) => start({ workers: [name] }, changes),
    async startAgent(name, changes = {}) {
      tokens[name] = await createActor(pool, { name, kind: 'agent' });
      return start({ agents: [{ name, platform: 'yt', slots: 4 }] }, changes);
    },
    log: (name) => readFile(join(home.path, 'logs', `${name}.log`), 'utf8'),
  };
}

/** Freezes a process as a suspended machine would be; `SIGCONT` lets it go on. */
export function freeze(child: Child): () => void {
  process.kill(child.pid, 'SIGSTOP');
  return () => process.kill(child.pid, 'SIGCONT');
}
