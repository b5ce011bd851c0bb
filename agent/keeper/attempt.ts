/** One attempt that the keeper launches and watches until its end. It also takes over attempts of a keeper that was killed. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { uptime } from 'node:os';
import type {
  AttemptFolder,
  Ended,
  EndRequest,
  KeptLaunch,
  ProcessRef,
} from '../../platforms/shell/attempt-folder.ts';
import { processIdentity } from '../../platforms/shell/process-identity.mjs';
import { ProgramProcesses } from './containment.ts';
import { codeOf, execProblem, launchProblem } from './launch.ts';
import { type ProcessTable, readLiving, TICKS_PER_SECOND } from './process-table.ts';
import { foreignShimLives, type Shim, type Shims } from './shims.ts';

/** Interval of the looks at a running program, ms. */
const WATCH_MS = 200;
/** Time between TERM and KILL for processes that a program leaves running at its end, ms. */
const LEFTOVER_MS = 2_000;
/** Interval of the looks whether processes have ended, and of rounds of KILL, ms. */
const LOOK_MS = 20;
/** Processes that are alive this time after the first KILL, ms, are reported as survivors. From then on KILL is repeated at the second interval, ms. */
const SURVIVE_MS = 3_000;
const SURVIVOR_LOOK_MS = 1_000;
/** At the end of a program the keeper waits at most this time, ms, until it is clear to which attempt each young orphan belongs. */
const CLEAR_MS = 1_000;
/** Interval of the looks at the agent's last contact with the API, ms. */
const CONTACT_LOOK_MS = 1_000;
/** Processes that a note of survivors names. */
const SURVIVOR_LIMIT = 20;

/** What an attempt needs from its keeper. */
export interface KeeperServices {
  readonly table: ProcessTable;
  readonly shims: Shims;
  /** Resolves after a scan of the process table that began after the call. */
  scanned(): Promise<void>;
  requestFor(epoch: number): EndRequest | undefined;
}

/** Why the keeper ends a program. `gone`: the attempt's folder was removed. */
const CAUSES = ['cancel', 'timeout', 'orphan', 'leave', 'force', 'gone'] as const;
type Cause = (typeof CAUSES)[number];

export class KeptAttempt {
  readonly folder: AttemptFolder;
  readonly #launch: KeptLaunch;
  readonly #keeper: KeeperServices;
  readonly #processes: ProgramProcesses;
  /** The shim, when this keeper started it. */
  #own: Shim | undefined;
  #ownCarries = false;
  #endedClean = false;
  #shim: ProcessRef | undefined;
  #startedOn = performance.now();
  /** Last contact of the agent with the API, seconds since the machine's start. */
  #contactS: number;
  #contactLookedOn = performance.now();
  #wake = () => {};

  constructor(folder: AttemptFolder, launch: KeptLaunch, keeper: KeeperServices) {
    this.folder = folder;
    this.#launch = launch;
    this.#keeper = keeper;
    this.#processes = new ProgramProcesses(keeper.table, launch);
    this.#contactS = Math.min(folder.contactS() ?? 0, uptime());
  }

  /** A request came, or the shim ended: the attempt is looked at now. */
  wake(): void {
    this.#wake();
  }

  /** Launches the program, or takes it over from an earlier keeper. Resolves when the attempt is over. */
  async run(): Promise<void> {
    try {
      const ended = this.folder.runner() === undefined ? await this.#begin() : await this.#takeOver();
      if (ended !== 'given up') this.folder.noteEnded(ended);
    } finally {
      if (this.#own !== undefined && this.#endedClean) this.#keeper.shims.release(this.#own);
      else this.#own?.end();
      if (!this.#endedClean) this.#processes.close();
    }
  }

  async #begin(): Promise<Ended | 'given up'> {
    const cause = this.#reasonToEnd();
    if (cause !== undefined && this.#giveUp(cause)) return this.#givenUp();
    try {
      const problem = launchProblem(this.#launch);
      if (problem !== undefined) return unlaunched(problem);
      const shim = await this.#keeper.shims.take(this.#launch);
      this.#processes.shimIs(shim.pid);
      this.#own = shim;
      this.#ownCarries = true;
      shim.run(this.folder.epoch, (taken) => {
        this.#ownCarries = false;
        // The attempt is watched as one that an earlier keeper began.
        if (taken) this.#own = undefined;
        this.#wake();
      });
    } catch (error) {
      return unlaunched(codeOf(error));
    }
    return this.#watch();
  }

  async #takeOver(): Promise<Ended | 'given up'> {
    await this.#keeper.scanned();
    return this.#watch();
  }

  async #watch(): Promise<Ended | 'given up'> {
    let cause: Cause | undefined;
    for (;;) {
      // Its own shim has reported the end: there is no need to find out which process the shim is.
      if (this.#own !== undefined && !this.#ownCarries) break;
      if (this.#learnShim() === 'given up') return this.#givenUp();
      if (!this.#shimLives()) break;
      cause = this.#reasonToEnd();
      if (cause !== undefined) break;
      await this.#pause(Math.min(WATCH_MS, this.#leftMs()));
    }
    if (cause !== undefined && this.#giveUp(cause)) return this.#givenUp();
    const own = this.#ownEnd();
    if (own === undefined && this.#learnShim() === 'given up') return this.#givenUp();
    // The shim died while it waited for a program: another shim is taken.
    if (own?.what === 'unlaunched' && own.code === 'ESHIM' && this.#own?.served === true)
      return this.#begin();
    if (cause !== undefined && own === undefined) return this.#endFor(cause);
    if (own?.what === 'unlaunched' || (own?.what === 'exit' && this.#launch.leaves)) return own;
    await this.#keeper.scanned();
    const since = performance.now();
    while (!this.#processes.certain && performance.now() - since < CLEAR_MS) {
      await this.#pause(LOOK_MS);
      await this.#keeper.scanned();
    }
    if (this.#processes.live()) {
      this.#say('-- the program ended and left processes behind: they are ended');
      const forced = await this.#end(own === undefined ? 0 : LEFTOVER_MS);
      if (forced) return { what: 'force' };
    } else {
      this.#endedClean = own?.what === 'exit' && this.#own !== undefined;
    }
    return own ?? { what: 'lost' };
  }

  /** Takes the attempt away from its shim, which has not begun it yet. False when one has begun. */
  #giveUp(cause: Cause): boolean {
    try {
      return this.folder.giveUp(cause);
    } catch {
      // The folder is gone: what a shim may have begun is found without it.
      return false;
    }
  }

  /** No shim will begin the attempt. This keeper or an earlier one reports its end, unless its agent took it away. */
  #givenUp(): Ended | 'given up' {
    const cause = this.folder.givenUpFor;
    return cause !== undefined && isCause(cause) ? endedFor(cause) : 'given up';
  }

  async #endFor(cause: Cause): Promise<Ended> {
    this.folder.noteCause(cause);
    this.#say(`-- ending the program: ${cause}`);
    const forced = await this.#end(this.#launch.graceMs);
    return forced ? { what: 'force' } : endedFor(cause);
  }

  /** How the program ended by itself, or under an earlier keeper; undefined when its shim left no word. */
  #ownEnd(): Ended | undefined {
    const names = this.folder.names();
    const part = (prefix: string) => names.find((name) => name.startsWith(prefix))?.slice(prefix.length);
    const cause = part('cause.');
    if (cause !== undefined && isCause(cause)) return endedFor(cause);
    const status = part('exit.');
    if (status !== undefined) {
      const problem = execProblem(this.folder, Number(status));
      return problem === undefined ? { what: 'exit', status: Number(status) } : unlaunched(problem);
    }
    if (names.includes('unforked')) return unlaunched('EAGAIN');
    // A shim that lives may still begin.
    const begun = this.#ownCarries || names.includes('running') || this.#shim !== undefined;
    // The shim could not begin: its cgroup is gone, or no file can be created.
    return begun || this.folder.contactS() === undefined ? undefined : unlaunched('ESHIM');
  }

  #learnShim(): 'given up' | undefined {
    if (this.#shim !== undefined) return undefined;
    const runner = this.folder.runner();
    if (runner === 'given up') return runner;
    if (runner === undefined || runner === 'unknown') {
      // The program runs in the session of its shim.
      if (runner === 'unknown') this.#shim = this.#processes.leader();
      return undefined;
    }
    this.#shim = runner;
    this.#processes.shimWas(runner);
    if (processIdentity(runner.pid) !== runner.identity) return undefined;
    this.#processes.shimIs(runner.pid);
    const living = readLiving(runner.pid);
    if (living === undefined) return undefined;
    // The process around a namespace only waits for the shim.
    if (this.#launch.containment.level === 'namespace' && readLiving(living.parent)?.name === 'unshare')
      this.#processes.shimIs(living.parent);
    const age = this.#own === undefined ? ageMs(runner, living) : 0;
    this.#startedOn = Math.min(this.#startedOn, performance.now() - age);
    return undefined;
  }

  /** When a full disk took no note of its process, the shim counts as alive as long as any process with the mark is. */
  #shimLives(): boolean {
    // A shim outlives its program, to run the next one.
    if (this.#own !== undefined) return this.#ownCarries;
    if (this.#shim !== undefined) return processIdentity(this.#shim.pid) === this.#shim.identity;
    return (
      this.folder.runner() === 'unknown' && (this.#processes.live() || foreignShimLives(this.folder.spool))
    );
  }

  #reasonToEnd(): Cause | undefined {
    const request = this.#keeper.requestFor(this.folder.epoch);
    if (request !== undefined) return request;
    const now = performance.now();
    if (now - this.#contactLookedOn >= CONTACT_LOOK_MS) {
      this.#contactLookedOn = now;
      const contactS = this.folder.contactS();
      if (contactS === undefined) return 'gone';
      this.#contactS = Math.min(contactS, uptime());
    }
    if (uptime() - this.#contactS > this.#launch.orphanMs / 1_000) return 'orphan';
    return this.#leftMs() <= 0 ? 'timeout' : undefined;
  }

  #leftMs(): number {
    const { timeoutMs } = this.#launch;
    return timeoutMs === null ? Number.POSITIVE_INFINITY : this.#startedOn + timeoutMs - performance.now();
  }

  /** Sends TERM, then KILL until no process is alive. True when a person decided to leave survivors alive. */
  async #end(graceMs: number): Promise<boolean> {
    const since = performance.now();
    if (graceMs > 0) {
      await this.#keeper.scanned();
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
      this.#noteSurvivors();
      if (this.#keeper.requestFor(this.folder.epoch) === 'force') return true;
    }
  }

  async #isOver(): Promise<boolean> {
    await this.#keeper.scanned();
    this.#learnShim();
    return !this.#shimLives() && !this.#processes.live();
  }

  #noteSurvivors(): void {
    const living = this.#processes.members().slice(0, SURVIVOR_LIMIT);
    const text = living.map((entry) => `${entry.pid} (${entry.name}, state ${entry.state})`).join(', ');
    try {
      writeFileSync(this.folder.file('survivors'), text, { mode: 0o600 });
    } catch {
      // A full disk. The next look tries again.
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

const isCause = (name: string): name is Cause => (CAUSES as readonly string[]).includes(name);

/** What is reported of an attempt that was ended for this cause. */
function endedFor(cause: Cause): Ended {
  if (cause === 'gone') return { what: 'lost' };
  return { what: cause === 'force' ? 'cancel' : cause };
}

const unlaunched = (code: string): Ended => ({ what: 'unlaunched', code });

/** How long the program has run, ms, by the clock that nobody can set; exact to 10 ms, as /proc counts. */
function ageMs({ beganS }: ProcessRef, shim: { readonly start: string }): number {
  return Math.max(0, (uptime() - (beganS ?? Number(shim.start) / TICKS_PER_SECOND)) * 1_000);
}
