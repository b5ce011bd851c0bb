/**
 * Reads what a shell program writes to its two files and gives it out byte by byte as one stream. While the program runs, lines come
 * as they appear, those of stdout before those of stderr; at its end the rest of stdout comes before the rest of stderr. When a program
 * writes faster than its output can be stored, the first and the last bytes are kept, and the disk space of the others is freed while it
 * runs. So neither its end, nor the disk, nor another program's log depends on how much it writes.
 */
import { join } from 'node:path';
import type { Ending } from '../../contract/agent.ts';
import { DEFAULT_ENCODING, wholeCharacters } from '../../encoding.ts';
import type { LogSlice, LogSource } from '../log-source.ts';
import type { ExecuteContext } from '../platform.ts';
import { LogFile } from './log-file.ts';
import { LogRecord } from './log-record.ts';
import { stderrTail, withTail } from './stderr-tail.ts';

export interface LogBounds {
  /** This many bytes from the beginning are always given out. */
  readonly head: number;
  /** This many bytes from the end of what waits to be given out are kept. */
  readonly tail: number;
  /** A program whose output passes this many bytes is ended. */
  readonly limit: number;
}

const MEGABYTE = 1024 * 1024;
/** Head and tail of an attempt's output that are kept (decision 0019). */
export const logBounds = (limitMb = 10_000): LogBounds => ({
  head: 10 * MEGABYTE,
  tail: 10 * MEGABYTE,
  limit: limitMb * MEGABYTE,
});
/** Bytes before the tail are left out when more than a quarter of the tail has gathered before it, so that this does not happen at every look. */
const SLACK = 4;
/** Limit of the output in bytes where disk space cannot be freed while the program runs. */
const UNBOUNDED_LIMIT = 1_000 * MEGABYTE;

/** A line that is longer than this many bytes is given out in pieces. */
const LONG_LINE = 64 * 1024;

/** What the pump needs of an attempt's folder. */
export interface PumpedFolder {
  readonly path: string;
  requestEnd(reason: 'cancel'): void;
}

interface Part {
  readonly from: number;
  readonly to: number;
}

interface Slice extends LogSlice {
  readonly log: Part;
  readonly err: Part;
}

const lengthOf = ({ from, to }: Part): number => to - from;

export class LogPump implements LogSource {
  readonly #folder: PumpedFolder;
  readonly #bounds: LogBounds;
  readonly #encoding: string;
  readonly #record: LogRecord;
  readonly #log: LogFile;
  readonly #err: LogFile;
  #offset = 0;
  #slice: Slice | undefined;
  #over = false;
  #exceeded = false;
  #total: number | undefined;

  constructor(folder: PumpedFolder, context: ExecuteContext, bounds = logBounds()) {
    this.#folder = folder;
    this.#bounds = bounds;
    this.#encoding = context.encoding ?? DEFAULT_ENCODING;
    this.#log = new LogFile(join(folder.path, 'log'));
    this.#err = new LogFile(join(folder.path, 'err'));
    this.#record = new LogRecord(join(folder.path, 'given'));
    this.#restore();
    context.logFrom?.(this);
  }

  /** Looks at what the program has written. To be called a few times a second while it runs. */
  pump(): void {
    if (this.#over) return;
    for (const file of [this.#log, this.#err]) file.look();
    // The note is written before the program can have filled the disk.
    if (!this.#record.exists && this.#log.size + this.#err.size > 0)
      this.#note(here(this.#log), here(this.#err));
    this.#leaveOut();
    if (this.#exceeded || this.#log.size + this.#err.size <= this.#limit) return;
    this.#exceeded = true;
    this.#folder.requestEnd('cancel');
  }

  /** The program has ended. Answers its ending, to which a failure adds the end of stderr. What was not given out yet still follows. */
  finish(ending: Ending, reason: 'stderr' | 'unsaid' = 'stderr'): Ending {
    for (const file of [this.#log, this.#err]) file.look();
    this.#over = true;
    this.#leaveOut();
    this.#total = this.#log.size + this.#err.size;
    if (this.#exceeded && ending.outcome === 'cancelled')
      return {
        outcome: 'failed',
        kind: 'program',
        message: `ended: its output exceeded ${Math.floor(this.#limit / MEGABYTE)} MB`,
      };
    return reason === 'unsaid' ? ending : withTail(ending, () => stderrTail(this.#err, this.#encoding));
  }

  get #limit(): number {
    const { limit } = this.#bounds;
    return this.#log.bounded ? limit : Math.min(limit, UNBOUNDED_LIMIT);
  }

  get bytes(): number | undefined {
    return this.#total;
  }

  get done(): boolean {
    const files = [this.#log, this.#err];
    return (
      this.#over &&
      this.#slice === undefined &&
      files.every((file) => file.gap === undefined && file.at >= file.size)
    );
  }

  next(limit: number): LogSlice | undefined {
    if (this.#slice !== undefined) return this.#slice;
    const still = [this.#log, this.#err].map((file) => this.#over || file.look());
    this.#leaveOut();
    this.#enterGap(this.#log);
    const waiting = this.#over ? 0 : Math.min(limit >> 1, this.#err.size - this.#err.at);
    const log = this.#partOf(this.#log, limit - waiting, still[0]!);
    // The rest of stdout comes before the rest of stderr.
    const room = this.#over && log.to < this.#log.size ? 0 : limit - lengthOf(log);
    if (room > 0) this.#enterGap(this.#err);
    const err = this.#partOf(this.#err, room, still[1]!);
    const length = lengthOf(log) + lengthOf(err);
    if (length === 0) return undefined;
    if (!this.#note(log, err)) return undefined;
    this.#slice = this.#read(log, err);
    return this.#slice;
  }

  taken(): void {
    const slice = this.#slice;
    if (slice === undefined) return;
    this.#slice = undefined;
    this.#offset = slice.offset + lengthOf(slice.log) + lengthOf(slice.err);
    this.#log.at = slice.log.to;
    this.#err.at = slice.err.to;
    if (!this.#over) for (const file of [this.#log, this.#err]) file.freeSpace();
  }

  close(): void {
    this.#log.close();
    this.#err.close();
    this.#record.close();
  }

  /** The bytes before the tail of what waits, behind what is under way and what is still missing of the head. */
  #leaveOut(): void {
    const { head, tail } = this.#bounds;
    const log = this.#slice?.log ?? here(this.#log);
    const err = this.#slice?.err ?? here(this.#err);
    const missing = Math.max(0, head - this.#offset - lengthOf(log) - lengthOf(err));
    for (const [file, { to }] of [
      [this.#log, log],
      [this.#err, err],
    ] as const) {
      const before = file.gap;
      const first = before?.from ?? to + missing;
      const last = file.size - tail;
      const slack = this.#over ? 0 : tail / SLACK;
      if (last <= (before?.to ?? first) + slack) continue;
      file.gap = { from: before?.from ?? file.afterLine(first), to: file.afterLine(last) };
      if (!this.#note(log, err)) file.gap = before;
      else if (!this.#over) file.freeSpace();
    }
  }

  #enterGap(file: LogFile): void {
    const { gap } = file;
    if (gap === undefined || file.at < gap.from) return;
    file.at = gap.to;
    this.#offset += gap.to - gap.from;
    file.gap = undefined;
  }

  /** What is given out of a file now: whole lines, unless one is very long, stands still, or nothing follows. */
  #partOf(file: LogFile, limit: number, still: boolean): Part {
    const from = file.at;
    const to = Math.min(file.readable, from + limit);
    if (to <= from) return { from, to: from };
    if (to === file.readable && (this.#over || file.gap !== undefined)) return { from, to };
    const data = file.read(from, to);
    const lines = data.lastIndexOf(10) + 1;
    if (lines > 0) return { from, to: from + lines };
    const whole = still || data.length >= LONG_LINE ? wholeCharacters(data, this.#encoding) : 0;
    return { from, to: from + whole };
  }

  /**
   * False when the disk is too full for the first note: then nothing is given out while the program runs. Of a program that ended before
   * the first note all comes out the same way however often that begins: most need none.
   */
  #note(log: Part, err: Part): boolean {
    if (this.#over && !this.#record.exists) return true;
    return this.#record.write({
      offset: this.#offset,
      log: { ...log, gap: this.#log.gap },
      err: { ...err, gap: this.#err.gap },
    });
  }

  #read(log: Part, err: Part): Slice {
    const data = Buffer.concat([this.#log.read(log.from, log.to), this.#err.read(err.from, err.to)]);
    return { offset: this.#offset, data, log, err };
  }

  /** Goes on where an earlier process stopped, with the same slice that it may have given out. */
  #restore(): void {
    const given = this.#record.read();
    if (given === undefined) return;
    this.#offset = given.offset;
    for (const [file, { from, gap }] of [
      [this.#log, given.log],
      [this.#err, given.err],
    ] as const) {
      file.look();
      file.at = from;
      file.gap = gap;
    }
    if (lengthOf(given.log) + lengthOf(given.err) > 0) this.#slice = this.#read(given.log, given.err);
  }
}

const here = ({ at }: LogFile): Part => ({ from: at, to: at });
