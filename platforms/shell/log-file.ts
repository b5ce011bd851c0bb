/** One of the files that a shell program's output lies in: it grows at its end, is read once, and gives back the room of what was read. */
import { spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';

/** A part of a file that is left out: bytes from `from` up to `to`. */
export interface Gap {
  from: number;
  to: number;
}

/** What is left out and what was read gives its room back in steps of at least this many bytes. */
const PUNCH_BYTES = 8 * 1024 * 1024;
/** Holes are made of whole blocks. */
const BLOCK = 4096;
/** A gap ends with a line when one ends in this many bytes after it. */
const LINE_BYTES = 64 * 1024;

/** False once this system is seen to make no holes into files (not Linux, or a file system without them). */
let makesHoles = process.platform === 'linux';

export class LogFile {
  /** Bytes before it were given out, or left out. */
  at = 0;
  gap: Gap | undefined;
  readonly #path: string;
  #file: number | undefined;
  #size = 0;
  /** Bytes before it have given their room back. */
  #punchedHead = 0;
  #punchedGap = 0;
  #punching = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** As of the last `look`. */
  get size(): number {
    return this.#size;
  }

  /** How far one can read without coming to a gap. */
  get readable(): number {
    return this.gap === undefined ? this.#size : this.gap.from;
  }

  /** The size now; true when it is the same as at the look before. */
  look(): boolean {
    if (this.#file === undefined) {
      try {
        // Most looks at a file that is not there yet end here: an open that fails costs much more.
        if (statSync(this.#path, { throwIfNoEntry: false }) === undefined) return true;
        this.#file = openSync(this.#path, 'r');
      } catch {
        return true;
      }
    }
    const { size } = fstatSync(this.#file);
    const still = size === this.#size;
    this.#size = size;
    return still;
  }

  read(from: number, to: number): Buffer {
    const data = Buffer.allocUnsafe(to - from);
    let done = 0;
    while (done < data.length && this.#file !== undefined) {
      const bytes = readSync(this.#file, data, done, data.length - done, from + done);
      if (bytes === 0) break;
      done += bytes;
    }
    return data.subarray(0, done);
  }

  /** After the first line end behind `from`, or `from` when none is near. */
  afterLine(from: number): number {
    const end = this.read(from, Math.min(this.#size, from + LINE_BYTES)).indexOf(10);
    return end < 0 ? from : from + end + 1;
  }

  /** Gives room back: of what was given out, and of the gap. Not waited for: the program goes on meanwhile. */
  giveBack(): void {
    if (!makesHoles || this.#punching) return;
    const { from, to } = this.gap ?? { from: this.at, to: this.at };
    if (this.at - this.#punchedHead >= PUNCH_BYTES) {
      this.#punch(this.#punchedHead, this.at);
      this.#punchedHead = blockBefore(this.at);
    } else if (to - Math.max(from, this.#punchedGap) >= PUNCH_BYTES) {
      this.#punch(Math.max(from, this.#punchedGap), to);
      this.#punchedGap = blockBefore(to);
    }
  }

  /** Whether the file's room can be bounded at all. */
  get bounded(): boolean {
    return makesHoles;
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #punch(from: number, to: number): void {
    const first = Math.ceil(from / BLOCK) * BLOCK;
    const length = blockBefore(to) - first;
    if (length <= 0) return;
    this.#punching = true;
    const done = (ok: boolean): void => {
      this.#punching = false;
      if (!ok) makesHoles = false;
    };
    // Node has no call for it; util-linux has the command on every Linux.
    const punching = spawn('fallocate', ['-p', '-o', String(first), '-l', String(length), this.#path], {
      stdio: 'ignore',
    });
    punching.on('error', () => done(false));
    // A file that is gone meanwhile has given back all of its room.
    punching.on('exit', (code) => done(code === 0 || this.#file === undefined));
  }
}

const blockBefore = (at: number): number => Math.floor(at / BLOCK) * BLOCK;
