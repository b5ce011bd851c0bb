/**
 * Reads what stands on a line of YAML: keys, scalars, flow collections, with the meaning of YAML 1.2's core schema. graph/text/yaml-reader.ts
 * reads the block structure around it.
 */

import { DEPTH_LIMIT } from './storable-text.ts';

/** Where the entries of a mapping or sequence stand: per key or index the offsets of the key and of the value in the text. */
export type Marks = Map<object, Map<string | number, { key: number; value: number }>>;

/** Thrown when a text has something that this reader does not read. The text may be right all the same: the `yaml` package decides that. */
export class NotPlain extends Error {}

/** Keys that need no quotes here. */
export const KEY = /[A-Za-z_][A-Za-z0-9_.\-/]*/y;
const NUMBER = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
/** Other texts that the core schema reads as numbers: octal, hexadecimal, infinity, not a number. */
const ODD_NUMBER = /^(?:0o[0-7]+|0x[0-9a-fA-F]+|[-+]?\.(?:inf|Inf|INF)|\.nan|\.NaN|\.NAN)$/;
const WORDS = new Map<string, null | boolean>([
  ...['~', 'null', 'Null', 'NULL'].map((word) => [word, null] as const),
  ['true', true],
  ['false', false],
]);
/** Truth values that would not come back as they are written. */
const ODD_WORDS = new Set(['True', 'TRUE', 'False', 'FALSE']);
/** Keys that are no plain text. */
const ODD_KEYS = new Set([...WORDS.keys(), ...ODD_WORDS, '__proto__']);
const ESCAPES: Record<string, string> = { n: '\n', t: '\t', '"': '"', '\\': '\\', '/': '/' };

export const SPACE = 32;
export const NEWLINE = 10;
export const HASH = 35;
export const DASH = 45;
export const COLON = 58;

/** Reads from `at` on and leaves it behind what it read. */
export class InlineReader {
  protected readonly text: string;
  protected readonly marks: Marks | null;
  /** Next character to read. */
  protected at = 0;
  /** Flow collections that are open. */
  protected open = 0;

  constructor(text: string, marks: Marks | null) {
    this.text = text;
    this.marks = marks;
  }

  protected key(): string {
    if (this.text.charCodeAt(this.at) === 34) {
      const key = this.quoted(34);
      if (key === '__proto__' || key === '') throw new NotPlain();
      return key;
    }
    KEY.lastIndex = this.at;
    if (!KEY.test(this.text)) throw new NotPlain();
    const key = this.text.slice(this.at, KEY.lastIndex);
    if (ODD_KEYS.has(key)) throw new NotPlain();
    this.at = KEY.lastIndex;
    return key;
  }

  protected quoted(quote: number): string {
    const { text } = this;
    const start = this.at + 1;
    let end = start;
    let odd = false;
    for (;;) {
      const code = text.charCodeAt(end);
      if (code === NEWLINE || Number.isNaN(code)) throw new NotPlain();
      if (quote === 34 && code === 92) {
        if (ESCAPES[text.charAt(end + 1)] === undefined) throw new NotPlain();
        odd = true;
        end += 2;
        continue;
      }
      if (code === quote) {
        if (quote === 34 || text.charCodeAt(end + 1) !== 39) break;
        odd = true;
        end++;
      }
      end++;
    }
    this.at = end + 1;
    const raw = text.slice(start, end);
    if (!odd) return raw;
    return quote === 39
      ? raw.replaceAll("''", "'")
      : raw.replace(/\\(.)/g, (_, letter: string) => ESCAPES[letter]!);
  }

  /** A plain scalar to the end of its line, without the comment. */
  protected plain(): unknown {
    const { text } = this;
    const start = this.at;
    if (!beginsPlain(text.charCodeAt(start), text.charCodeAt(start + 1))) throw new NotPlain();
    let end = start;
    for (let at = start; ; at++) {
      const code = text.charCodeAt(at);
      if (code === NEWLINE || Number.isNaN(code)) break;
      if (code === 9) throw new NotPlain();
      if (code === COLON) {
        const next = text.charCodeAt(at + 1);
        if (next === SPACE || next === NEWLINE || next === 9 || Number.isNaN(next)) throw new NotPlain();
      }
      if (code === HASH && text.charCodeAt(at - 1) === SPACE) break;
      if (code !== SPACE) end = at + 1;
    }
    this.at = end;
    return resolve(text.slice(start, end));
  }

  /** Skips blanks, comments and line ends within a flow collection. */
  #gap(parent: number): void {
    const { text } = this;
    for (;;) {
      const code = text.charCodeAt(this.at);
      if (code === SPACE) this.at++;
      else if (code === NEWLINE) {
        this.at++;
        const start = this.at;
        while (text.charCodeAt(this.at) === SPACE) this.at++;
        const first = text.charCodeAt(this.at);
        if (first !== NEWLINE && this.at - start <= parent) throw new NotPlain();
      } else if (
        code === HASH &&
        (text.charCodeAt(this.at - 1) === SPACE || text.charCodeAt(this.at - 1) === NEWLINE)
      ) {
        const end = text.indexOf('\n', this.at);
        if (end < 0) throw new NotPlain();
        this.at = end;
      } else return;
    }
  }

  protected flow(parent: number): unknown {
    const { text } = this;
    if (++this.open > DEPTH_LIMIT) throw new NotPlain();
    const map = text.charCodeAt(this.at) === 123;
    const close = map ? 125 : 93;
    const value: Record<string, unknown> | unknown[] = map ? {} : [];
    const places = this.place(value);
    this.at++;
    this.#gap(parent);
    while (text.charCodeAt(this.at) !== close) {
      const keyAt = this.at;
      if (Array.isArray(value)) {
        const index = value.length;
        value.push(this.#flowValue(parent));
        places?.set(index, { key: keyAt, value: keyAt });
      } else {
        const key = this.key();
        this.#gap(parent);
        if (text.charCodeAt(this.at) !== COLON || key in value) throw new NotPlain();
        this.at++;
        const next = text.charCodeAt(this.at);
        if (next !== SPACE && next !== NEWLINE) throw new NotPlain();
        this.#gap(parent);
        places?.set(key, { key: keyAt, value: this.at });
        value[key] = this.#flowValue(parent);
      }
      this.#gap(parent);
      const code = text.charCodeAt(this.at);
      if (code === 44) {
        this.at++;
        this.#gap(parent);
      } else if (code !== close) throw new NotPlain();
    }
    this.at++;
    this.open--;
    return value;
  }

  #flowValue(parent: number): unknown {
    const { text } = this;
    const first = text.charCodeAt(this.at);
    if (first === 34 || first === 39) return this.quoted(first);
    if (first === 123 || first === 91) return this.flow(parent);
    if (!beginsPlain(first, text.charCodeAt(this.at + 1))) throw new NotPlain();
    const start = this.at;
    let end = start;
    for (let at = start; ; at++) {
      const code = text.charCodeAt(at);
      if (code === NEWLINE || code === 44 || code === 125 || code === 93) break;
      if (Number.isNaN(code) || code === 9 || code === 123 || code === 91) throw new NotPlain();
      if (code === COLON) {
        const next = text.charCodeAt(at + 1);
        if (next === SPACE || next === NEWLINE || next === 44 || next === 125 || next === 93)
          throw new NotPlain();
      }
      if (code === HASH && text.charCodeAt(at - 1) === SPACE) break;
      if (code !== SPACE) end = at + 1;
    }
    this.at = end;
    return resolve(text.slice(start, end));
  }

  protected place(container: object): Map<string | number, { key: number; value: number }> | null {
    if (this.marks === null) return null;
    const places = new Map<string | number, { key: number; value: number }>();
    this.marks.set(container, places);
    return places;
  }
}

/** Characters that begin a plain scalar for certain: letters, digits, and a few signs; everything beyond ASCII but the byte order mark. */
function beginsPlain(code: number, next: number): boolean {
  if (code >= 0xa0) return code !== 0xfeff;
  if (code === DASH)
    return !(
      next === SPACE ||
      next === NEWLINE ||
      next === 44 ||
      next === 93 ||
      next === 125 ||
      Number.isNaN(next)
    );
  if ((code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122)) return true;
  return (
    code === 95 || code === 47 || code === 46 || code === 43 || code === 36 || code === 40 || code === 126
  );
}

/**
 * A plain scalar's value by the core schema. Numbers and truth values that would not come back as they are written (021, 1.10, 1e3, True) are
 * left to graph/text/yaml-package.ts, which knows where that matters.
 */
function resolve(text: string): unknown {
  const code = text.charCodeAt(0);
  if (code === 43 || code === 45 || code === 46 || (code >= 48 && code <= 57)) {
    if (NUMBER.test(text)) {
      const number = Number(text);
      if (String(number) === text) return number;
      throw new NotPlain();
    }
    if (ODD_NUMBER.test(text)) throw new NotPlain();
    return text;
  }
  if (text.length > 5) return text;
  if (ODD_WORDS.has(text)) throw new NotPlain();
  const word = WORDS.get(text);
  return word === undefined ? text : word;
}
