/**
 * The processes of one attempt: which they are, and how they are ended (protocol C5). No process gets out of a cgroup or a PID
 * namespace. Marks find the processes that kept the mark, or whose parent, session or group was seen with it.
 */
import { readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KeptLaunch, ProcessRef } from '../../platforms/shell/attempt-folder.ts';
import { processIdentity } from '../../platforms/shell/process-identity.mjs';
import { type Living, type ProcessTable, readLiving } from './process-table.ts';

export class ProgramProcesses {
  readonly #table: ProcessTable;
  readonly #mark: string;
  readonly #certainly: boolean;
  /** When the program or its shim began. */
  #sinceTicks = Number.POSITIVE_INFINITY;
  readonly #cgroup: string | undefined;
  /** Of the shim: known with it. */
  #leaf: string | undefined;
  /** Where there is no /proc only the group of the shim is known. */
  readonly #byGroup: boolean;
  /** The shim and, in a namespace, the process around it. */
  readonly #shims = new Set<number>();

  constructor(table: ProcessTable, launch: KeptLaunch) {
    this.#table = table;
    this.#mark = launch.mark;
    const { level, cgroup } = launch.containment;
    this.#byGroup = level === 'group';
    this.#certainly = level !== 'marks' || launch.leaves;
    this.#cgroup = level === 'cgroup' ? cgroup : undefined;
  }

  /** `pid` is the shim, or the process around it: no process of the program, but its children are. */
  shimIs(pid: number): void {
    this.#shims.add(pid);
    const shim = this.#table.note(pid, this.#mark);
    this.#sinceTicks = Math.min(this.#sinceTicks, Number(shim?.start ?? Number.POSITIVE_INFINITY));
    if (shim !== undefined && this.#cgroup !== undefined) this.#leaf = leafOf(this.#cgroup, pid, shim.start);
  }

  /** What the program left is in the leaf of its shim, also when that is dead. */
  shimWas({ pid, identity }: ProcessRef): void {
    const start = identity?.split('/')[1];
    if (start !== undefined && this.#cgroup !== undefined) this.#leaf = leafOf(this.#cgroup, pid, start);
  }

  /** Living processes of the program as of the last scan of the table, without the shim. */
  members(): Living[] {
    return this.#all().filter(({ pid }) => !this.#shims.has(pid));
  }

  /** The shim, known by its program alone: it began the session. From the last scan; undefined when none is seen. */
  leader(): ProcessRef | undefined {
    const members = this.members();
    for (const { session } of members) {
      const identity = members.some(({ pid }) => pid === session) ? undefined : processIdentity(session);
      if (identity === undefined) continue;
      this.shimIs(session);
      return { pid: session, identity };
    }
    return undefined;
  }

  /** Whether anything of the program lives. */
  live(): boolean {
    return this.#byGroup ? [...this.#shims].some(groupLives) : this.members().length > 0;
  }

  /** Whether `live` knows all that lives: without a cgroup or a namespace marks must be seen first. */
  get certain(): boolean {
    return this.#certainly || this.live() || !this.#table.hasUnclear(this.#sinceTicks);
  }

  /** Asks all to end; stopped ones are continued, or they would not hear it. */
  terminate(): void {
    if (this.#byGroup) for (const shim of this.#shims) signalGroup(shim, 'SIGTERM');
    for (const member of this.members()) {
      signal(member, 'SIGTERM');
      signal(member, 'SIGCONT');
    }
  }

  /** Ends all at once, the shim as well. To be repeated, each time after a scan, until nothing is found. */
  kill(): void {
    if (this.#byGroup) for (const shim of this.#shims) signalGroup(shim, 'SIGKILL');
    if (this.#leaf !== undefined) write(join(this.#leaf, 'cgroup.kill'), '1');
    const all = this.#all();
    const pids = new Set(all.map(({ pid }) => pid));
    // A group ends in one step: a program that forks without end cannot run ahead of it. The shim began a session, so
    // all groups in it are the program's; one whose leader is a stranger is left alone.
    for (const group of new Set(all.map((item) => item.group))) {
      if (group > 1 && (pids.has(group) || readLiving(group) === undefined)) signalGroup(group, 'SIGKILL');
    }
    for (const member of all) signal(member, 'SIGKILL');
  }

  /** Gives the leaf back; one in which something goes on stays. */
  close(): void {
    if (this.#leaf !== undefined) removeEmpty(this.#leaf);
  }

  #all(): Living[] {
    const found = new Map(this.#table.membersOf(this.#mark).map((entry) => [entry.pid, entry]));
    for (const pid of this.#leaf === undefined ? [] : processesBelow(this.#leaf)) {
      const living = found.has(pid) ? undefined : readLiving(pid);
      if (living !== undefined) found.set(pid, living);
    }
    return [...found.values()];
  }
}

/** Verified once more in the moment before: an id that was used again is a stranger's. */
function signal(member: Living, name: NodeJS.Signals): void {
  if (readLiving(member.pid)?.start !== member.start) return;
  try {
    process.kill(member.pid, name);
  } catch {
    // Gone, or another user's.
  }
}

function groupLives(group: number): boolean {
  try {
    return process.kill(-group, 0);
  } catch {
    return false;
  }
}

function signalGroup(group: number, name: NodeJS.Signals): void {
  try {
    process.kill(-group, name);
  } catch {
    // Gone, or another user's.
  }
}

/** Programs may make cgroups of their own in their leaf. */
function processesBelow(cgroup: string): number[] {
  try {
    const own = readFileSync(join(cgroup, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
    if (own.length === 0 && /^populated 0$/m.test(readFileSync(join(cgroup, 'cgroup.events'), 'utf8')))
      return [];
    return [...own, ...foldersIn(cgroup).flatMap((entry) => processesBelow(join(cgroup, entry)))];
  } catch {
    return [];
  }
}

/** The cgroup of a shim below the agent's: named by the process, so that a keeper which takes it over finds it. */
export const leafOf = (cgroup: string, pid: number, start: string): string => join(cgroup, `${pid}-${start}`);

/** One in which something goes on stays. */
export function removeEmpty(cgroup: string): void {
  try {
    for (const below of foldersIn(cgroup)) removeEmpty(join(cgroup, below));
    rmdirSync(cgroup);
  } catch {
    // Something lives in it, or it is gone.
  }
}

const foldersIn = (path: string): string[] =>
  readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch {
    // The leaf is gone.
  }
}
