/**
 * Notices and errors of a server whose text is not UTF-8. A database of encoding SQL_ASCII sends bytes unchanged, and node-postgres would
 * replace them by U+FFFD. Bytes that are not UTF-8 are written as `\xNN` before node-postgres reads them, so that none is lost.
 */
import { isUtf8 } from 'node:buffer';
import type { Duplex } from 'node:stream';
import type pg from 'pg';

/** The part of node-postgres that reads its stream, which its types leave out. */
interface Reading {
  attachListeners(stream: Pick<Duplex, 'on'>): void;
}

/** To be called before the client connects. */
export function keepBytesOfMessages(client: pg.Client): void {
  const { connection } = client as unknown as { connection: Reading };
  const attach = connection.attachListeners.bind(connection);
  connection.attachListeners = (stream) => {
    const messages = new Messages();
    attach({
      on(event, listener) {
        // One listener for the data, as without this code: copies remove it and add it again between two messages.
        stream.on(event, event === 'data' ? (chunk: Buffer) => listener(messages.next(chunk)) : listener);
        return stream as Duplex;
      },
    });
  };
}

const HEADER = 5;
const NOTICE = 'N'.charCodeAt(0);
const ERROR = 'E'.charCodeAt(0);

/** Reads the messages of the protocol (a code, four bytes of length, the content). Only the content of notices and errors is looked at. */
class Messages {
  /** Number of bytes still to come of a message that was handed on in part. */
  #left = 0;
  /** The beginning of a header, notice or error whose end is still to come. */
  #held: Buffer | undefined;

  /** What node-postgres reads instead of `chunk`. */
  next(chunk: Buffer): Buffer {
    const data = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = undefined;
    const parts: Buffer[] = [];
    let from = 0;
    let at = Math.min(this.#left, data.length);
    this.#left -= at;
    while (at < data.length) {
      const there = data.length - at;
      const length = there < HEADER ? HEADER : 1 + data.readUInt32BE(at + 1);
      const isText = data[at] === NOTICE || data[at] === ERROR;
      if (there < HEADER || (isText && there < length)) {
        this.#held = data.subarray(at);
        break;
      }
      if (isText && !isUtf8(data.subarray(at + HEADER, at + length))) {
        parts.push(data.subarray(from, at), legible(data.subarray(at, at + length)));
        from = at + length;
      }
      this.#left = Math.max(0, length - there);
      at += length;
    }
    const rest = data.subarray(from, data.length - (this.#held?.length ?? 0));
    return parts.length === 0 ? rest : Buffer.concat([...parts, rest]);
  }
}

/** The message with its texts in UTF-8. */
function legible(message: Buffer): Buffer {
  const content = Buffer.from(escaped(message.subarray(HEADER)));
  const header = Buffer.from(message.subarray(0, HEADER));
  header.writeUInt32BE(content.length + HEADER - 1, 1);
  return Buffer.concat([header, content]);
}

function escaped(bytes: Buffer): string {
  let text = '';
  let at = 0;
  while (at < bytes.length) {
    const length = characterAt(bytes, at);
    text +=
      length === 0
        ? `\\x${bytes.subarray(at, at + 1).toString('hex')}`
        : bytes.toString('utf8', at, at + length);
    at += Math.max(1, length);
  }
  return text;
}

/** Number of bytes of the character that begins at `at`; 0 when none begins there. */
function characterAt(bytes: Buffer, at: number): number {
  const first = bytes[at]!;
  const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  return at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}
