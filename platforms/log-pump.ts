/** What is known of an attempt's log lies in a file of its folder: this reads the file on as it grows. */
import { readSync } from 'node:fs';
import type { AttemptFolder } from './attempt-folder.ts';
import { type ExecuteContext, stopReason } from './platform.ts';

const POLL_MS = 200;
const READ_BYTES = 256 * 1024;

/** Reads the log file on as it grows, byte for byte. */
export class LogPump {
  readonly #folder: AttemptFolder;
  readonly #context: ExecuteContext;
  readonly #buffer = Buffer.allocUnsafe(READ_BYTES);
  #file: number | undefined;

  constructor(folder: AttemptFolder, context: ExecuteContext) {
    this.#folder = folder;
    this.#context = context;
  }

  /** Passes on what is there while the reader keeps up; false when something may be left. */
  pump(): boolean {
    this.#file ??= this.#folder.openLog();
    if (this.#file === undefined) return true;
    for (;;) {
      if (this.#context.logReady?.() === false) return false;
      const bytes = readSync(this.#file, this.#buffer, 0, READ_BYTES, null);
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
    this.#folder.closeLog(this.#file);
  }
}
