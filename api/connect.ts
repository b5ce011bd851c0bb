/** The API connected to the record: everything `buildApp` needs, from values of the configuration. */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '../logging.ts';
import { createAgentCalls } from '../services/agents/agent-calls.ts';
import { displayZone } from '../services/catalogue/display-zone.ts';
import { EstateLineages } from '../services/lineage/estate-lineage.ts';
import { fileLogStore } from '../services/log-store.ts';
import { openNotifications } from '../services/notifications.ts';
import { OpeningsUnderWay } from '../services/operations/openings-under-way.ts';
import { OperationLanes } from '../services/operations/operation-lanes.ts';
import { ProgramReader } from '../services/programs/program-reader.ts';
import { startRules } from '../services/rules/start-rules.ts';
import { startBeats } from '../services/upkeep/beats.ts';
import { startHousekeeping } from '../services/upkeep/housekeeping.ts';
import { startLearning } from '../services/upkeep/learning.ts';
import { startRetention } from '../services/upkeep/retention.ts';
import { versionReader } from '../store/catalogue/catalogue.ts';
import { contextReader } from '../store/record/run-context.ts';
import type { RetentionPolicy } from '../store/retention/retention.ts';
import { createPool } from '../store/schema/pool.ts';
import { buildApp } from './app.ts';
import type { Api } from './instance.ts';

export interface ApiOptions {
  readonly databaseUrl: string;
  /** Folder of the attempts' logs. */
  readonly logFolder: string;
  readonly leaseMs: number;
  readonly heartbeatMs: number;
  readonly orphanMs: number;
  readonly graceMs: number;
  readonly planTtlMs: number;
  readonly logLevel: string;
  readonly retention: RetentionPolicy;
  /** Whether runs that are over long enough leave by themselves. */
  readonly retainsByItself: boolean;
  /** Asks the coordinator of a frozen run to begin again (protocol A9). */
  readonly reload: (run: string) => Promise<void>;
}

export interface ConnectedApi {
  readonly app: Api;
  /** Answers what is open, then ends. */
  close(): Promise<void>;
}

/** Statement timeout in ms. No statement of the engine takes 20 s: the record ends a transaction after 5 s (protocol A10). */
const ANSWER_MS = 20_000;
/** How long open requests may take when the API ends; its process gives the whole end 8 s. */
const OPEN_REQUESTS_MS = 4_000;

/** Throws when PostgreSQL cannot be reached. `listen` is the caller's. */
export async function connectApi(options: ApiOptions): Promise<ConnectedApi> {
  const log = createLogger({ name: 'api', level: options.logLevel });
  const onError = (error: Error): void =>
    log.warn({ error: error.message }, 'an idle connection to PostgreSQL broke');
  const pool = createPool(options.databaseUrl, {
    max: 20,
    name: 'api',
    answerMs: ANSWER_MS,
    onError,
  });
  const copyPool = createPool(options.databaseUrl, { max: 2, name: 'api-copy', onError, copies: true });
  const notifications = await openNotifications(options.databaseUrl, log).catch(async (error) => {
    await pool.end();
    throw error;
  });
  const versionOf = versionReader(pool, options);
  const contextOf = contextReader(pool, versionOf);
  const logs = fileLogStore(options.logFolder);
  const zone = (): Promise<string> => displayZone({ pool, versionOf });
  const warn = (facts: object, message: string): void => log.warn(facts, message);
  const agentCalls = createAgentCalls({ ...options, pool, contextOf, notifications, logs, zone, warn });
  const programs = new ProgramReader();
  const deps = {
    ...options,
    pool,
    copyPool,
    versionOf,
    contextOf,
    notifications,
    logs,
    agentCalls,
    programs,
    lineages: new EstateLineages(programs),
    openings: new OpeningsUnderWay(),
    lanes: new OperationLanes(pool),
    operationWaitMs: 10_000,
  };
  const app = await buildApp(deps);
  const stopBeats = startBeats(pool, `${hostname()}-${process.pid}`, warn);
  const stopHousekeeping = startHousekeeping(pool, warn);
  const stopRetention = options.retainsByItself
    ? startRetention({ copyPool, retention: options.retention, logs }, log)
    : async () => {};
  const stopLearning = startLearning({ pool, versionOf }, log);
  const stopRules = startRules(deps, warn);
  return {
    app,
    async close() {
      // Answers take moments; a connection that was opened and never asked anything would hold up the end for a minute.
      const impatient = setTimeout(() => app.server.closeAllConnections(), OPEN_REQUESTS_MS);
      await app.close().finally(() => clearTimeout(impatient));
      await stopRules();
      await stopBeats();
      await stopHousekeeping();
      await stopRetention();
      await stopLearning();
      await programs.close();
      await notifications.close();
      await copyPool.end();
      await pool.end();
    },
  };
}

/** Where an installation keeps logs of attempts. */
export const logFolderOf = (home: string): string => join(home, 'logs', 'attempts');
