/** The log of a program that runs inside the agent: it waits in memory until it is sent, and what is too much is left out. */
import type { LogSlice, LogSource } from '../platforms/log-source.ts';

/** What waits in memory at most, bytes; of more, the newest are kept. */
const MOST_BYTES = 4 * 1024 * 1024;

export class MemoryLog implements LogSource {
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  /** Of the first byte that waits. */
  #offset = 0;
  #slice: LogSlice | undefined;
  #total = 0;
  #over = false;

  write(said: string | Uint8Array): void {
    const bytes = Buffer.from(said);
    this.#total += bytes.length;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    while (this.#waitingBytes > MOST_BYTES) this.#drop(this.#waiting.shift()!);
  }

  end(): void {
    this.#over = true;
  }

  get bytes(): number | undefined {
    return this.#over ? this.#total : undefined;
  }

  get done(): boolean {
    return this.#over && this.#slice === undefined && this.#waitingBytes === 0;
  }

  next(limit: number): LogSlice | undefined {
    if (this.#slice !== undefined || this.#waitingBytes === 0) return this.#slice;
    const pieces: Buffer[] = [];
    let room = limit;
    while (room > 0 && this.#waiting.length > 0) {
      const piece = this.#waiting.shift()!;
      pieces.push(piece.subarray(0, room));
      if (piece.length > room) this.#waiting.unshift(piece.subarray(room));
      room -= Math.min(room, piece.length);
    }
    const data = Buffer.concat(pieces);
    this.#slice = { offset: this.#offset, data };
    this.#drop(data);
    return this.#slice;
  }

  taken(): void {
    this.#slice = undefined;
  }

  close(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #drop({ length }: Buffer): void {
    this.#waitingBytes -= length;
    this.#offset += length;
  }
}
