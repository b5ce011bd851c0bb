/**
 * Passes rows in COPY's text format through, counts them and sums their checksum, the same figure as `checksumSql`.
 * In that format a row is a line: line ends inside values are escaped.
 */
import { hash } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';

const LINE_END = 10;

export class ChecksumStream extends Transform {
  rows = 0;
  #sum = 0n;
  #rest: Buffer | null = null;
  readonly #skip: number;

  /** `skip`: bytes at the beginning of each line that are left out of the checksum (the key of the staging table). */
  constructor(skip: number) {
    super();
    this.#skip = skip;
  }

  get checksum(): string {
    return this.#sum.toString();
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const data = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk]);
    let from = 0;
    for (let end = data.indexOf(LINE_END); end >= 0; end = data.indexOf(LINE_END, from)) {
      this.#add(data.subarray(from + this.#skip, end));
      from = end + 1;
    }
    this.#rest = from === data.length ? null : data.subarray(from);
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    done(this.#rest === null ? null : new Error('the stream of rows ends within a row'));
  }

  #add(line: Buffer): void {
    this.rows++;
    // md5 protects against errors of copying, not against an attacker; 60 bits fit PostgreSQL's bigint.
    this.#sum += BigInt(`0x${hash('md5', line, 'hex').slice(0, 15)}`);
  }
}
