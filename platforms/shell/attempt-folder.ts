/**
 * The folder of one shell attempt, `<spool>/attempts/<epoch>`, by which agent, keeper and shim communicate. What must be possible on a
 * full disk is a name (a hard link, an empty file), which needs no block of the disk. wrapper-folder.ts reads the folders of the
 * wrapper, which Sluice had before the keeper.
 *
 * | file | written by | meaning |
 * |---|---|---|
 * | attempt.sh | agent | first line: `#` and task, limits as JSON; then the program's environment, folder and command, as a shell reads them. The folder gets its name when it is whole; the file's time of change is the last contact with the API, seconds since the machine's start |
 * | log, err | shim, program | stdout and stderr, appended (O_APPEND) without bound. In a folder that was a spare one (spare-folders.ts) they are there, empty, before the program begins |
 * | running | shim | exclusive: who creates it may run the program; its process, and when the program began. Agent and keeper create it as a link to nowhere, so that no program begins |
 * | exit.STATUS | shim | how the program ended |
 * | unforked | shim | no process could be made for the program |
 * | cause.WHY | keeper | it ends the program for this reason |
 * | survivors | keeper | processes that it cannot end |
 * | `<spool>/requests/EPOCH.WHY` | agent | a request to end the program |
 * | `<spool>/ended/EPOCH.WHAT` | keeper | the attempt is over: nothing of it lives |
 */
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rm,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { uptime } from 'node:os';
import { join } from 'node:path';
import type { Task } from '../../contract/agent.ts';
import { processIdentity } from './process-identity.mjs';
import { programText, type StartedProgram } from './program-text.ts';
import { removedAtOnce } from './small-folder.ts';
import type { SpareFolders } from './spare-folders.ts';

/** How the processes of a program are kept together, strongest level first; `group` where there is no /proc (protocol C5). */
export type ContainmentLevel = 'cgroup' | 'namespace' | 'marks' | 'group';

export interface Containment {
  readonly level: ContainmentLevel;
  /** Level `cgroup`: the folder in which each attempt gets a leaf. */
  readonly cgroup?: string | undefined;
}

export interface Launch extends StartedProgram {
  readonly timeoutMs: number | null;
  readonly orphanMs: number;
  readonly graceMs: number;
  readonly containment: Containment;
  /** Processes that the program leaves running at its end go on. */
  readonly leaves: boolean;
}

/** The launch as the first line of attempt.sh has it. Environment and command follow in the file. */
export interface KeptLaunch extends Omit<Launch, 'command' | 'env'> {
  /** The first word of the program's own command. */
  readonly program: string;
  /** PATH of the program. */
  readonly path: string | undefined;
}

export interface ProcessRef {
  readonly pid: number;
  readonly identity: string | undefined;
  /** When the program of the attempt began, in seconds since the machine's start; undefined on a system without that figure. */
  readonly beganS?: number | undefined;
}

/** How the keeper reports that an attempt has ended: by a name in `ended/`. */
export type Ended =
  | { readonly what: 'exit'; readonly status: number }
  /** The system refused to start the program. `code` is the system's, such as ENOENT. Nothing has run. */
  | { readonly what: 'unlaunched'; readonly code: string }
  /** The keeper ended the program. `force`: a person decided to leave survivors alive. */
  | { readonly what: 'cancel' | 'timeout' | 'orphan' | 'leave' | 'force' }
  /** The shim was killed: it is not known how far the program came. */
  | { readonly what: 'lost' };

const ENDED = /^(\d+)\.(?:exit-(\d+)|unlaunched-([A-Z0-9]+)|(cancel|timeout|orphan|leave|force|lost))$/;

export const endedName = (epoch: number, ended: Ended): string => {
  if (ended.what === 'exit') return `${epoch}.exit-${ended.status}`;
  if (ended.what === 'unlaunched') return `${epoch}.unlaunched-${ended.code}`;
  return `${epoch}.${ended.what}`;
};

/** What a name in `ended/` means; undefined for any other name. */
export function parseEnded(name: string): { epoch: number; ended: Ended } | undefined {
  const found = ENDED.exec(name);
  if (found === null) return undefined;
  const [, epoch, status, code, what] = found;
  if (status !== undefined) return { epoch: Number(epoch), ended: { what: 'exit', status: Number(status) } };
  if (code !== undefined) return { epoch: Number(epoch), ended: { what: 'unlaunched', code } };
  return { epoch: Number(epoch), ended: { what: what as 'lost' } };
}

export type EndRequest = 'cancel' | 'orphan' | 'leave' | 'force';

/** Where `running` leads when an agent, or a keeper for a cause, took the attempt away: no file has such a name. */
const GIVEN_UP = 'given-up';
const GIVEN_UP_FOR = `${GIVEN_UP}.`;

export class AttemptFolder {
  readonly path: string;
  readonly spool: string;
  readonly epoch: number;

  constructor(spool: string, epoch: number) {
    this.spool = spool;
    this.epoch = epoch;
    this.path = join(spool, 'attempts', String(epoch));
  }

  file(name: 'attempt.sh' | 'log' | 'err' | 'running' | 'unforked' | 'survivors'): string {
    return join(this.path, name);
  }

  /** Creates the folder, from a spare one if there is any. Throws when it exists already: each epoch is attempted once. */
  create(task: Task, launch: Launch, spares?: SpareFolders): void {
    if (existsSync(this.path)) throw new Error(`epoch ${this.epoch} was attempted already`);
    const { command, env, ...limits } = launch;
    const kept: KeptLaunch = { ...limits, program: command[0]!, path: env.PATH };
    const text = `# ${JSON.stringify({ task, launch: kept })}\n${programText(launch)}`;
    const draft = spares?.take(text) ?? this.#draft(text);
    noteContact(join(draft, 'attempt.sh'));
    renameSync(draft, this.path);
  }

  /** Task and launch of the attempt. Undefined when attempt.sh is missing or not whole: a power cut can empty it. */
  attempt(): { readonly task: Task; readonly launch: KeptLaunch } | undefined {
    const text = this.#text('attempt.sh');
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text.slice(2, text.indexOf('\n')));
    } catch {
      return undefined;
    }
  }

  /**
   * The shim that took the attempt. `given up`: an agent took it away first. `unknown`: a full disk took no note of the
   * process. Undefined: nobody has taken it yet.
   */
  runner(): ProcessRef | 'given up' | 'unknown' | undefined {
    try {
      return parseRunner(readFileSync(this.file('running'), 'utf8'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return lstatSync(this.file('running'), { throwIfNoEntry: false }) === undefined
        ? undefined
        : 'given up';
    }
  }

  /**
   * Takes the attempt away, so that no shim begins it; a keeper says for which cause. False when a shim has begun. Throws when there is
   * no folder.
   */
  giveUp(cause?: string): boolean {
    try {
      // A symbolic link to nowhere is exclusive and needs no block of the disk.
      symlinkSync(cause === undefined ? GIVEN_UP : `${GIVEN_UP_FOR}${cause}`, this.file('running'));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return this.runner() === 'given up';
      throw error;
    }
  }

  /** Whether an agent took the attempt away; never throws. */
  get isGivenUp(): boolean {
    return this.#takenTo() === GIVEN_UP;
  }

  /** Why a keeper took the attempt away before a shim began it; undefined when none did. Never throws. */
  get givenUpFor(): string | undefined {
    const target = this.#takenTo();
    return target?.startsWith(GIVEN_UP_FOR) ? target.slice(GIVEN_UP_FOR.length) : undefined;
  }

  /** Notes contact with the API. False: this is no folder of the keeper, or it is gone because the attempt ended. */
  touch(): boolean {
    try {
      noteContact(this.file('attempt.sh'));
      return true;
    } catch {
      return false;
    }
  }

  requestEnd(reason: EndRequest): void {
    this.#link(join(requestsOf(this.spool), `${this.epoch}.${reason}`));
  }

  noteCause(cause: string): void {
    this.#link(join(this.path, `cause.${cause}`));
  }

  /** Reports that the attempt is over, also when somebody has removed the folder, because its agent waits for it. */
  noteEnded(ended: Ended): boolean {
    const path = join(endedOf(this.spool), endedName(this.epoch, ended));
    return this.#link(path) || (this.contactS() === undefined && createEmpty(path));
  }

  names(): readonly string[] {
    try {
      return readdirSync(this.path);
    } catch {
      return [];
    }
  }

  /** Last contact with the API, in seconds since the machine's start; undefined when the folder is gone. */
  contactS(): number | undefined {
    const ms = statSync(this.file('attempt.sh'), { throwIfNoEntry: false })?.mtimeMs;
    return ms === undefined ? undefined : ms / 1_000;
  }

  /** The processes that the keeper cannot end, as a text for people; undefined when there are none. */
  survivors(): string | undefined {
    return existsSync(this.file('survivors')) ? this.#text('survivors') : undefined;
  }

  /** Removes the folder, or gives it to `spares`. Its name is gone at once; large files are removed in the background. */
  remove(spares?: SpareFolders): void {
    if (spares?.keep(this.path, this.epoch) !== true) this.#removeFolder();
    for (const folder of [requestsOf(this.spool), endedOf(this.spool)]) {
      for (const name of readdirSync(folder)) {
        if (name.startsWith(`${this.epoch}.`)) rmSync(join(folder, name), { force: true });
      }
    }
  }

  #removeFolder(): void {
    const trash = join(trashOf(this.spool), String(this.epoch));
    try {
      renameSync(this.path, trash);
      if (!removedAtOnce(trash)) rm(trash, { recursive: true, force: true }, () => {});
    } catch {
      // The disk is full, or there is no folder.
      rmSync(this.path, { recursive: true, force: true });
    }
  }

  #draft(text: string): string {
    const draft = `${this.path}.new`;
    mkdirSync(draft, { recursive: true, mode: 0o700 });
    writeFileSync(join(draft, 'attempt.sh'), text, { mode: 0o600 });
    return draft;
  }

  /** Gives an existing file a second name, which needs no block of the disk. */
  #link(path: string): boolean {
    try {
      linkSync(this.file('attempt.sh'), path);
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return NO_LINKS.has(code) ? createEmpty(path) : code === 'EEXIST';
    }
  }

  #takenTo(): string | undefined {
    try {
      return readlinkSync(this.file('running'));
    } catch {
      return undefined;
    }
  }

  #text(name: Parameters<AttemptFolder['file']>[0]): string | undefined {
    try {
      return readFileSync(this.file(name), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }
}

/** Uses the clock that no correction of the time changes, so that a second keeper counts on where the first one was killed. */
function noteContact(file: string): void {
  const since = uptime();
  utimesSync(file, since, since);
}

/** Errors of a disk without hard links, or of `attempts` on a disk of its own. */
const NO_LINKS = new Set<string | undefined>(['EXDEV', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP']);

/** Creates an empty file, which means the same as a link: only the name counts. */
function createEmpty(path: string): boolean {
  try {
    writeFileSync(path, '', { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EEXIST';
  }
}

export const attemptsOf = (spool: string): string => join(spool, 'attempts');
export const requestsOf = (spool: string): string => join(spool, 'requests');
export const endedOf = (spool: string): string => join(spool, 'ended');

const trashOf = (spool: string): string => join(spool, 'trash');

export function makeSpool(spool: string): void {
  for (const folder of [attemptsOf(spool), requestsOf(spool), endedOf(spool), trashOf(spool)])
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const left of readdirSync(trashOf(spool)))
    rm(join(trashOf(spool), left), { recursive: true, force: true }, () => {});
}

/** The epochs with a folder in the spool, in order. */
export function spooledEpochs(spool: string): number[] {
  const folder = attemptsOf(spool);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map(Number)
    .filter((epoch) => Number.isSafeInteger(epoch) && epoch > 0)
    .sort((a, b) => a - b);
}

/** `BOOT STAT up SECONDS`: the boot of the machine, the shim's line of /proc/PID/stat, the age of the boot; without /proc `BOOT PID`. */
function parseRunner(text: string): ProcessRef | 'unknown' {
  const [boot = '', rest = ''] = split(text.trim());
  const pid = Number.parseInt(rest, 10);
  if (Number.isNaN(pid)) return 'unknown';
  const start = rest.slice(rest.lastIndexOf(')') + 2).split(' ')[19];
  const began = / up ([\d.]+)$/.exec(rest)?.[1];
  return {
    pid,
    identity: start === undefined ? processIdentity(pid) : `${boot}/${start}`,
    beganS: began === undefined ? undefined : Number(began),
  };
}

function split(text: string): [string, string] {
  const at = text.indexOf(' ');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
