/**
 * A fast reader for the YAML that catalogues are written in. It knows block and flow mappings and sequences, one-line scalars and
 * comments, with the meaning of YAML 1.2's core schema. At anything else it throws `NotPlain`, and graph/text/yaml-package.ts reads the text with
 * the `yaml` package, which also makes the message of every syntax error. A test holds the two to the same answer.
 *
 * Why: `yaml` takes 2.5 s for a catalogue of 13,000 flows (4.8 MB), this 0.1 s; the check as a whole may take 1 s.
 */

import { DEPTH_LIMIT } from './storable-text.ts';
import { COLON, DASH, HASH, InlineReader, KEY, type Marks, NEWLINE, NotPlain, SPACE } from './yaml-inline.ts';

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

class Reader extends InlineReader {
  readonly #readEntry: ReadEntry;
  /** The line of `at` after `nextLine`: the offset of its first character, and its indentation; -1 at the end of the text. */
  #lineStart = 0;
  #indent = 0;

  constructor(text: string, readEntry: ReadEntry, marks: Marks | null) {
    super(text, marks);
    this.#readEntry = readEntry;
  }

  document(): Record<string, unknown> {
    if (this.text.includes('\r') || this.text.charCodeAt(0) === 0xfeff) throw new NotPlain();
    this.#nextLine();
    if (this.#indent === 0 && this.text.startsWith('---\n', this.at)) {
      this.at += 4;
      this.#nextLine();
    }
    if (this.#indent < 0) return {};
    const value = this.#mapping(this.#indent, 0);
    if (this.#indent >= 0) throw new NotPlain();
    return value;
  }

  /** Goes to the next line that is neither blank nor a comment. `at` must be the beginning of a line, or only blanks follow it on its line. */
  #nextLine(): void {
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
        this.#indent = -1;
        return;
      }
      if (code === NEWLINE) {
        at++;
        continue;
      }
      if (code === 9) throw new NotPlain();
      this.at = at;
      this.#lineStart = start;
      this.#indent = at - start;
      return;
    }
  }

  /** Ends a one-line value: nothing but blanks and a comment may follow on its line. */
  #endLine(): void {
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
    this.#nextLine();
  }

  #atDash(): boolean {
    if (this.text.charCodeAt(this.at) !== DASH) return false;
    const next = this.text.charCodeAt(this.at + 1);
    return next === SPACE || next === NEWLINE || Number.isNaN(next);
  }

  /** A block mapping whose keys stand `indent` deep, beginning at `at`. `depth` counts the containers above. */
  #mapping(indent: number, depth: number): Record<string, unknown> {
    if (depth > DEPTH_LIMIT) throw new NotPlain();
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
      const inline = this.#inlineBegins(this.at - 1);
      const valueAt = this.at;
      const place = places?.set(key, { key: keyAt, value: valueAt }).get(key);
      if (inline) value[key] = this.#inline(indent);
      else {
        this.#endBlank();
        if (place !== undefined && this.#indent >= indent) place.value = this.at;
        if (this.#indent > indent) value[key] = this.#block(this.#indent, depth + 1);
        else if (this.#indent === indent && this.#atDash()) value[key] = this.#sequence(indent, depth + 1);
        else {
          value[key] = null;
          if (place !== undefined) place.value = keyAt;
        }
      }
    } while (this.#indent === indent && !this.#atDash());
    if (this.#indent > indent) throw new NotPlain();
    return value;
  }

  /** Whether a value begins at `at`, on this line; a comment counts only after a blank. */
  #inlineBegins(before: number): boolean {
    const code = this.text.charCodeAt(this.at);
    if (code === HASH) {
      const previous = this.text.charCodeAt(before);
      if (previous === SPACE) return false;
      throw new NotPlain();
    }
    return code !== NEWLINE && this.at < this.text.length;
  }

  /** Goes from a blank (or commented) rest of a line to the next line. */
  #endBlank(): void {
    const end = this.text.indexOf('\n', this.at);
    this.at = end < 0 ? this.text.length : end + 1;
    this.#nextLine();
  }

  #block(indent: number, depth: number): unknown {
    if (this.#atDash()) return this.#sequence(indent, depth);
    return this.#mapping(indent, depth);
  }

  #sequence(indent: number, depth: number): unknown[] {
    if (depth > DEPTH_LIMIT) throw new NotPlain();
    const value: unknown[] = [];
    const places = this.place(value);
    while (this.#indent === indent && this.#atDash()) {
      const { at } = this;
      const lineStart = this.#lineStart;
      try {
        this.#item(value, places, indent, depth);
      } catch (error) {
        if (depth !== 1 || !(error instanceof NotPlain)) throw error;
        this.#lineStart = lineStart;
        this.at = at;
        this.open = 0;
        this.#otherEntry(value, places, indent);
      }
    }
    if (this.#indent > indent) throw new NotPlain();
    return value;
  }

  #item(
    value: unknown[],
    places: Map<string | number, { key: number; value: number }> | null,
    indent: number,
    depth: number,
  ) {
    const dashAt = this.at;
    this.at++;
    while (this.text.charCodeAt(this.at) === SPACE) this.at++;
    const itemIndent = this.at - this.#lineStart;
    const place = places?.set(value.length, { key: dashAt, value: this.at }).get(value.length);
    if (!this.#inlineBegins(this.at - 1)) {
      this.#endBlank();
      if (this.#indent > indent) {
        if (place !== undefined) place.value = this.at;
        value.push(this.#block(this.#indent, depth + 1));
      } else {
        if (place !== undefined) place.value = dashAt;
        value.push(null);
      }
    } else if (this.#atDash()) {
      this.#indent = itemIndent;
      value.push(this.#sequence(itemIndent, depth + 1));
    } else if (this.#keyFollows()) {
      this.#indent = itemIndent;
      value.push(this.#mapping(itemIndent, depth + 1));
    } else value.push(this.#inline(indent));
  }

  /** Hands the entry at `at` to the yaml package: all lines up to the next that is not deeper than its dash. */
  #otherEntry(
    value: unknown[],
    places: Map<string | number, { key: number; value: number }> | null,
    indent: number,
  ): void {
    const { text } = this;
    const lineStart = this.#lineStart;
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
    const [entry] = this.#readEntry(text.slice(lineStart, this.at), lineStart, this.marks) as unknown[];
    places?.set(value.length, { key: lineStart + indent, value: lineStart + indent });
    value.push(entry);
    this.#nextLine();
  }

  /** Whether `key:` stands at `at`; looks no further than the colon. */
  #keyFollows(): boolean {
    KEY.lastIndex = this.at;
    if (!KEY.test(this.text)) return this.text.charCodeAt(this.at) === 34 && this.#quotedKeyFollows();
    const end = KEY.lastIndex;
    if (this.text.charCodeAt(end) !== COLON) return false;
    const next = this.text.charCodeAt(end + 1);
    return next === SPACE || next === NEWLINE || Number.isNaN(next);
  }

  #quotedKeyFollows(): boolean {
    const end = this.text.indexOf('"', this.at + 1);
    return end > 0 && this.text.charCodeAt(end + 1) === COLON;
  }

  /** A value on the line of its key or dash, then the next line. `parent` is the indentation that its further lines must exceed. */
  #inline(parent: number): unknown {
    const code = this.text.charCodeAt(this.at);
    let value: unknown;
    if (code === 34 || code === 39) value = this.quoted(code);
    else if (code === 123 || code === 91) value = this.flow(parent);
    else value = this.plain();
    this.#endLine();
    if (this.#indent > parent) throw new NotPlain();
    return value;
  }
}
