/**
 * A file in the folder of an attempt that says how far the output was given out, and which part is under way. It is written before bytes
 * are given out. An agent that is killed and started again gives out the same bytes under the same offset, so the order of stdout and
 * stderr stays the same. The file has its full length from the beginning: writing it again needs no space on a full disk.
 */
import { closeSync, constants, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { z } from 'zod';

const Position = z.int().min(0);
const Part = z.object({
  from: Position,
  to: Position,
  gap: z.object({ from: Position, to: Position }).optional(),
});

/** `offset`: bytes of both files before what is under way; `log` and `err`: the part of either file that is under way. */
const Given = z.object({ offset: Position, log: Part, err: Part });
export type Given = z.infer<typeof Given>;

const RECORD_BYTES = 512;

export class LogRecord {
  readonly #path: string;
  #file: number | undefined;
  #exists = false;

  constructor(path: string) {
    this.#path = path;
  }

  read(): Given | undefined {
    if (!existsSync(this.#path)) return undefined;
    try {
      const given = Given.parse(JSON.parse(readFileSync(this.#path, 'utf8')));
      this.#exists = true;
      return given;
    } catch {
      // It was never written completely: nothing was given out.
      return undefined;
    }
  }

  /** False when the disk is full: nothing may be given out then. */
  write(given: Given): boolean {
    try {
      this.#file ??= openSync(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600);
      const line = Buffer.from(JSON.stringify(given).padEnd(RECORD_BYTES));
      const whole = writeSync(this.#file, line, 0, line.length, 0) === line.length;
      this.#exists ||= whole;
      return whole;
    } catch {
      return false;
    }
  }

  /** Whether it was written, by this process or an earlier one. */
  get exists(): boolean {
    return this.#exists;
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}
