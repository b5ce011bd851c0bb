/**
 * Keeps all shell programs of one agent (protocol C5): launches a shim for each new folder in the spool, watches it and
 * ends it. All that it knows is also in the folders or in /proc, so a successor goes on where it was killed.
 */
import { existsSync, type FSWatcher, readdirSync, watch } from 'node:fs';
import {
  AttemptFolder,
  attemptsOf,
  type EndRequest,
  endedOf,
  parseEnded,
  requestsOf,
  spooledEpochs,
} from '../../platforms/shell/attempt-folder.ts';
import { type KeeperServices, KeptAttempt } from './attempt.ts';
import { ProcessTable } from './process-table.ts';
import { Shims } from './shims.ts';

/** Interval at which folders are read, in addition to the events of the file system, ms. */
const LOOK_MS = 200;
/** Shortest time between two scans of the process table, ms, and the largest share of the time that scans may take. */
const SCAN_MS = 10;
const SCAN_SHARE = 0.05;
/** Pauses after trouble with an attempt's folder, ms: the first, and the longest. They double in between. */
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

export class Keeper implements KeeperServices {
  readonly table = new ProcessTable();
  readonly shims: Shims;
  readonly #spool: string;
  readonly #onError: (epoch: number, error: unknown) => void;
  readonly #attempts = new Map<number, KeptAttempt>();
  readonly #troubles = new Map<number, { readonly text: string; readonly waitMs: number }>();
  readonly #requests = new Map<number, EndRequest>();
  readonly #watchers: FSWatcher[] = [];
  #scan: Promise<void> | undefined;
  #scanAgainOn = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(spool: string, boot: string, onError: (epoch: number, error: unknown) => void) {
    this.#spool = spool;
    this.shims = new Shims(spool, boot);
    this.#onError = onError;
  }

  get idle(): boolean {
    return this.#attempts.size === 0;
  }

  start(onLook: () => void): void {
    this.#listen(requestsOf(this.#spool), (name) => this.#request(name));
    this.#listen(attemptsOf(this.#spool), (name) => this.#take(Number(name)));
    const look = () => {
      this.#look();
      onLook();
    };
    look();
    this.#timer = setInterval(look, LOOK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const watcher of this.#watchers) watcher.close();
  }

  requestFor(epoch: number): EndRequest | undefined {
    return this.#requests.get(epoch);
  }

  scanned(): Promise<void> {
    this.#scan ??= new Promise((resolve) => {
      const wait = Math.max(0, this.#scanAgainOn - performance.now());
      setTimeout(() => {
        this.#scan = undefined;
        const since = performance.now();
        this.table.scan();
        const now = performance.now();
        this.#scanAgainOn = now + Math.max(SCAN_MS, (now - since) / SCAN_SHARE);
        resolve();
      }, wait);
    });
    return this.#scan;
  }

  /** A machine may have no watcher left. Then reading the folders finds everything, a little later. */
  #listen(folder: string, heard: (name: string) => void): void {
    try {
      const watcher = watch(folder, (_event, name) => name !== null && heard(name));
      watcher.on('error', () => {});
      this.#watchers.push(watcher);
    } catch {
      // No watcher left.
    }
  }

  #look(): void {
    for (const name of namesIn(requestsOf(this.#spool))) this.#request(name);
    const ended = new Set(namesIn(endedOf(this.#spool)).map((name) => parseEnded(name)?.epoch));
    for (const epoch of spooledEpochs(this.#spool)) if (!ended.has(epoch)) this.#take(epoch);
    this.shims.endIdle();
    // A process that leaves its parent quickly is seen while it still has one.
    if (!this.idle) void this.scanned();
  }

  #request(name: string): void {
    const [epoch, reason] = [Number.parseInt(name, 10), name.slice(name.indexOf('.') + 1)];
    const attempt = this.#attempts.get(epoch);
    const known = this.#requests.get(epoch);
    if (attempt === undefined || known === reason || known === 'force') return;
    this.#requests.set(epoch, reason as EndRequest);
    attempt.wake();
  }

  #take(epoch: number): void {
    if (!Number.isSafeInteger(epoch) || epoch <= 0 || this.#attempts.has(epoch)) return;
    const folder = new AttemptFolder(this.#spool, epoch);
    const launch = folder.attempt()?.launch;
    // A folder of the wrapper, or one that is being removed; or the attempt is over, and the event comes late.
    if (launch === undefined || this.#isEnded(epoch)) return;
    // The agent took the attempt away, and may never come back to remove its folder. The keeper need not stay for that.
    if (folder.isGivenUp) return;
    const attempt = new KeptAttempt(folder, launch, this);
    this.#attempts.set(epoch, attempt);
    for (const name of namesIn(requestsOf(this.#spool)))
      if (Number.parseInt(name, 10) === epoch) this.#request(name);
    attempt
      .run()
      .then(() => {
        this.#troubles.delete(epoch);
      })
      .catch((error: unknown) => this.#afterTrouble(epoch, error))
      .finally(() => {
        this.#attempts.delete(epoch);
        this.#requests.delete(epoch);
      });
  }

  /** Trouble that lasts is logged once. Resolves when the attempt may be tried again. */
  #afterTrouble(epoch: number, error: unknown): Promise<void> {
    const text = String(error);
    const before = this.#troubles.get(epoch);
    if (before?.text !== text) this.#onError(epoch, error);
    const waitMs = Math.min(LONGEST_RETRY_MS, 2 * (before?.waitMs ?? FIRST_RETRY_MS / 2));
    this.#troubles.set(epoch, { text, waitMs });
    return new Promise((resolve) => setTimeout(resolve, waitMs));
  }

  #isEnded(epoch: number): boolean {
    return namesIn(endedOf(this.#spool)).some((name) => parseEnded(name)?.epoch === epoch);
  }
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
