/** The log of a program that runs inside the agent: it waits in memory until it is sent, and what is too much is left out. */
import type { LogSlice, LogSource } from '../platforms/log-source.ts';

/** What waits in memory at most, bytes; of more, the newest are kept. */
const MOST_BYTES = 4 * 1024 * 1024;
/** Blocks grow from the first size to the last: most logs have a few lines, and a flood of short ones makes no heap of small pieces. */
const FIRST_BLOCK = 1024;
const LAST_BLOCK = 64 * 1024;

interface Block {
  readonly data: Buffer;
  /** Bytes of it that wait: from `from` up to `to`. */
  from: number;
  to: number;
}

export class MemoryLog implements LogSource {
  readonly #blocks: Block[] = [];
  #waitingBytes = 0;
  /** Of the first byte that waits. */
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
    while (this.#waitingBytes > MOST_BYTES) this.#take(LAST_BLOCK);
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

  /** The block that the next bytes go into: never empty of room. */
  #room(): Block {
    const last = this.#blocks.at(-1);
    if (last !== undefined && last.to < last.data.length) return last;
    const size = last === undefined ? FIRST_BLOCK : Math.min(LAST_BLOCK, 4 * last.data.length);
    const block = { data: Buffer.allocUnsafe(size), from: 0, to: 0 };
    this.#blocks.push(block);
    return block;
  }

  /** Up to `most` bytes of the first block. */
  #take(most: number): Buffer {
    const block = this.#blocks[0]!;
    const piece = block.data.subarray(block.from, Math.min(block.to, block.from + most));
    block.from += piece.length;
    if (block.from === block.to) this.#blocks.shift();
    this.#waitingBytes -= piece.length;
    this.#offset += piece.length;
    return piece;
  }
}
