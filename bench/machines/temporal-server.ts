/**
 * A Temporal server as a data centre has it: its four services, on PostgreSQL, in databases of their own (`temporal`,
 * `temporal_visibility`). Everything that uses it knows its address and no more.
 */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Connection } from '@temporalio/client';
import { projectFolder } from '../../config.ts';
import { type Child, describe, type Exit, startOwned } from '../../embedded/children.ts';
import type { Home } from '../../embedded/home.ts';
import { freePortsUpTo } from '../../embedded/ports.ts';
import { createDatabase } from '../../embedded/postgres.ts';
import type { Temporal } from '../../embedded/temporal.ts';
import { SluiceError } from '../../errors.ts';
import type { ServerPrograms } from './server-build.ts';

const run = promisify(execFile);
const DATABASES = { temporal: 'temporal', temporal_visibility: 'visibility' } as const;
const SERVICES = ['frontend', 'history', 'matching', 'worker'] as const;
const PLUGIN = 'postgres12_pgx';
const READY_MS = 120_000;
/** The server keeps its ports in a column of 16 bits with a sign: above this one it ends at its start. */
const HIGHEST_PORT = 32_767;
/** How long Temporal keeps finished histories. The record does not need them (protocol A1); they help to find causes of trouble. */
const RETENTION_S = 3 * 86_400;

/** Like the embedded server, but it is not restarted when it ends. */
export type TemporalServer = Omit<Temporal, 'restart'>;

/**
 * Makes databases and schema where they are not there yet, starts the server and makes its namespace; fulfils when it serves that.
 * `postgresUrl`: a database of a PostgreSQL server, as a user who may make databases. Throws `temporal_failed`.
 */
export async function startTemporalServer(given: {
  readonly home: Home;
  readonly programs: ServerPrograms;
  readonly postgresUrl: string;
  readonly namespace: string;
}): Promise<TemporalServer> {
  const { home, programs, namespace } = given;
  const postgres = new URL(given.postgresUrl);
  for (const [database, schema] of Object.entries(DATABASES)) {
    await createDatabase(given.postgresUrl, database);
    await makeSchema(programs.tool, postgres, database, schema);
  }
  const doors = SERVICES.flatMap((service) => [service, `${service} membership`]);
  const free = await freePortsUpTo(HIGHEST_PORT, doors.length);
  const ports = new Map(doors.map((door, i) => [door, free[i]!]));
  const folder = join(home.path, 'temporal-server');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const config = join(folder, 'config.yaml');
  // JSON is YAML; it holds a password.
  await writeFile(config, JSON.stringify(configOf(postgres, ports), null, 2), { mode: 0o600 });
  const child = await startOwned(home.path, {
    name: 'temporal',
    command: programs.server,
    args: ['--config-file', config, '--allow-no-auth', 'start'],
    env: { PATH: '/usr/bin:/bin', HOME: folder, TZ: 'UTC' },
    cwd: folder,
  });
  const address = `127.0.0.1:${ports.get('frontend')}`;
  try {
    await servesNamespace(child, address, namespace);
  } catch (error) {
    await child.kill9();
    throw error;
  }
  return { ...child, address };
}

async function makeSchema(tool: string, postgres: URL, database: string, schema: string): Promise<void> {
  const at = ['--plugin', PLUGIN, '--ep', postgres.hostname, '--port', postgres.port || '5432'];
  const who = ['--user', decodeURIComponent(postgres.username), '--db', database];
  // Not among the arguments, which everybody on the machine can read.
  const env = { SQL_PASSWORD: decodeURIComponent(postgres.password), PATH: '/usr/bin:/bin' };
  const call = (...args: string[]) => run(tool, [...at, ...who, ...args], { env, timeout: READY_MS });
  try {
    await call('setup-schema', '--version', '0.0');
    await call('update-schema', '--schema-name', `postgresql/v12/${schema}`);
  } catch (cause) {
    throw new SluiceError(
      'temporal_failed',
      `the schema of ${database} could not be made: ${String(cause)}`,
      {
        cause,
      },
    );
  }
}

function configOf(postgres: URL, ports: ReadonlyMap<string, number>) {
  const store = (databaseName: string) => ({
    sql: {
      pluginName: PLUGIN,
      databaseName,
      connectAddr: `${postgres.hostname}:${postgres.port || '5432'}`,
      connectProtocol: 'tcp',
      user: decodeURIComponent(postgres.username),
      password: decodeURIComponent(postgres.password),
      // Of each of the four services: the PostgreSQL of this form serves the record and the platforms, too.
      maxConns: 10,
      maxIdleConns: 10,
      maxConnLifetime: '1h',
    },
  });
  const rpc = (service: string) => ({
    rpc: {
      grpcPort: ports.get(service),
      membershipPort: ports.get(`${service} membership`),
      bindOnLocalHost: true,
    },
  });
  return {
    log: { stdout: true, level: 'warn' },
    persistence: {
      defaultStore: 'default',
      visibilityStore: 'visibility',
      numHistoryShards: 4,
      datastores: { default: store('temporal'), visibility: store('temporal_visibility') },
    },
    global: { membership: { maxJoinDuration: '30s', broadcastAddress: '127.0.0.1' } },
    services: Object.fromEntries(SERVICES.map((service) => [service, rpc(service)])),
    clusterMetadata: {
      enableGlobalNamespace: false,
      failoverVersionIncrement: 10,
      masterClusterName: 'active',
      currentClusterName: 'active',
      clusterInformation: {
        active: {
          enabled: true,
          initialFailoverVersion: 1,
          rpcName: 'frontend',
          rpcAddress: `127.0.0.1:${ports.get('frontend')}`,
        },
      },
    },
    dcRedirectionPolicy: { policy: 'noop' },
    dynamicConfigClient: { filepath: join(projectFolder, 'compose', 'temporal.yaml'), pollInterval: '60s' },
  };
}

/** Makes the namespace as soon as anybody answers, then waits until all services know it. */
async function servesNamespace(child: Child, address: string, namespace: string): Promise<void> {
  const until = Date.now() + READY_MS;
  let over: Exit | undefined;
  void child.exited.then((exit) => {
    over = exit;
  });
  let last: unknown;
  while (over === undefined && Date.now() < until) {
    try {
      await makeNamespace(address, namespace);
      return;
    } catch (error) {
      last = error;
      await pause(250);
    }
  }
  const how = over === undefined ? `did not serve within ${READY_MS / 1_000} s` : `ended (${describe(over)})`;
  throw new SluiceError(
    'temporal_failed',
    `the Temporal server ${how}:\n${(await child.tail(1)).slice(0, 1_000)}`,
    {
      cause: last,
    },
  );
}

async function makeNamespace(address: string, namespace: string): Promise<void> {
  const connection = await Connection.connect({ address, connectTimeout: 2_000 });
  try {
    const { workflowService } = connection;
    await workflowService
      .registerNamespace({
        namespace,
        // The type wants a Long; a number is written as well.
        workflowExecutionRetentionPeriod: { seconds: RETENTION_S as never },
      })
      .catch((error: { code?: number }) => {
        // gRPC: already exists.
        if (error.code !== 6) throw error;
      });
    // The first asks the frontend, the second history and visibility, whose caches learn of it later.
    await workflowService.describeNamespace({ namespace });
    await workflowService
      .describeWorkflowExecution({
        namespace,
        execution: { workflowId: 'sluice-is-anybody-there' },
      })
      .catch((error: { code?: number; details?: string }) => {
        // gRPC: not found, and it is not the namespace that is not.
        if (error.code !== 5 || /namespace/i.test(error.details ?? '')) throw error;
      });
    await workflowService.listWorkflowExecutions({ namespace, pageSize: 1 });
  } finally {
    await connection.close();
  }
}
