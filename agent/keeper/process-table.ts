/**
 * Which living processes belong to which attempt, as /proc shows. A process belongs to an attempt when its environment has the
 * attempt's mark, or, if it cleared its environment, when its parent, session or group was seen to belong to the attempt.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { uptime } from 'node:os';

export interface Living {
  readonly pid: number;
  /** Start time in clock ticks since the machine's start. Together with `pid` it names one process within a boot. */
  readonly start: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** As in /proc: R, S, D, T ... */
  readonly state: string;
  readonly name: string;
}

interface Seen {
  readonly start: string;
  /** Null: the process belongs to no attempt. */
  readonly mark: string | null;
}

const HAS_PROC = existsSync('/proc/self/stat');
const MARK = 'SLUICE_MARK';
const STARTS_AS_ONE = /^[^=\0]+=/;
/** A process id is not used again within this time, ms: the smallest range of ids is 32,768. */
const TRUSTED_MS = 1_000;
/** USER_HZ is 100 on every Linux that Node runs on. */
export const TICKS_PER_SECOND = 100;
/** Interval, ms, at which a young process without a mark is looked at again. Such looks are the largest part of a scan's cost. */
const STRANGER_LOOK_MS = 100;
/** A process younger than this may still be about to exec another program. */
const YOUNG_TICKS = 3 * TICKS_PER_SECOND;

export class ProcessTable {
  #seen = new Map<number, Seen>();
  /** Start times of young orphans whose environment cannot be read, or not any more. */
  #unclear: number[] = [];
  /** performance.now() of the last look at young processes whose environment was whole and had no mark. */
  #strangers = new Map<number, number>();
  #uptimeTicks = 0;
  #scannedOn = Number.NEGATIVE_INFINITY;

  /** Looks at the processes that were started since the last scan. Takes about 0.3 ms with 300 processes of which few are new. */
  scan(): void {
    if (!HAS_PROC) return;
    const now = performance.now();
    if (now - this.#scannedOn > TRUSTED_MS) this.#verify();
    this.#scannedOn = now;
    this.#uptimeTicks = uptime() * TICKS_PER_SECOND;
    const here = new Map<number, Seen>();
    const strangers = new Map<number, number>();
    const unknown: number[] = [];
    for (const name of readdirSync('/proc')) {
      const pid = Number(name);
      if (!Number.isInteger(pid)) continue;
      const seen = this.#seen.get(pid);
      const strangerOn = this.#strangers.get(pid);
      if (seen !== undefined) here.set(pid, seen);
      else if (strangerOn !== undefined && now - strangerOn < STRANGER_LOOK_MS)
        strangers.set(pid, strangerOn);
      else unknown.push(pid);
    }
    this.#seen = here;
    this.#strangers = strangers;
    this.#unclear = [];
    // A parent has a lower id than its children, except where the range of ids began again in between.
    for (const pid of unknown.sort((a, b) => a - b)) this.#look(pid);
  }

  /** Living processes of the attempt with this mark, as of the last scan. Zombies do not count as living. */
  membersOf(mark: string): Living[] {
    const members: Living[] = [];
    for (const [pid, seen] of this.#seen) {
      if (seen.mark !== mark) continue;
      const living = readLiving(pid);
      if (living?.start === seen.start) members.push(living);
    }
    return members;
  }

  /**
   * Whether the last scan saw an orphan, started after `sinceTicks`, of which it is not clear to whom it belongs: it is in the middle
   * of an exec, or has overwritten its environment with a title. Its children will show it.
   */
  hasUnclear(sinceTicks: number): boolean {
    return this.#unclear.some((start) => start >= sinceTicks);
  }

  /** Notes that this process belongs to the attempt. */
  note(pid: number, mark: string): Living | undefined {
    const living = readLiving(pid);
    if (living !== undefined) this.#seen.set(pid, { start: living.start, mark });
    return living;
  }

  #verify(): void {
    for (const [pid, seen] of this.#seen) if (readLiving(pid)?.start !== seen.start) this.#seen.delete(pid);
  }

  #look(pid: number): void {
    const living = readLiving(pid);
    if (living === undefined) return;
    const { start, parent, session, group } = living;
    const environment = environmentOf(pid);
    const own = environment === null ? null : valueIn(environment, MARK);
    const inherited = [parent, session, group]
      .map((entry) => this.#seen.get(entry)?.mark)
      .find((entry) => entry != null);
    const mark = own ?? inherited ?? null;
    // Before its exec a process shows the environment of its parent, and during the exec none for a moment. So a young process
    // without a mark is looked at again.
    const young = Number(start) > this.#uptimeTicks - YOUNG_TICKS;
    if (
      mark === null &&
      young &&
      this.#isOrphan(parent) &&
      environment !== null &&
      !STARTS_AS_ONE.test(environment)
    )
      this.#unclear.push(Number(start));
    if (mark === null && young && own === null) this.#strangers.set(pid, this.#scannedOn);
    if (mark === null && (own === undefined || young)) return;
    this.#seen.set(pid, { start, mark });
  }

  #isOrphan(parent: number): boolean {
    return parent === 1 || readLiving(parent)?.name === 'systemd';
  }
}

/** The process with this id; undefined when there is none, or when it is dead and not yet waited for. */
export function readLiving(pid: number): Living | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The name in brackets may itself hold blanks and brackets.
  const end = text.lastIndexOf(')');
  const fields = text.slice(end + 2).split(' ');
  const state = fields[0]!;
  if (state === 'Z' || state === 'X') return undefined;
  return {
    pid,
    start: fields[19]!,
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    state,
    name: text.slice(text.indexOf('(') + 1, end),
  };
}

/** Null when this user may not read it. */
function environmentOf(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return null;
  }
}

/** Living processes whose environment holds `name=value`; none where there is no /proc. Costs 0.05 ms for each process. */
export function livingWith(name: string, value: string): Living[] {
  const bytes = Buffer.from(value).toString('latin1');
  return (HAS_PROC ? readdirSync('/proc') : []).flatMap((entry) => {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || valueIn(environmentOf(pid) ?? '', name) !== bytes) return [];
    return readLiving(pid) ?? [];
  });
}

/** The value of a variable. Null: the environment does not have it; undefined: there is no environment. */
function valueIn(environment: string, name: string): string | null | undefined {
  if (environment.length === 0) return undefined;
  const start = `${name}=`;
  for (let at = environment.indexOf(start); at >= 0; at = environment.indexOf(start, at + 1)) {
    if (at > 0 && environment[at - 1] !== '\0') continue;
    const end = environment.indexOf('\0', at);
    return environment.slice(at + start.length, end < 0 ? undefined : end);
  }
  return null;
}
