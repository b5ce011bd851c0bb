/** One of the two files with a shell program's output. It grows at its end, is read once, and the disk space of what was read is freed. */
import { spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';

/** A part of a file that is left out: the bytes from `from` up to `to`. */
export interface Gap {
  from: number;
  to: number;
}

/** Disk space is freed in steps of at least this many bytes. */
const PUNCH_BYTES = 8 * 1024 * 1024;
/** Only whole blocks, in bytes, can be freed. */
const BLOCK = 4096;
/** A gap is extended to the next line end, when there is one within this many bytes. */
const LINE_BYTES = 64 * 1024;

/** Whether this system can free the space of a part of a file. False on other systems than Linux, and once a file system was seen that cannot. */
let makesHoles = process.platform === 'linux';

export class LogFile {
  /** All bytes before this position were given out or left out. */
  at = 0;
  gap: Gap | undefined;
  readonly #path: string;
  #file: number | undefined;
  #size = 0;
  /** The space of all bytes before this position was freed. */
  #punchedHead = 0;
  #punchedGap = 0;
  #punching = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** Size at the last `look`, bytes. */
  get size(): number {
    return this.#size;
  }

  /** End of what can be read before the next gap. */
  get readable(): number {
    return this.gap === undefined ? this.#size : this.gap.from;
  }

  /** Reads the size. True when it is the same as at the last look. */
  look(): boolean {
    if (this.#file === undefined) {
      try {
        // Most programs write nothing for some time: an open that fails costs much more than this look.
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

  /** The position after the first line end behind `from`, or `from` when there is none within LINE_BYTES. */
  afterLine(from: number): number {
    const end = this.read(from, Math.min(this.#size, from + LINE_BYTES)).indexOf(10);
    return end < 0 ? from : from + end + 1;
  }

  /** Starts to free the disk space of what was given out and of the gap. The program goes on meanwhile. */
  freeSpace(): void {
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

  /** Whether the space that the file takes can be bounded. */
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
    // A file that is gone meanwhile takes no space any more.
    punching.on('exit', (code) => done(code === 0 || this.#file === undefined));
  }
}

const blockBefore = (at: number): number => Math.floor(at / BLOCK) * BLOCK;
