/** The agent's side of its keeper. The keeper is started with the first program, and again whenever it is gone while a program runs. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { getCompileCacheDir } from 'node:module';
import { dirname, join } from 'node:path';

/** A keeper that ends this many times in a row, each time within LONG_MS, does not work on this machine. */
const START_LIMIT = 3;
const LONG_MS = 5_000;
/** Pause before the keeper is started again, ms. */
const AGAIN_MS = 100;

export class KeeperProcess {
  readonly #program: string;
  readonly #spool: string;
  #child: ChildProcess | undefined;
  #holders = 0;
  #shortLives = 0;
  #closed = false;

  constructor(program: string, spool: string) {
    this.#program = program;
    this.#spool = spool;
  }

  /** The keeper ends as soon as it is started: no program that waits for it will begin. */
  get broken(): boolean {
    return this.#shortLives >= START_LIMIT;
  }

  /** An attempt needs the keeper from now on, until the returned function is called. */
  hold(): () => void {
    this.#holders++;
    if (this.#child === undefined) {
      this.#shortLives = 0;
      this.#start();
    }
    return () => {
      this.#holders--;
    };
  }

  /** Ends the pipe to the keeper, which goes on until its last program has ended. */
  close(): void {
    this.#closed = true;
    this.#child?.stdin?.destroy();
  }

  #start(): void {
    if (this.#child !== undefined || this.#closed) return;
    const since = performance.now();
    const errors = openSync(join(this.#spool, 'keeper.log'), 'a', 0o600);
    let child: ChildProcess;
    try {
      // It gets nothing of the agent's environment, which holds secrets. With the compile cache it starts in a third of the time.
      // Node names the folder of its own version, inside the one that it was given.
      const cache = getCompileCacheDir();
      child = spawn(process.execPath, [this.#program, this.#spool], {
        detached: true,
        stdio: ['pipe', 'ignore', errors],
        env: cache === undefined ? {} : { NODE_COMPILE_CACHE: dirname(cache) },
        cwd: '/',
      });
    } catch {
      this.#shortLives++;
      this.#later();
      return;
    } finally {
      closeSync(errors);
    }
    this.#child = child;
    child.stdin!.on('error', () => {});
    (child.stdin as unknown as { unref(): void }).unref();
    child.unref();
    let over = false;
    const gone = () => {
      if (over) return;
      over = true;
      this.#child = undefined;
      this.#shortLives = performance.now() - since < LONG_MS ? this.#shortLives + 1 : 0;
      this.#later();
    };
    child.once('error', gone);
    child.once('exit', gone);
  }

  #later(): void {
    if (this.#holders === 0 || this.#closed || this.broken) return;
    setTimeout(() => {
      if (this.#holders > 0) this.#start();
    }, AGAIN_MS).unref();
  }
}
