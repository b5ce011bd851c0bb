/** What an attempt writes lies in two files of its folder, stdout and stderr: this reads them on as they grow. */
import { readSync } from 'node:fs';
import type { AttemptFolder } from './attempt-folder.ts';
import { type ExecuteContext, stopReason } from './platform.ts';

const POLL_MS = 200;
const READ_BYTES = 256 * 1024;

/** Reads both files on as they grow, byte for byte. Their order among each other is that in which they were found. */
export class LogPump {
  readonly #folder: AttemptFolder;
  readonly #context: ExecuteContext;
  readonly #buffer = Buffer.allocUnsafe(READ_BYTES);
  readonly #files = new Map<'log' | 'err', number>();

  constructor(folder: AttemptFolder, context: ExecuteContext) {
    this.#folder = folder;
    this.#context = context;
  }

  /** Passes on what is there while the reader keeps up; false when something may be left. */
  pump(): boolean {
    return this.#pump('log') && this.#pump('err');
  }

  #pump(name: 'log' | 'err'): boolean {
    const file = this.#files.get(name) ?? this.#folder.openLog(name);
    if (file === undefined) return true;
    this.#files.set(name, file);
    for (;;) {
      if (this.#context.logReady?.() === false) return false;
      const bytes = readSync(file, this.#buffer, 0, READ_BYTES, null);
      if (bytes === 0) return true;
      this.#context.log(Uint8Array.from(this.#buffer.subarray(0, bytes)));
    }
  }

  async drain(): Promise<void> {
    while (!this.pump() && !(this.#context.signal.aborted && stopReason(this.#context.signal) === 'leave')) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  close(): void {
    for (const file of this.#files.values()) this.#folder.closeLog(file);
  }
}
