/**
 * An attempt's log for a reader, piece by piece. Each piece has its offset in all that the attempt wrote, so that a reader whose API dies can
 * continue at another one. A followed log ends when everything has arrived that the attempt is known to have written.
 */
import type pg from 'pg';
import { wholeCharacters } from '../../encoding.ts';
import { readLogEnd } from '../../store/agents/attempt-logs.ts';
import type { LogPlace, LogStore } from '../log-store.ts';

/** `from` and `next` count bytes of all that the attempt wrote. `leftOut`: no byte between them is kept, or has come. */
export type LogPiece = { readonly from: number; readonly next: number } & (
  | { readonly data: Buffer }
  | { readonly leftOut: true }
);

export interface LogView {
  readonly place: LogPlace;
  /** Offset of the first byte to read. */
  readonly from: number;
  /** Wait for more until the attempt has ended. */
  readonly follow: boolean;
  /** Pieces end with whole characters of this encoding; null: wherever they happen to end. */
  readonly encoding: string | null;
  readonly signal: AbortSignal;
}

/** Interval at which a followed log is read, ms. */
const LOOK_MS = 500;
/** The same after the attempt has ended, while its last bytes are on their way, ms. */
const ARRIVAL_LOOK_MS = 50;
/** How long to wait for more of an ended attempt's log, ms: results do not wait for logs, so the rest may never come. */
const ARRIVAL_MS = 3_000;
/** A followed log without new bytes ends after this time, ms; a reader who still wants it requests it again. */
const SILENT_MS = 6 * 3_600_000;
/** Length in bytes at which an unfinished line is shown as it is. */
const LONG_LINE = 64 * 1024;
/** Time after the end of an attempt, ms, after which no more of its log is expected. */
const RECENT_MS = 15 * 60_000;

export async function* piecesOf(
  { pool, logs }: { pool: pg.Pool; logs: LogStore },
  { place, from, follow, encoding, signal }: LogView,
): AsyncGenerator<LogPiece> {
  let at = from;
  let line = new Line(from, encoding);
  let grownOn = performance.now();
  for (;;) {
    // The end is read before the log, so that the log read afterwards has everything written until then, or a known gap.
    const end = await readLogEnd(pool, place.epoch);
    let grown = false;
    for (;;) {
      const { from: begin, data, next } = await logs.read(place, at);
      if (begin > at) {
        yield* line.rest();
        yield { from: at, next: begin, leftOut: true };
        line = new Line(begin, encoding);
      }
      at = next;
      if (data.length === 0) break;
      grown = true;
      yield* line.add(data);
      if (signal.aborted) return;
    }
    if (grown) grownOn = performance.now();
    const missing = end === null || end.bytes === null ? 0 : Math.max(0, end.bytes - at);
    const silentMs = performance.now() - grownOn;
    const arriving = missing > 0 && end !== null && end.agoMs < RECENT_MS && silentMs < ARRIVAL_MS;
    const waits = arriving || (follow && end === null && silentMs < SILENT_MS);
    if (!waits || signal.aborted) {
      yield* line.rest();
      if (missing > 0) yield { from: at, next: at + missing, leftOut: true };
      return;
    }
    if (!grown) yield* line.soFar();
    await pause(arriving ? ARRIVAL_LOOK_MS : LOOK_MS, signal);
  }
}

/** Holds back the end of a line until the line is whole, or nothing more comes. */
class Line {
  readonly #encoding: string | null;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #at: number;

  constructor(at: number, encoding: string | null) {
    this.#at = at;
    this.#encoding = encoding;
  }

  *add(data: Buffer): Generator<LogPiece> {
    if (this.#encoding === null) {
      yield this.#piece(data);
      return;
    }
    const lines = data.lastIndexOf(10) + 1;
    if (lines > 0) yield this.#piece(this.#take(data.subarray(0, lines)));
    if (lines < data.length) this.#hold(data.subarray(lines));
    if (this.#heldBytes > LONG_LINE) yield* this.soFar();
  }

  /** Whole characters of an unfinished line. */
  *soFar(): Generator<LogPiece> {
    if (this.#heldBytes === 0 || this.#encoding === null) return;
    const held = this.#take(Buffer.alloc(0));
    const whole = wholeCharacters(held, this.#encoding);
    if (whole > 0) yield this.#piece(held.subarray(0, whole));
    if (whole < held.length) this.#hold(held.subarray(whole));
  }

  *rest(): Generator<LogPiece> {
    if (this.#heldBytes > 0) yield this.#piece(this.#take(Buffer.alloc(0)));
  }

  #hold(data: Buffer): void {
    this.#held.push(data);
    this.#heldBytes += data.length;
  }

  #take(more: Buffer): Buffer {
    const all = Buffer.concat([...this.#held, more]);
    this.#held = [];
    this.#heldBytes = 0;
    return all;
  }

  #piece(data: Buffer): LogPiece {
    const from = this.#at;
    this.#at += data.length;
    return { from, next: this.#at, data };
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
  });
}
