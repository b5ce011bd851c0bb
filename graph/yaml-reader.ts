/**
 * A fast reader for the YAML that catalogues are written in. It knows block and flow mappings and sequences, one-line scalars and
 * comments, with the meaning of YAML 1.2's core schema; at anything else it gives up with `NotPlain` and graph/parse.ts asks the `yaml`
 * package, which also words every syntax error. A test holds the two to the same answer.
 *
 * Why: `yaml` takes 2.5 s for a catalogue of 13,000 flows (4.8 MB), this 0.1 s; the check as a whole may take 1 s (design 5).
 */

/** Where the entries of a mapping or sequence stand: per key or index the offsets of the key and of the value in the text. */
export type Marks = Map<object, Map<string | number, { key: number; value: number }>>;

/** Thrown at text that this reader does not take on. No error of the user's: the `yaml` package decides. */
export class NotPlain extends Error {}

/** Reads one entry (a block sequence of one item) of a list below a top-level key, when it is not plain. May throw NotPlain. */
export type ReadEntry = (text: string, offset: number, marks: Marks | null) => unknown;

/**
 * The value of a YAML text, which must be a mapping or empty. `marks`, when given, is filled with positions. An entry of a list right
 * below a top-level key that is not plain is handed to `readEntry` alone, so that one block scalar does not cost the whole file.
 */
export function readYaml(
  text: string,
  readEntry: ReadEntry,
  marks: Marks | null = null,
): Record<string, unknown> {
  return new Reader(text, readEntry, marks).document();
}

const KEY = /[A-Za-z_][A-Za-z0-9_.\-/]*/y;
const INT = /^[-+]?[0-9]+$/;
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
/** What the core schema reads as a number in a way of its own: left to the yaml package. */
const ODD_NUMBER = /^(?:0o[0-7]+|0x[0-9a-fA-F]+|[-+]?\.(?:inf|Inf|INF)|\.nan|\.NaN|\.NAN)$/;
const WORDS = new Map<string, null | boolean>([
  ...['~', 'null', 'Null', 'NULL'].map((word) => [word, null] as const),
  ...['true', 'True', 'TRUE'].map((word) => [word, true] as const),
  ...['false', 'False', 'FALSE'].map((word) => [word, false] as const),
]);
const ESCAPES: Record<string, string> = { n: '\n', t: '\t', '"': '"', '\\': '\\', '/': '/' };

const SPACE = 32;
const NEWLINE = 10;
const HASH = 35;
const DASH = 45;
const COLON = 58;

class Reader {
  private readonly text: string;
  private readonly readEntry: ReadEntry;
  private readonly marks: Marks | null;
  /** Next character to read. */
  private at = 0;
  /** Of the line that `at` stands in after `nextLine`: its first character and its indentation; -1 at the end of the text. */
  private lineStart = 0;
  private indent = 0;

  constructor(text: string, readEntry: ReadEntry, marks: Marks | null) {
    this.text = text;
    this.readEntry = readEntry;
    this.marks = marks;
  }

  document(): Record<string, unknown> {
    if (this.text.includes('\r') || this.text.charCodeAt(0) === 0xfeff) throw new NotPlain();
    this.nextLine();
    if (this.indent === 0 && this.text.startsWith('---\n', this.at)) {
      this.at += 4;
      this.nextLine();
    }
    if (this.indent < 0) return {};
    const value = this.mapping(this.indent, 0);
    if (this.indent >= 0) throw new NotPlain();
    return value;
  }

  /** From the end of a value, goes to the next line that says something. `at` must stand at a line's start, end, or blank rest. */
  private nextLine(): void {
    const { text } = this;
    let at = this.at;
    for (;;) {
      const start = at;
      let code = text.charCodeAt(at);
      while (code === SPACE) code = text.charCodeAt(++at);
      if (code === HASH) {
        at = text.indexOf('\n', at);
        if (at < 0) at = text.length;
        code = text.charCodeAt(at);
      }
      if (at >= text.length) {
        this.at = at;
        this.indent = -1;
        return;
      }
      if (code === NEWLINE) {
        at++;
        continue;
      }
      if (code === 9) throw new NotPlain();
      this.at = at;
      this.lineStart = start;
      this.indent = at - start;
      return;
    }
  }

  /** Ends a one-line value: nothing but blanks and a comment may follow on its line. */
  private endLine(): void {
    const { text } = this;
    let at = this.at;
    while (text.charCodeAt(at) === SPACE) at++;
    const code = text.charCodeAt(at);
    if (code === HASH && at === this.at) throw new NotPlain();
    if (code === HASH) {
      at = text.indexOf('\n', at);
      if (at < 0) at = text.length;
    } else if (code !== NEWLINE && at < text.length) throw new NotPlain();
    this.at = at < text.length ? at + 1 : at;
    this.nextLine();
  }

  private atDash(): boolean {
    if (this.text.charCodeAt(this.at) !== DASH) return false;
    const next = this.text.charCodeAt(this.at + 1);
    return next === SPACE || next === NEWLINE || Number.isNaN(next);
  }

  /** A block mapping whose keys stand `indent` deep, beginning at `at`. `depth` counts the containers above. */
  private mapping(indent: number, depth: number): Record<string, unknown> {
    const value: Record<string, unknown> = {};
    const places = this.place(value);
    do {
      const keyAt = this.at;
      const key = this.key();
      if (this.text.charCodeAt(this.at) !== COLON || key in value) throw new NotPlain();
      this.at++;
      const next = this.text.charCodeAt(this.at);
      if (next !== SPACE && next !== NEWLINE && this.at < this.text.length) throw new NotPlain();
      while (this.text.charCodeAt(this.at) === SPACE) this.at++;
      const inline = this.inlineBegins(this.at - 1);
      const valueAt = this.at;
      const place = places?.set(key, { key: keyAt, value: valueAt }).get(key);
      if (inline) value[key] = this.inline(indent);
      else {
        this.endBlank();
        if (place !== undefined && this.indent >= indent) place.value = this.at;
        if (this.indent > indent) value[key] = this.block(this.indent, depth + 1);
        else if (this.indent === indent && this.atDash()) value[key] = this.sequence(indent, depth + 1);
        else {
          value[key] = null;
          if (place !== undefined) place.value = keyAt;
        }
      }
    } while (this.indent === indent && !this.atDash());
    if (this.indent > indent) throw new NotPlain();
    return value;
  }

  /** Whether a value begins at `at`, on this line; a comment counts only after a blank. */
  private inlineBegins(before: number): boolean {
    const code = this.text.charCodeAt(this.at);
    if (code === HASH) {
      const previous = this.text.charCodeAt(before);
      if (previous === SPACE) return false;
      throw new NotPlain();
    }
    return code !== NEWLINE && this.at < this.text.length;
  }

  /** Goes from a blank (or commented) rest of a line to the next line. */
  private endBlank(): void {
    const end = this.text.indexOf('\n', this.at);
    this.at = end < 0 ? this.text.length : end + 1;
    this.nextLine();
  }

  private block(indent: number, depth: number): unknown {
    if (this.atDash()) return this.sequence(indent, depth);
    return this.mapping(indent, depth);
  }

  private sequence(indent: number, depth: number): unknown[] {
    const value: unknown[] = [];
    const places = this.place(value);
    while (this.indent === indent && this.atDash()) {
      const { at, lineStart } = this;
      try {
        this.item(value, places, indent, depth);
      } catch (error) {
        if (depth !== 1 || !(error instanceof NotPlain)) throw error;
        this.lineStart = lineStart;
        this.at = at;
        this.otherEntry(value, places, indent);
      }
    }
    if (this.indent > indent) throw new NotPlain();
    return value;
  }

  private item(
    value: unknown[],
    places: Map<string | number, { key: number; value: number }> | null,
    indent: number,
    depth: number,
  ) {
    const dashAt = this.at;
    this.at++;
    while (this.text.charCodeAt(this.at) === SPACE) this.at++;
    const itemIndent = this.at - this.lineStart;
    const place = places?.set(value.length, { key: dashAt, value: this.at }).get(value.length);
    if (!this.inlineBegins(this.at - 1)) {
      this.endBlank();
      if (this.indent > indent) {
        if (place !== undefined) place.value = this.at;
        value.push(this.block(this.indent, depth + 1));
      } else {
        if (place !== undefined) place.value = dashAt;
        value.push(null);
      }
    } else if (this.atDash()) {
      this.indent = itemIndent;
      value.push(this.sequence(itemIndent, depth + 1));
    } else if (this.keyFollows()) {
      this.indent = itemIndent;
      value.push(this.mapping(itemIndent, depth + 1));
    } else value.push(this.inline(indent));
  }

  /** Hands the entry at `at` to the yaml package: all lines up to the next that is not deeper than its dash. */
  private otherEntry(
    value: unknown[],
    places: Map<string | number, { key: number; value: number }> | null,
    indent: number,
  ): void {
    const { text, lineStart } = this;
    let end = text.indexOf('\n', this.at);
    for (;;) {
      this.at = end < 0 ? text.length : end + 1;
      const start = this.at;
      let at = start;
      while (text.charCodeAt(at) === SPACE) at++;
      const blank = text.charCodeAt(at) === NEWLINE;
      if (at >= text.length || (!blank && at - start <= indent)) break;
      end = text.indexOf('\n', at);
    }
    const [entry] = this.readEntry(text.slice(lineStart, this.at), lineStart, this.marks) as unknown[];
    places?.set(value.length, { key: lineStart + indent, value: lineStart + indent });
    value.push(entry);
    this.nextLine();
  }

  /** Whether `key:` stands at `at`; looks no further than the colon. */
  private keyFollows(): boolean {
    KEY.lastIndex = this.at;
    if (!KEY.test(this.text)) return this.text.charCodeAt(this.at) === 34 && this.quotedKeyFollows();
    const end = KEY.lastIndex;
    if (this.text.charCodeAt(end) !== COLON) return false;
    const next = this.text.charCodeAt(end + 1);
    return next === SPACE || next === NEWLINE || Number.isNaN(next);
  }

  private quotedKeyFollows(): boolean {
    const end = this.text.indexOf('"', this.at + 1);
    return end > 0 && this.text.charCodeAt(end + 1) === COLON;
  }

  private key(): string {
    if (this.text.charCodeAt(this.at) === 34) {
      const key = this.quoted(34);
      if (key === '__proto__' || key === '') throw new NotPlain();
      return key;
    }
    KEY.lastIndex = this.at;
    if (!KEY.test(this.text)) throw new NotPlain();
    const key = this.text.slice(this.at, KEY.lastIndex);
    if (key === '__proto__' || WORDS.has(key)) throw new NotPlain();
    this.at = KEY.lastIndex;
    return key;
  }

  /** A value on the line of its key or dash, then the next line. `parent` is the indentation that its further lines must exceed. */
  private inline(parent: number): unknown {
    const code = this.text.charCodeAt(this.at);
    let value: unknown;
    if (code === 34 || code === 39) value = this.quoted(code);
    else if (code === 123 || code === 91) value = this.flow(parent);
    else value = this.plain();
    this.endLine();
    if (this.indent > parent) throw new NotPlain();
    return value;
  }

  private quoted(quote: number): string {
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
  private plain(): unknown {
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
  private gap(parent: number): void {
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

  private flow(parent: number): unknown {
    const { text } = this;
    const map = text.charCodeAt(this.at) === 123;
    const close = map ? 125 : 93;
    const value: Record<string, unknown> | unknown[] = map ? {} : [];
    const places = this.place(value);
    this.at++;
    this.gap(parent);
    while (text.charCodeAt(this.at) !== close) {
      const keyAt = this.at;
      if (Array.isArray(value)) {
        const index = value.length;
        value.push(this.flowValue(parent));
        places?.set(index, { key: keyAt, value: keyAt });
      } else {
        const key = this.key();
        this.gap(parent);
        if (text.charCodeAt(this.at) !== COLON || key in value) throw new NotPlain();
        this.at++;
        const next = text.charCodeAt(this.at);
        if (next !== SPACE && next !== NEWLINE) throw new NotPlain();
        this.gap(parent);
        places?.set(key, { key: keyAt, value: this.at });
        value[key] = this.flowValue(parent);
      }
      this.gap(parent);
      const code = text.charCodeAt(this.at);
      if (code === 44) {
        this.at++;
        this.gap(parent);
      } else if (code !== close) throw new NotPlain();
    }
    this.at++;
    return value;
  }

  private flowValue(parent: number): unknown {
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

  private place(container: object): Map<string | number, { key: number; value: number }> | null {
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

/** A plain scalar's value by the core schema. */
function resolve(text: string): unknown {
  const code = text.charCodeAt(0);
  if (code === 43 || code === 45 || code === 46 || (code >= 48 && code <= 57)) {
    if (INT.test(text) || FLOAT.test(text)) return Number(text);
    if (ODD_NUMBER.test(text)) throw new NotPlain();
    return text;
  }
  if (text.length > 5) return text;
  const word = WORDS.get(text);
  return word === undefined ? text : word;
}
