/** The log of a program that runs inside the agent. It waits in memory until it is sent; when too much waits, the oldest bytes are dropped. */
import type { LogSlice, LogSource } from '../platforms/log-source.ts';

/** Bytes of one log that may wait in memory. Of more, only the newest are kept. */
const WAITING_LIMIT_BYTES = 4 * 1024 * 1024;
/** Sizes in bytes of the first and of the largest block. Most logs have only a few lines; a log with many lines has few large blocks. */
const FIRST_BLOCK = 1024;
const LAST_BLOCK = 64 * 1024;

interface Block {
  readonly data: Buffer;
  /** The bytes from `from` up to `to` wait to be sent. */
  from: number;
  to: number;
}

export class MemoryLog implements LogSource {
  readonly #blocks: Block[] = [];
  #waitingBytes = 0;
  /** Position in the whole log of the first byte that waits. */
  #offset = 0;
  #slice: LogSlice | undefined;
  #total = 0;
  #over = false;

  write(said: string | Uint8Array): void {
    let bytes = Buffer.from(said);
    this.#total += bytes.length;
    while (bytes.length > 0) {
      const block = this.#room();
      const written = bytes.copy(block.data, block.to);
      block.to += written;
      this.#waitingBytes += written;
      bytes = bytes.subarray(written);
    }
    while (this.#waitingBytes > WAITING_LIMIT_BYTES) this.#take(LAST_BLOCK);
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
    const offset = this.#offset;
    const pieces: Buffer[] = [];
    for (let room = limit; room > 0 && this.#waitingBytes > 0; room -= pieces.at(-1)!.length)
      pieces.push(this.#take(room));
    this.#slice = { offset, data: Buffer.concat(pieces) };
    return this.#slice;
  }

  taken(): void {
    this.#slice = undefined;
  }

  close(): void {
    this.#blocks.length = 0;
    this.#waitingBytes = 0;
  }

  /** The block that the next bytes go into. It always has room. */
  #room(): Block {
    const last = this.#blocks.at(-1);
    if (last !== undefined && last.to < last.data.length) return last;
    const size = last === undefined ? FIRST_BLOCK : Math.min(LAST_BLOCK, 4 * last.data.length);
    const block = { data: Buffer.allocUnsafe(size), from: 0, to: 0 };
    this.#blocks.push(block);
    return block;
  }

  /** Removes up to `limit` bytes from the first block. */
  #take(limit: number): Buffer {
    const block = this.#blocks[0]!;
    const piece = block.data.subarray(block.from, Math.min(block.to, block.from + limit));
    block.from += piece.length;
    if (block.from === block.to) this.#blocks.shift();
    this.#waitingBytes -= piece.length;
    this.#offset += piece.length;
    return piece;
  }
}
