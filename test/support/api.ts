/** The API over a test database, asked in-process; with a coordinator unless the test wants to decide when things are decided. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { buildApp } from '../../api/app.ts';
import type { Api } from '../../api/instance.ts';
import { createAgentCalls } from '../../services/agents/agent-calls.ts';
import { displayZone } from '../../services/catalogue/display-zone.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import { EstateLineages } from '../../services/lineage/estate-lineage.ts';
import { fileLogStore } from '../../services/log-store.ts';
import { openNotifications } from '../../services/notifications.ts';
import { OpeningsUnderWay } from '../../services/operations/openings-under-way.ts';
import { OperationLanes } from '../../services/operations/operation-lanes.ts';
import { ProgramReader } from '../../services/programs/program-reader.ts';
import { versionReader } from '../../store/catalogue/catalogue.ts';
import { createActor, type NewActor } from '../../store/operations/actors.ts';
import { contextReader } from '../../store/record/run-context.ts';
import { createPool } from '../../store/schema/pool.ts';
import { startCoordinator, type TestCoordinator } from './coordinator.ts';

// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the test is about
export type Json = any;

export interface Answer {
  readonly status: number;
  readonly body: Json;
  readonly headers: Record<string, unknown>;
}

export interface Caller {
  get(path: string, headers?: Record<string, string>): Promise<Answer>;
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  readonly token: string;
}

export interface TestApi {
  readonly app: Api;
  readonly deps: ServiceDeps;
  readonly pool: ServiceDeps['pool'];
  readonly coordinator: TestCoordinator | null;
  /** A caller with a token of its own; paths are below /api/v1. */
  actor(actor: NewActor): Promise<Caller>;
}

/** Call at the top of a test file; everything is stopped when the file is done. */
export async function startTestApi(
  database: { url: string },
  options: { coordinator?: boolean; deps?: Partial<ServiceDeps> } = {},
): Promise<TestApi> {
  const pool = createPool(database.url, { max: 10, name: 'test-api' });
  const copyPool = createPool(database.url, { max: 2, name: 'test-copy', copies: true });
  const versionOf = versionReader(pool);
  const notifications = await openNotifications(database.url, console);
  const contextOf = contextReader(pool, versionOf);
  const folder = await mkdtemp(join(tmpdir(), 'sluice-test-api-'));
  const logs = fileLogStore(folder);
  const times = { leaseMs: 60_000, heartbeatMs: 10_000, orphanMs: 1_800_000 };
  const warn = (facts: object, message: string): void => console.warn(message, facts);
  const programs = new ProgramReader();
  const deps: ServiceDeps = {
    pool,
    copyPool,
    versionOf,
    contextOf,
    notifications,
    logs,
    agentCalls: createAgentCalls({
      pool,
      contextOf,
      notifications,
      logs,
      ...times,
      warn,
      zone: () => displayZone({ pool, versionOf }),
    }),
    programs,
    lineages: new EstateLineages(programs),
    openings: new OpeningsUnderWay(),
    lanes: new OperationLanes(pool),
    graceMs: 0,
    planTtlMs: 600_000,
    operationWaitMs: 10_000,
    leaseMs: 60_000,
    retention: {
      keepDays: { hour: 45, day: 190, month: 800 },
      auditDays: 1_100,
      folder: join(folder, 'archive'),
    },
    reload: async () => {},
    logLevel: 'error',
    ...options.deps,
  };
  const app = await buildApp(deps);
  const coordinator = options.coordinator === false ? null : await startCoordinator(database.url);
  afterAll(async () => {
    await app.close();
    await coordinator?.stop();
    await programs.close();
    await notifications.close();
    await copyPool.end();
    await pool.end();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    app,
    deps,
    pool,
    coordinator,
    async actor(actor) {
      const token = await createActor(pool, actor);
      return callerOf(app, token);
    },
  };
}

export function callerOf(app: Api, token: string): Caller {
  const ask = async (
    method: 'GET' | 'POST',
    path: string,
    payload: unknown,
    headers: Record<string, string>,
  ) => {
    const answer = await app.inject({
      method,
      url: `/api/v1${path}`,
      headers: { authorization: `Bearer ${token}`, ...headers },
      ...(payload === undefined ? {} : { payload: payload as object }),
    });
    const json = String(answer.headers['content-type']).includes('json');
    return { status: answer.statusCode, body: json ? answer.json() : answer.body, headers: answer.headers };
  };
  return {
    token,
    get: (path, headers = {}) => ask('GET', path, undefined, headers),
    post: (path, body = {}, headers = {}) => ask('POST', path, body, headers),
  };
}
