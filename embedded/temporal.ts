/**
 * The embedded Temporal server: `temporal server start-dev` on a database file of this home, a child of this process, on 127.0.0.1 only. Temporal
 * calls it a development server; a production site names a server of its own with TEMPORAL_ADDRESS.
 */
import { mkdir } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { SluiceError } from '../errors.ts';
import { type Child, describe, type Exit, startOwned } from './children.ts';
import { type Home, readNote, writeNote } from './home.ts';
import { choosePort } from './ports.ts';
import { processIdentity } from './process-lock.mjs';

export interface TemporalOptions {
  readonly home: Home;
  /** The `temporal` program, see `obtainTemporal`. */
  readonly program: string;
  /** Exactly this port; 0: any free one. Default: the one that was used last, otherwise 7073, otherwise a free one. */
  readonly port?: number | undefined;
  /** The namespace to serve, which is made when it is missing. Default: `default`. */
  readonly namespace?: string;
}

export interface Temporal {
  /** `127.0.0.1:port` */
  readonly address: string;
  readonly pid: number;
  readonly exited: Promise<Exit>;
  stop(deadlineMs?: number): Promise<Exit>;
  kill9(): Promise<Exit>;
  /** Stops it if it runs and starts it on the same port and database; fulfils when it serves. */
  restart(): Promise<void>;
}

const DEFAULT_PORT = 7073;
/** Time within which the server has to serve its namespace, ms; usually it takes about 1 s. */
const READY_MS = 60_000;

/** Starts the server; fulfils when it serves the namespace (about 1 s). Throws `port_in_use`, `temporal_failed`. */
export async function startTemporal(options: TemporalOptions): Promise<Temporal> {
  const { home } = options;
  const note = await readNote<{ port: number }>(home, 'temporal');
  let port = await pickPort(options, note?.port);
  let child: Child;
  for (let tries = 1; ; tries++) {
    try {
      child = await launch(options, port);
      break;
    } catch (error) {
      // Another process may have taken the free port meanwhile. A port that a person has named is not replaced.
      if (!(error instanceof SluiceError) || error.code !== 'port_in_use' || options.port || tries === 5)
        throw error;
      port = await pickPort(options, note?.port);
    }
  }
  if (port !== note?.port) await writeNote(home, 'temporal', { port });
  return {
    address: `127.0.0.1:${port}`,
    get pid() {
      return child.pid;
    },
    get exited() {
      return child.exited;
    },
    stop: (deadlineMs = 10_000) => child.stop(deadlineMs),
    kill9: () => child.kill9(),
    restart: async () => {
      await child.stop();
      child = await launch(options, port);
    },
  };
}

const pickPort = (options: TemporalOptions, kept: number | undefined) =>
  choosePort({
    what: 'the Temporal server',
    key: 'SLUICE_TEMPORAL_PORT',
    fixed: options.port,
    liked: [kept, DEFAULT_PORT],
  });

/**
 * What the server writes when it panics, because another process took a port that it had chosen for a service of its own (seen when several servers
 * start at once). Such a start is repeated, and the server chooses other ports.
 */
const LOST_A_PORT = /failed to assign a free port|commands\.server\.go:\d+/;
/** Maximum number of such starts. */
const LAUNCHES = 4;

async function launch(options: TemporalOptions, port: number): Promise<Child> {
  for (let nth = 1; ; nth++) {
    try {
      return await launchOnce(options, port);
    } catch (error) {
      const lostAPort =
        error instanceof SluiceError && error.code === 'temporal_failed' && LOST_A_PORT.test(error.message);
      if (!lostAPort || nth === LAUNCHES) throw error;
    }
  }
}

async function launchOnce(
  { home, program, namespace = 'default' }: TemporalOptions,
  port: number,
): Promise<Child> {
  const folder = join(home.path, 'temporal');
  // Histories have the inputs of workflows, so nobody else may read them, whatever the umask.
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const child = await startOwned(home.path, {
    name: 'temporal',
    command: program,
    args: [
      'server',
      'start-dev',
      '--ip',
      '127.0.0.1',
      '--port',
      String(port),
      '--headless',
      '--log-level',
      'error',
      // These pragmas have 2.5 times the throughput of the default ones (measured). A crash of the machine may lose the last
      // moments of the histories; the record has them (protocol A1).
      '--db-filename',
      join(folder, 'temporal.db'),
      '--sqlite-pragma',
      'journal_mode=WAL',
      '--sqlite-pragma',
      'synchronous=NORMAL',
      // With the default of 4 MB a busy run of 18,000 flows had to continue as new every 50 s, which takes it a second each time.
      '--dynamic-config-value',
      'limit.historySize.suggestContinueAsNew=16777216',
      '--dynamic-config-value',
      'limit.historyCount.suggestContinueAsNew=16384',
      ...(namespace === 'default' ? [] : ['--namespace', namespace]),
    ],
    // The whole environment: no variable of a person's shell (TEMPORAL_ADDRESS, TEMPORAL_TLS) reaches the server.
    env: { PATH: '/usr/bin:/bin', HOME: folder, TZ: 'UTC' },
    cwd: folder,
  });
  const until = Date.now() + READY_MS;
  while (processIdentity(child.pid) !== undefined) {
    if (await servesNamespace(port, namespace)) return child;
    if (Date.now() > until) {
      await child.kill9();
      throw new SluiceError(
        'temporal_failed',
        `the Temporal server did not serve within ${READY_MS / 1000} s:\n${await child.tail()}`,
      );
    }
    await pause(25);
  }
  const exit = await child.exited;
  const log = await child.tail();
  // A start-dev on a port that is in use ends, and clients would talk to the other server. So the port counts as served only while our child lives.
  if (/address already in use|can't set frontend port/i.test(log)) {
    throw new SluiceError('port_in_use', `the Temporal server cannot listen on port ${port}`, {
      facts: { port },
    });
  }
  throw new SluiceError('temporal_failed', `the Temporal server ended (${describe(exit)}):\n${log}`);
}

/**
 * Whether the server describes the namespace. It is asked by plain gRPC, so that no SDK is needed here: the message has the name as field 1 (a
 * string), and a frame is a zero byte, the length in four bytes and the message.
 */
function servesNamespace(port: number, namespace: string): Promise<boolean> {
  return new Promise((answer) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    const done = (yes: boolean) => {
      session.destroy();
      answer(yes);
    };
    session.once('error', () => done(false));
    session.setTimeout(2_000, () => done(false));
    const name = Buffer.from(namespace);
    const message = Buffer.concat([Buffer.from([0x0a, name.length]), name]);
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(message.length, 1);
    const request = session.request({
      ':method': 'POST',
      ':path': '/temporal.api.workflowservice.v1.WorkflowService/DescribeNamespace',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let status: unknown;
    request.once('response', (headers) => {
      // The answer to a failed call may have headers only, and no trailers.
      status = headers['grpc-status'];
    });
    request.once('trailers', (headers) => {
      status = headers['grpc-status'];
    });
    request.once('error', () => done(false));
    request.once('close', () => done(status === '0'));
    request.resume();
    request.end(Buffer.concat([frame, message]));
  });
}
