/**
 * Processes that this one owns, each by its pid and a pid file. A child is the leader of a session of its own, so that Ctrl-C of a
 * terminal reaches this process only, which then stops its children in order. What a killed parent left behind is found again by
 * its pid file and ended by `endLeftovers`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, renameSync, statSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { childEnvironment } from '../config.ts';
import { SluiceError } from '../errors.ts';
import { processIdentity } from './process-lock.mjs';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ChildSpec {
  /** Names pid file and log file: `<home>/run/<name>.json`, `<home>/logs/<name>.log`. One child a name. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** The signal that asks it to stop; default SIGTERM. */
  readonly stopSignal?: NodeJS.Signals;
  /** Opens an IPC channel, for children that run Node. */
  readonly channel?: boolean;
}

export interface Child {
  readonly name: string;
  readonly pid: number;
  /** What it wrote since this start, the last lines of it, for messages. */
  tail(lines?: number): Promise<string>;
  /** Fulfilled when the process has ended, whatever ended it. */
  readonly exited: Promise<Exit>;
  /** Asks it to stop, and ends it when it has not after `deadlineMs`. */
  stop(deadlineMs?: number): Promise<Exit>;
  kill9(): Promise<Exit>;
}

interface PidFile {
  readonly name: string;
  readonly pid: number;
  readonly identity: string;
  readonly stopSignal: NodeJS.Signals;
}

/** Size from which a log file is put aside at the next start of its child, bytes: 10 MB. */
const LOG_BYTES = 10_000_000;
/**
 * Options with which children that run Node take less memory. Without them V8 lets the young generation of each isolate grow to 48 MB, and collects
 * the old one only when it is several times as large as what is in use: the heap of an API had 204 MB, of which it needed 59 (docs/performance.md).
 */
export const SMALL_HEAP: readonly string[] = [
  '--max-semi-space-size=4',
  '--initial-old-space-size=64',
  '--heap-growing-percent=50',
];
const living = new Map<number, NodeJS.Signals>();
const runFolder = (home: string) => join(home, 'run');

/** Last resort when this process ends by itself with children alive: ask them to stop; nothing can be awaited any more. */
process.on('exit', () => {
  for (const [pid, signal] of living) signalTo(pid, signal);
});

/** Starts a child of this process. Throws `child_failed` when the program cannot be started at all. */
export async function startOwned(home: string, spec: ChildSpec): Promise<Child> {
  return (await startProcess(home, spec)).child;
}

async function startProcess(home: string, spec: ChildSpec): Promise<{ child: Child; running: ChildProcess }> {
  const stopSignal = spec.stopSignal ?? 'SIGTERM';
  const logFile = await logFileOf(home, spec.name);
  const log = openSync(logFile, 'a', 0o600);
  const logFrom = fstatSync(log).size;
  const running = spawn(spec.command, spec.args, {
    detached: true,
    env: spec.env,
    stdio: ['ignore', log, log, ...(spec.channel ? (['ipc'] as const) : [])],
    ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
    ...(spec.uid === undefined ? {} : { uid: spec.uid }),
    ...(spec.gid === undefined ? {} : { gid: spec.gid }),
  });
  closeSync(log);
  const pid = running.pid;
  if (pid === undefined) {
    const cause = await new Promise((resolve) => running.once('error', resolve));
    throw new SluiceError('child_failed', `${spec.name}: ${spec.command} cannot be started`, { cause });
  }
  living.set(pid, stopSignal);
  const pidFile = join(runFolder(home), `${spec.name}.json`);
  const ended = new Promise<Exit>((resolve) => {
    running.once('exit', (code, signal) => {
      living.delete(pid);
      resolve({ code, signal });
    });
  });
  // A child that is already gone has no identity, and needs no file.
  const identity = processIdentity(pid);
  if (identity !== undefined) {
    await mkdir(runFolder(home), { recursive: true });
    await writeFile(
      pidFile,
      JSON.stringify({ name: spec.name, pid, identity, stopSignal } satisfies PidFile),
    );
  }
  const exited = ended.then(async (exit) => {
    await forget(pidFile, pid);
    return exit;
  });
  const child: Child = {
    name: spec.name,
    pid,
    tail: async (lines = 15) => {
      const text = (await readFile(logFile).catch(() => Buffer.alloc(0))).subarray(logFrom).toString('utf8');
      return text.trimEnd().split('\n').slice(-lines).join('\n');
    },
    exited,
    stop: (deadlineMs = 10_000) => {
      if (living.has(pid)) signalTo(pid, stopSignal);
      const timer = setTimeout(() => living.has(pid) && signalTo(pid, 'SIGKILL'), deadlineMs);
      return exited.finally(() => clearTimeout(timer));
    },
    kill9: () => {
      if (living.has(pid)) signalTo(pid, 'SIGKILL');
      return exited;
    },
  };
  return { child, running };
}

export interface NodeChild extends Child {
  /** What the child said with `process.send({ ready: true, ...facts })`; rejected with `child_failed` when it ended before. */
  readonly ready: Promise<Record<string, unknown>>;
}

/**
 * Starts `file` (absolute) under this Node as an owned child. The contract, which every `main.ts` keeps:
 * - once it can serve, it says `process.send?.({ ready: true, ...facts })`, e.g. `{ ready: true, url }`;
 * - on SIGTERM it ends in order and exits with 0;
 * - `process.once('disconnect', ...)` does the same: the channel breaks when this process dies, however it dies, so a child never
 *   outlives it. (Without a channel, started by hand, that event never comes.)
 * stdout and stderr go to `<home>/logs/<name>.log`. `env` is added to this process's environment.
 */
export async function spawnOwned(
  home: string,
  name: string,
  file: string,
  env: Readonly<Record<string, string | undefined>> = {},
  args: readonly string[] = [],
): Promise<NodeChild> {
  const { child, running } = await startProcess(home, {
    name,
    command: process.execPath,
    args: ['--disable-warning=ExperimentalWarning', ...SMALL_HEAP, file, ...args],
    env: childEnvironment({ MALLOC_ARENA_MAX: '2', ...env }),
    channel: true,
  });
  const ready = new Promise<Record<string, unknown>>((resolve, reject) => {
    running.on('message', (message) => {
      if (typeof message === 'object' && message !== null && 'ready' in message) resolve({ ...message });
    });
    void child.exited.then(async (exit) => {
      const detail = `${name} ended (${describe(exit)}) before it was ready:\n${await child.tail()}`;
      reject(new SluiceError('child_failed', detail, { facts: { name, ...exit } }));
    });
  });
  // A caller that waits for it gets the rejection; nobody has to wait.
  ready.catch(() => undefined);
  return { ...child, ready };
}

/**
 * Ends what a killed predecessor left behind below `home`: exactly the processes whose pid and start time are in a pid file.
 * Answers their names. Only the holder of the home's lock may call it.
 */
export async function endLeftovers(home: string): Promise<string[]> {
  const files = await readdir(runFolder(home)).catch(() => []);
  const ended = await Promise.all(
    files
      .filter((file) => file.endsWith('.json'))
      .map(async (file) => {
        const path = join(runFolder(home), file);
        const left = await readPidFile(path);
        const found = left !== undefined && processIdentity(left.pid) === left.identity;
        if (found) await endStranger(left.pid, left.stopSignal);
        await rm(path, { force: true });
        return found ? [left.name] : [];
      }),
  );
  return ended.flat();
}

/** Ends a process that is not our child and waits until it is gone: asked with `signal`, after `deadlineMs` killed. */
export async function endStranger(pid: number, signal: NodeJS.Signals, deadlineMs = 10_000): Promise<void> {
  const identity = processIdentity(pid);
  if (identity === undefined) return;
  signalTo(pid, signal);
  const killAt = Date.now() + deadlineMs;
  for (let killed = false; processIdentity(pid) === identity; ) {
    if (!killed && Date.now() > killAt) {
      signalTo(pid, 'SIGKILL');
      killed = true;
    }
    await pause(20);
  }
}

export const describe = ({ code, signal }: Exit): string =>
  signal === null ? `exit code ${code}` : `signal ${signal}`;

function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone already.
  }
}

async function readPidFile(path: string): Promise<PidFile | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as PidFile;
  } catch {
    return undefined;
  }
}

/** Removes the pid file unless a successor of the same name already wrote its own. */
async function forget(pidFile: string, pid: number): Promise<void> {
  if ((await readPidFile(pidFile))?.pid === pid) await rm(pidFile, { force: true });
}

/** The log file of a child. One of more than LOG_BYTES becomes `<name>.log.1` first: at a start only, as a child that runs goes on with its file. */
async function logFileOf(home: string, name: string): Promise<string> {
  const folder = join(home, 'logs');
  await mkdir(folder, { recursive: true });
  const file = join(folder, `${name}.log`);
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > LOG_BYTES) renameSync(file, `${file}.1`);
  return file;
}
