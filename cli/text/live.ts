/** A block of lines at the foot of a terminal that is drawn again in place; what passes by stays above it. */
import type { Stream } from '../session.ts';
import { widthOf } from './width.ts';

export class LiveBlock {
  readonly #stream: Stream;
  #height = 0;
  #last = '';

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  /** Draws the block; `passing` lines are written above it and stay. Lines must fit the terminal's width. */
  show(lines: readonly string[], passing: readonly string[] = []): void {
    const text = lines.join('\n');
    if (passing.length === 0 && text === this.#last) return;
    const all = [...passing, ...lines].map((line) => `${line}\x1b[K\n`).join('');
    // One write, so that no half of it is seen: back to the block's first line, clear to the end, write.
    this.#stream.write(`${this.#height > 0 ? `\x1b[${this.#height}F` : ''}\x1b[J${all}`);
    const columns = this.#stream.columns ?? 80;
    this.#height = lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / columns)), 0);
    this.#last = text;
  }

  /** Leaves the block where it stands. */
  end(): void {
    this.#height = 0;
    this.#last = '';
  }

  /** Takes the block away. */
  clear(): void {
    if (this.#height > 0) this.#stream.write(`\x1b[${this.#height}F\x1b[J`);
    this.end();
  }
}
