/**
 * The keeper's shims (agent/shim.sh). A shim is started for one program. In a cgroup it is used again for the next program, when
 * its last one ended by itself and left no process. Starting a shim costs ten times as much as running `true` under one that exists.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import type { KeptLaunch } from '../../platforms/shell/attempt-folder.ts';
import { leafOf, removeEmpty } from './containment.ts';
import { namespaceArguments, SHIM, SHIM_PATH } from './launch.ts';
import { livingWith, readLiving } from './process-table.ts';

/** A shim that was not used for this time, ms, ends. */
const IDLE_MS = 60_000;
/** Exit status of a shim that came too late: the shim of an earlier keeper has the attempt. */
const TAKEN = 71;
/** Variable that holds the spool. It is in the environment of every shim, and not in that of its programs. */
const SHIM_NAME = 'SLUICE_SHIM';
/** At most this many shims wait for their next program. */
const IDLE_LIMIT = 64;

export class Shims {
  readonly #spool: string;
  readonly #boot: string;
  #idle: { readonly shim: Shim; readonly since: number }[] = [];

  constructor(spool: string, boot: string) {
    this.#spool = spool;
    this.#boot = boot;
  }

  /** A shim that waits, or a new one. Rejects with the system's error when the kernel starts none. */
  async take(launch: KeptLaunch): Promise<Shim> {
    if (mayServeAgain(launch)) {
      for (let last = this.#idle.pop(); last !== undefined; last = this.#idle.pop())
        if (last.shim.lives) return last.shim;
    }
    const shim = ['/bin/sh', SHIM, this.#spool, this.#boot];
    const inside = launch.containment.level === 'namespace' && !launch.leaves;
    const [command, ...args] = inside ? ['unshare', ...namespaceArguments, ...shim] : shim;
    return new Shim(await launched(command!, args, this.#spool), launch);
  }

  /** The shim's program has ended by itself and left no process: the shim may run another one. */
  release(shim: Shim): void {
    if (!shim.lives) return;
    if (shim.serves && this.#idle.length < IDLE_LIMIT) this.#idle.push({ shim, since: performance.now() });
    else shim.end();
  }

  /** Ends shims that were not used for IDLE_MS. The keeper calls it at intervals. */
  endIdle(): void {
    const since = performance.now() - IDLE_MS;
    const stays = (entry: { readonly shim: Shim; readonly since: number }) =>
      entry.since >= since && entry.shim.lives;
    for (const entry of this.#idle) if (!stays(entry)) entry.shim.end();
    this.#idle = this.#idle.filter(stays);
  }
}

/** Only a cgroup makes certain that no process of the last program is alive in the shim's session. */
function mayServeAgain(launch: KeptLaunch): boolean {
  return launch.containment.level === 'cgroup' && !launch.leaves;
}

export class Shim {
  readonly pid: number;
  /** Whether it may run more than one program. */
  readonly serves: boolean;
  readonly #child: ChildProcess;
  readonly #leaf: string | undefined;
  #runs = 0;
  #over: ((taken: boolean) => void) | undefined;

  /** Takes a child that has started. Throws when its cgroup cannot be made. */
  constructor(child: ChildProcess, launch: KeptLaunch) {
    this.#child = child;
    this.pid = child.pid!;
    this.serves = mayServeAgain(launch);
    child.stdin!.on('error', () => {});
    child.stdout!.on('error', () => {}).on('data', () => this.serves && this.#ended(false));
    try {
      this.#leaf =
        launch.containment.level === 'cgroup' ? leafFor(this.pid, launch.containment.cgroup) : undefined;
    } catch (error) {
      this.end();
      throw error;
    }
    child.once('exit', (status) => {
      this.#ended(status === TAKEN);
      if (this.#leaf !== undefined) removeEmpty(this.#leaf);
    });
  }

  /** Whether it has run another program before. */
  get served(): boolean {
    return this.#runs > 1;
  }

  get lives(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Runs the program of `epoch`. `over` is called once: the program has ended, or the shim has; `taken`: another shim has the attempt. */
  run(epoch: number, over: (taken: boolean) => void): void {
    this.#over = over;
    const enter = this.#leaf === undefined || this.#runs > 0 ? '' : ` ${this.#leaf}`;
    this.#runs++;
    this.#child.stdin!.write(`${epoch}${enter}\n`);
    if (!this.serves) this.end();
    if (!this.lives) this.#ended(false);
  }

  /** The shim ends as soon as it has nothing to do. */
  end(): void {
    this.#child.stdin!.end();
  }

  #ended(taken: boolean): void {
    const over = this.#over;
    this.#over = undefined;
    over?.(taken);
  }
}

/** Creates the cgroup of a shim. Undefined when the process is gone. Throws when the cgroup cannot be created. */
function leafFor(pid: number, cgroup: string | undefined): string | undefined {
  const living = readLiving(pid);
  if (living === undefined || cgroup === undefined) return undefined;
  const leaf = leafOf(cgroup, pid, living.start);
  mkdirSync(leaf, { recursive: true });
  return leaf;
}

/** Starts a shim. Rejects with the system's error when the kernel does not start it. */
function launched(command: string, args: readonly string[], spool: string): Promise<ChildProcess> {
  const child = spawn(command, args, {
    cwd: '/',
    env: { PATH: SHIM_PATH, [SHIM_NAME]: spool },
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    if (child.pid !== undefined) resolve(child);
  });
}

/** Whether a shim of this spool is alive that an earlier keeper started. On a full disk it left no note of its process. Reads all of /proc. */
export function foreignShimLives(spool: string): boolean {
  return livingWith(SHIM_NAME, spool).some(({ parent }) => parent !== process.pid);
}
