/**
 * The processes of one attempt: who they are, and how they are ended (protocol C5). Out of a cgroup or a PID namespace
 * none gets away; by marks those are found that kept the mark, or whose parent, session or group was seen with it.
 */
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Launch } from '../../platforms/attempt-folder.ts';
import { type Living, type ProcessTable, readLiving } from './process-table.ts';

export class ProgramProcesses {
  readonly #table: ProcessTable;
  readonly #mark: string;
  readonly #leaf: string | undefined;
  /** Where there is no /proc only the group of the shim is known. */
  readonly #byGroup: boolean;
  /** The shim and, in a namespace, the process around it. */
  readonly #shims = new Set<number>();

  constructor(table: ProcessTable, launch: Launch, epoch: number) {
    this.#table = table;
    this.#mark = launch.mark;
    const { level, cgroup } = launch.containment;
    this.#byGroup = level === 'group';
    this.#leaf = level === 'cgroup' && cgroup !== undefined ? join(cgroup, String(epoch)) : undefined;
  }

  /** The leaf of the cgroup that the shim enters; empty at other levels. Throws when it cannot be made. */
  open(): string {
    if (this.#leaf === undefined) return '';
    mkdirSync(this.#leaf, { recursive: true });
    return this.#leaf;
  }

  /** `pid` is the shim, or the process around it: no process of the program, but its children are. */
  shimIs(pid: number): void {
    this.#shims.add(pid);
    this.#table.note(pid, this.#mark);
  }

  /** Living processes of the program as of the last scan of the table, without the shim. */
  members(): Living[] {
    return this.#all().filter(({ pid }) => !this.#shims.has(pid));
  }

  /** Whether anything of the program lives. */
  live(): boolean {
    return this.#byGroup ? [...this.#shims].some(groupLives) : this.members().length > 0;
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
    for (const group of new Set(all.map((it) => it.group))) {
      if (group > 1 && (pids.has(group) || readLiving(group) === undefined)) signalGroup(group, 'SIGKILL');
    }
    for (const member of all) signal(member, 'SIGKILL');
  }

  /** Gives the leaf back; one in which something goes on stays. */
  close(): void {
    if (this.#leaf !== undefined) removeEmpty(this.#leaf);
  }

  #all(): Living[] {
    const found = new Map(this.#table.membersOf(this.#mark).map((it) => [it.pid, it]));
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
    return [...own, ...foldersIn(cgroup).flatMap((it) => processesBelow(join(cgroup, it)))];
  } catch {
    return [];
  }
}

function removeEmpty(cgroup: string): void {
  try {
    for (const below of foldersIn(cgroup)) removeEmpty(join(cgroup, below));
    rmdirSync(cgroup);
  } catch {
    // Something lives in it, or it is gone.
  }
}

const foldersIn = (path: string): string[] =>
  readdirSync(path, { withFileTypes: true }).flatMap((it) => (it.isDirectory() ? [it.name] : []));

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch {
    // The leaf is gone.
  }
}
