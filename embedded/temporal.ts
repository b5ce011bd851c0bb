/**
 * The embedded Temporal server: `temporal server start-dev` on a database file of this home, owned by pid, on 127.0.0.1 only.
 * Temporal calls it a development server: a production site names its own with TEMPORAL_ADDRESS.
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
  /** Exactly this port, 0 for any free one; undefined: the one used last, 7073, or a free one. */
  readonly port?: number | undefined;
  /** Made if it is not there; default `default`. */
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
      // Between choosing a free port and using it somebody else may take it; a port that a person named is not exchanged.
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
 * The server picks free ports for its own services and panics when another process takes one before it does (seen with several servers
 * starting at once): such a start is made again, with other ports.
 */
const LOST_A_PORT = /failed to assign a free port|commands\.server\.go:\d+/;
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
  // Histories carry inputs: nobody else reads them, whatever the umask.
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
      // Measured: 2.5 times the throughput of the default pragmas; a crash of the machine may lose the last instants, which
      // PostgreSQL has (protocol A1).
      '--db-filename',
      join(folder, 'temporal.db'),
      '--sqlite-pragma',
      'journal_mode=WAL',
      '--sqlite-pragma',
      'synchronous=NORMAL',
      // A busy run of 18,000 flows came to 4 MB of history in 50 s, and continuing as new holds it up for a second.
      '--dynamic-config-value',
      'limit.historySize.suggestContinueAsNew=16777216',
      '--dynamic-config-value',
      'limit.historyCount.suggestContinueAsNew=16384',
      ...(namespace === 'default' ? [] : ['--namespace', namespace]),
    ],
    // No variable of a person's shell (TEMPORAL_ADDRESS, TEMPORAL_TLS ...) bends the server.
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
  // A second start-dev on a used port ends while clients quietly talk to the first: only our own child's answer counts.
  if (/address already in use|can't set frontend port/i.test(log)) {
    throw new SluiceError('port_in_use', `the Temporal server cannot listen on port ${port}`, {
      facts: { port },
    });
  }
  throw new SluiceError('temporal_failed', `the Temporal server ended (${describe(exit)}):\n${log}`);
}

/**
 * Asks `DescribeNamespace` by plain gRPC, so that waiting for the server needs no SDK. Request: field 1 (string) of the message is
 * the name; a gRPC frame is one zero byte and the length in four, then the message.
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
      // An error without a body comes as headers only.
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
