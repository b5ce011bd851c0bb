/** One attempt in the keeper's hands, from the launch, or from where a killed keeper left it, to its end. */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import type {
  AttemptFolder,
  Ended,
  EndRequest,
  KeptLaunch,
  ProcessRef,
} from '../../platforms/attempt-folder.ts';
import { processIdentity } from '../../platforms/process-identity.mjs';
import { ProgramProcesses } from './containment.ts';
import { codeOf, execProblem, launchProblem, launchShim } from './launch.ts';
import { type ProcessTable, readLiving, TICKS_PER_SECOND } from './process-table.ts';

const WATCH_MS = 200;
/** What a program leaves running when it ends gets this long between TERM and KILL. */
const LEFTOVER_MS = 2_000;
/** Between looks whether what was asked to end has ended, and between rounds of KILL. */
const LOOK_MS = 20;
/** Processes that live this long after the first KILL are said to survive; then they are tried once a second. */
const SURVIVE_MS = 3_000;
const SURVIVOR_LOOK_MS = 1_000;
const CONTACT_LOOK_MS = 1_000;
const MOST_SURVIVORS = 20;
const MS_PER_TICK = 1_000 / TICKS_PER_SECOND;

/** What the keeper offers to its attempts. */
export interface Surroundings {
  readonly table: ProcessTable;
  /** Id of this boot of the machine, as in process identities. */
  readonly boot: string;
  /** Resolves after a scan of the process table that began after the call. */
  scanned(): Promise<void>;
  requestFor(epoch: number): EndRequest | undefined;
}

type Cause = 'cancel' | 'timeout' | 'orphan' | 'leave' | 'force';
const CAUSES: readonly string[] = ['cancel', 'timeout', 'orphan', 'leave', 'force'];

export class KeptAttempt {
  readonly folder: AttemptFolder;
  readonly #launch: KeptLaunch;
  readonly #around: Surroundings;
  readonly #processes: ProgramProcesses;
  #childLives = false;
  #shim: ProcessRef | undefined;
  #startedOn = performance.now();
  #contact: number | undefined;
  #contactOn = performance.now();
  #contactLookedOn = performance.now();
  #wake = () => {};

  constructor(folder: AttemptFolder, launch: KeptLaunch, around: Surroundings) {
    this.folder = folder;
    this.#launch = launch;
    this.#around = around;
    this.#processes = new ProgramProcesses(around.table, launch, folder.epoch);
    this.#contact = folder.contactAt();
  }

  /** A request came, or the shim ended. */
  wake(): void {
    this.#wake();
  }

  /** From the launch, or from where an earlier keeper left it, to the end. */
  async carry(): Promise<void> {
    const ended = this.folder.runner() === undefined ? await this.#begin() : await this.#watch();
    if (ended === 'given up') return;
    this.#processes.close();
    this.folder.noteEnded(ended);
  }

  async #begin(): Promise<Ended | 'given up'> {
    const problem = launchProblem(this.#launch);
    if (problem !== undefined) return unlaunched(problem);
    try {
      const child = launchShim(this.folder, this.#launch, this.#around.boot, this.#processes.open());
      const over = new Promise<string>((resolve) => {
        child.once('error', (error) => resolve(codeOf(error)));
        child.once('exit', () => {
          this.#childLives = false;
          this.#wake();
        });
      });
      if (child.pid === undefined) return unlaunched(await over);
      this.#childLives = true;
      this.#processes.shimIs(child.pid);
    } catch (error) {
      return unlaunched(codeOf(error));
    }
    return this.#watch();
  }

  async #watch(): Promise<Ended | 'given up'> {
    let cause: Cause | undefined;
    for (;;) {
      if (this.#learnShim() === 'given up') return 'given up';
      if (!this.#shimLives()) break;
      cause = this.#reasonToEnd();
      if (cause !== undefined) break;
      await this.#pause(Math.min(WATCH_MS, this.#leftMs()));
    }
    const own = this.#ownEnd();
    if (cause !== undefined && own === undefined) return this.#endFor(cause);
    if (own?.what === 'unlaunched' || (own?.what === 'exit' && this.#launch.leaves)) return own;
    await this.#around.scanned();
    if (this.#processes.live()) {
      this.#say('-- the program ended and left processes behind: they are ended');
      const forced = await this.#end(own === undefined ? 0 : LEFTOVER_MS);
      if (forced) return { what: 'force' };
    }
    return own ?? { what: 'lost' };
  }

  async #endFor(cause: Cause): Promise<Ended> {
    this.folder.noteCause(cause);
    this.#say(`-- ending the program: ${cause}`);
    const forced = await this.#end(this.#launch.graceMs);
    if (forced) return { what: 'force' };
    return { what: cause === 'force' ? 'cancel' : cause };
  }

  /** How it ended without the keeper, or under an earlier one; undefined when its shim left nothing. */
  #ownEnd(): Ended | undefined {
    const names = this.folder.names();
    const part = (prefix: string) => names.find((it) => it.startsWith(prefix))?.slice(prefix.length);
    const cause = part('cause.');
    if (cause !== undefined && CAUSES.includes(cause))
      return { what: cause === 'force' ? 'cancel' : (cause as Cause) };
    const status = part('exit.');
    if (status !== undefined) {
      const problem = execProblem(this.folder, Number(status));
      return problem === undefined ? { what: 'exit', status: Number(status) } : unlaunched(problem);
    }
    if (names.includes('unforked')) return unlaunched('EAGAIN');
    // The shim could not begin: its cgroup is gone, or no file can be made.
    return names.includes('running') ? undefined : unlaunched('ESHIM');
  }

  #learnShim(): 'given up' | undefined {
    if (this.#shim !== undefined) return undefined;
    const runner = this.folder.runner();
    if (runner === 'given up') return runner;
    if (runner === undefined || runner === 'unknown') return undefined;
    this.#shim = runner;
    if (processIdentity(runner.pid) !== runner.identity) return undefined;
    this.#processes.shimIs(runner.pid);
    const living = readLiving(runner.pid);
    if (living === undefined) return undefined;
    // The process around a namespace has no other task than to wait for the shim.
    if (this.#launch.containment.level === 'namespace' && readLiving(living.parent)?.name === 'unshare')
      this.#processes.shimIs(living.parent);
    this.#startedOn = Math.min(this.#startedOn, performance.now() - ageMs(living));
    return undefined;
  }

  /** Without a note of its process (a full disk) it lives as long as anything with the mark does. */
  #shimLives(): boolean {
    if (this.#childLives) return true;
    if (this.#shim !== undefined) return processIdentity(this.#shim.pid) === this.#shim.identity;
    return this.folder.runner() === 'unknown' && this.#processes.live();
  }

  #reasonToEnd(): Cause | undefined {
    const request = this.#around.requestFor(this.folder.epoch);
    if (request !== undefined) return request;
    const now = performance.now();
    if (now - this.#contactLookedOn >= CONTACT_LOOK_MS) {
      this.#contactLookedOn = now;
      const contact = this.folder.contactAt();
      // Counted here, monotonic: a jump of the clock ends no program.
      if (contact !== this.#contact) this.#contactOn = now;
      this.#contact = contact;
    }
    if (now - this.#contactOn > this.#launch.orphanMs) return 'orphan';
    return this.#leftMs() <= 0 ? 'timeout' : undefined;
  }

  #leftMs(): number {
    const { timeoutMs } = this.#launch;
    return timeoutMs === null ? Number.POSITIVE_INFINITY : this.#startedOn + timeoutMs - performance.now();
  }

  /** TERM, KILL, and again until nothing lives. True when a person decided to leave survivors alive. */
  async #end(graceMs: number): Promise<boolean> {
    const since = performance.now();
    if (graceMs > 0) {
      await this.#around.scanned();
      this.#processes.terminate();
    }
    while (performance.now() - since < graceMs) {
      await this.#pause(LOOK_MS);
      if (await this.#isOver()) return false;
    }
    const killedOn = performance.now();
    for (;;) {
      this.#processes.kill();
      const survives = performance.now() - killedOn > SURVIVE_MS;
      await this.#pause(survives ? SURVIVOR_LOOK_MS : LOOK_MS);
      if (await this.#isOver()) return false;
      if (!survives) continue;
      this.#tellSurvivors();
      if (this.#around.requestFor(this.folder.epoch) === 'force') return true;
    }
  }

  async #isOver(): Promise<boolean> {
    await this.#around.scanned();
    this.#learnShim();
    return !this.#shimLives() && !this.#processes.live();
  }

  #tellSurvivors(): void {
    const living = this.#processes.members().slice(0, MOST_SURVIVORS);
    const text = living.map((it) => `${it.pid} (${it.name}, state ${it.state})`).join(', ');
    try {
      writeFileSync(this.folder.file('survivors'), text, { mode: 0o600 });
    } catch {
      // A full disk: tried again with the next look.
    }
  }

  #say(line: string): void {
    try {
      appendFileSync(this.folder.file('log'), `${line}\n`, { mode: 0o600 });
    } catch {
      // A full disk, or the folder is gone.
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, ms));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

const unlaunched = (code: string): Ended => ({ what: 'unlaunched', code });

/** How long a process has lived, by the clock that stands still for nobody; 10 ms exact, as /proc counts. */
function ageMs(living: { readonly start: string }): number {
  const uptime = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
  return Math.max(0, uptime * 1_000 - Number(living.start) * MS_PER_TICK);
}
