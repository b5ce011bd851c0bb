/**
 * Splits the text of a SQL program into statements and binds its named parameters.
 *
 * Separators follow psql: a `;` outside quotes, dollar quotes, comments, parentheses and routine bodies
 * (`begin atomic ... end`). `:name` becomes `$n`; `::type`, `:=` and slices like `a[lo:hi]` stay as they are.
 * Tokens are those of PostgreSQL's own scanner: a test compares the two.
 */
import { ProgramError } from './program-error.ts';

/** Values of a program's parameters by name; they are bound, never pasted (protocol D1). */
export type Parameters = Readonly<Record<string, string | number | boolean>>;

export interface Statement {
  /** As sent, with `$1`, `$2` ... */
  readonly text: string;
  readonly values: readonly (string | number | boolean)[];
  /** The first line that is not a comment, cut to 120 characters, for the log. */
  readonly firstLine: string;
  /** First word in lower case: `insert`, `select`, `with` ... */
  readonly verb: string;
  /** Whether it is `copy ... from stdin` or `to stdout`, which would exchange data with the client. */
  readonly clientCopy: boolean;
  /** The text with each parameter replaced by `literal`, for commands that take no bound parameters. */
  inlined(literal: (value: string | number | boolean) => string): string;
  /** Line and column in the program's text of PostgreSQL's error position (1-based, in characters of `text`). */
  place(position: number): Place;
}

const WORD_START = /[A-Za-z_\u0080-\uffff]/;
const WORD = /[A-Za-z0-9_$\u0080-\uffff]/;
const PARAMETER = /[A-Za-z_][A-Za-z0-9_]*/y;
const CAST = /\s*::\s*[A-Za-z_"][\w."]*(\s*\[\s*\])*/y;
const DOLLAR_TAG = /\$([A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y;

/** Where a copied part begins in the statement's text (`to`) and in the program's text (`from`). */
interface Stretch {
  readonly to: number;
  readonly from: number;
}

interface Draft {
  text: string;
  /** Pieces of text, with the numbers of parameters between them. */
  pieces: (string | number)[];
  stretches: Stretch[];
  values: (string | number | boolean)[];
  numbers: Map<string, number>;
  /** The first four tokens; '' for a token that is not a word. */
  words: string[];
  /** The token before, in lower case. */
  previous: string;
  parentheses: number;
  routineDepth: number;
  clientCopy: boolean;
}

const newDraft = (): Draft => ({
  text: '',
  pieces: [],
  stretches: [],
  values: [],
  numbers: new Map(),
  words: [],
  previous: '',
  parentheses: 0,
  routineDepth: 0,
  clientCopy: false,
});

/** Returns the value of the parameter at position `at`. */
type ValueOf = (name: string, at: number) => string | number | boolean;

/**
 * The statements of a text with bound parameters, in O(length). Throws ProgramError for a text that ends inside a quote or comment,
 * and for a parameter that is not given.
 */
export function statementsOf(sql: string, parameters: Parameters): Statement[] {
  return split(sql, (name, at) => {
    const value = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    if (value !== undefined) return value;
    const { line, column } = lineAndColumn(sql, at);
    const known = Object.keys(parameters).sort().join(', ') || 'none';
    throw new ProgramError(
      `line ${line}, column ${column}: no parameter :${name} is given (given: ${known})`,
    );
  });
}

/** Names of the parameters that a text binds, sorted. In a text that ends inside a quote, only those before the quote. O(length). */
export function parameterNames(sql: string): string[] {
  const names = new Set<string>();
  try {
    split(sql, (name) => {
      names.add(name);
      return '';
    });
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
  }
  return [...names].sort();
}

export interface Place {
  readonly line: number;
  readonly column: number;
}

/** The statements of a text without values, and where each parameter first appears. Throws ProgramError for a text that ends inside a quote. */
export function readText(sql: string): { statements: Statement[]; parameters: Map<string, Place> } {
  const parameters = new Map<string, Place>();
  const statements = split(sql, (name, at) => {
    if (!parameters.has(name)) parameters.set(name, lineAndColumn(sql, at));
    return '';
  });
  return { statements, parameters };
}

function split(sql: string, give: ValueOf): Statement[] {
  const statements: Statement[] = [];
  let draft = newDraft();
  let at = 0;
  const copyTo = (end: number) => {
    const last = draft.stretches.at(-1);
    const contiguous = last !== undefined && draft.text.length - last.to === at - last.from;
    if (!contiguous) draft.stretches.push({ to: draft.text.length, from: at });
    draft.text += sql.slice(at, end);
    draft.pieces.push(sql.slice(at, end));
    at = end;
  };
  const finish = () => {
    if (draft.words.length > 0) statements.push(finished(draft, sql));
    draft = newDraft();
  };

  while (at < sql.length) {
    const char = sql[at]!;
    const skipped = endOfOpaque(sql, at);
    if (skipped !== null) {
      // No valid statement begins with a quoted name. PostgreSQL refuses such a statement, not this code.
      if (char === "'" || char === '"' || char === '$') noteToken(draft, '', char);
      copyTo(skipped);
    } else if (WORD_START.test(char)) {
      let end = at + 1;
      while (end < sql.length && WORD.test(sql[end]!)) end++;
      const word = sql.slice(at, end).toLowerCase();
      const quoted = word === 'e' && sql[end] === "'" ? endOfQuote(sql, end, true) : null;
      noteToken(draft, quoted === null ? word : '', word);
      copyTo(quoted ?? end);
    } else if (char === ':' && sql[at + 1] === ':') {
      copyTo(at + 2);
    } else if (char === ':' && beginsParameter(sql, at)) {
      PARAMETER.lastIndex = at + 1;
      const name = PARAMETER.exec(sql)![0];
      const cast = castAfter(sql, at + 1 + name.length);
      const reference = bind(draft, name, cast, () => give(name, at));
      draft.stretches.push({ to: draft.text.length, from: at });
      draft.text += `$${reference}`;
      draft.pieces.push(reference);
      noteToken(draft, '', ':');
      at += 1 + name.length;
    } else if (char === ';' && draft.parentheses === 0 && draft.routineDepth === 0) {
      at++;
      finish();
    } else {
      if (char === '(') draft.parentheses++;
      if (char === ')') draft.parentheses = Math.max(0, draft.parentheses - 1);
      if (!/\s/.test(char)) noteToken(draft, '', char);
      copyTo(at + 1);
    }
  }
  finish();
  return statements;
}

/** End of the quote or comment that begins at `at`; null if none begins there. */
function endOfOpaque(sql: string, at: number): number | null {
  const char = sql[at];
  if (char === '-' && sql[at + 1] === '-') return endOfLine(sql, at);
  if (char === '/' && sql[at + 1] === '*') return endOfComment(sql, at);
  if (char === "'" || char === '"') return endOfQuote(sql, at, false);
  // A dollar sign inside a name is part of the name; after a number it begins a quote.
  if (char === '$') {
    DOLLAR_TAG.lastIndex = at;
    const tag = DOLLAR_TAG.exec(sql)?.[0];
    if (tag === undefined) return null;
    const end = sql.indexOf(tag, at + tag.length);
    if (end < 0) throw unfinished(sql, at, `dollar quote ${tag}`);
    return end + tag.length;
  }
  return null;
}

/** A line comment ends with a line feed or a carriage return. */
function endOfLine(sql: string, at: number): number {
  for (let i = at; i < sql.length; i++) if (isLineEnd(sql[i])) return i + 1;
  return sql.length;
}

const isLineEnd = (char: string | undefined): boolean => char === '\n' || char === '\r';

/**
 * End of the quote that begins at `at`. `backslash`: the quote is `e'...'`. Only there does a backslash escape a quote
 * (standard_conforming_strings is on), also in pieces that continue the string on further lines.
 */
function endOfQuote(sql: string, at: number, backslash: boolean): number {
  const quote = sql[at];
  for (let i = at + 1; i < sql.length; i++) {
    if (backslash && sql[i] === '\\') i++;
    else if (sql[i] === quote) {
      if (sql[i + 1] === quote) i++;
      else {
        const next = backslash ? continuation(sql, i + 1) : null;
        if (next === null) return i + 1;
        i = next;
      }
    }
  }
  throw unfinished(sql, at, quote === '"' ? 'quoted name' : 'quoted string');
}

/** Position of the quote that continues a string: after white space or line comments that contain a line end. */
function continuation(sql: string, at: number): number | null {
  let line = false;
  let i = at;
  while (i < sql.length) {
    const char = sql[i]!;
    if (isLineEnd(char)) {
      line = true;
      i++;
    } else if (/[ \t\f\v]/.test(char)) i++;
    else if (char === '-' && sql[i + 1] === '-') {
      i = endOfLine(sql, i);
      line ||= isLineEnd(sql[i - 1]);
    } else return line && char === "'" ? i : null;
  }
  return null;
}

/** Block comments nest in PostgreSQL. */
function endOfComment(sql: string, at: number): number {
  let depth = 0;
  for (let i = at; i < sql.length; i++) {
    if (sql[i] === '/' && sql[i + 1] === '*') {
      depth++;
      i++;
    } else if (sql[i] === '*' && sql[i + 1] === '/') {
      depth--;
      i++;
      if (depth === 0) return i + 1;
    }
  }
  throw unfinished(sql, at, 'comment');
}

function unfinished(sql: string, at: number, what: string): ProgramError {
  const place = lineAndColumn(sql, at);
  return new ProgramError(
    `the program's text ends inside a ${what} that begins in line ${place.line}`,
    place,
  );
}

/** A parameter comes after white space or an operator. After a word, a digit or a bracket, a colon belongs to a slice. */
function beginsParameter(sql: string, at: number): boolean {
  if (!/[A-Za-z_]/.test(sql[at + 1] ?? '')) return false;
  return at === 0 || !/[A-Za-z0-9_$\])"':\u0080-\uffff]/.test(sql[at - 1]!);
}

/** The cast right after a parameter. A parameter with two different casts has two types, so it gets two numbers. */
function castAfter(sql: string, at: number): string {
  CAST.lastIndex = at;
  return (CAST.exec(sql)?.[0] ?? '').replaceAll(/\s/g, '').toLowerCase();
}

function bind(draft: Draft, name: string, cast: string, give: () => string | number | boolean): number {
  const value = give();
  const key = name + cast;
  let number = draft.numbers.get(key);
  if (number === undefined) {
    draft.values.push(value);
    number = draft.values.length;
    draft.numbers.set(key, number);
  }
  return number;
}

/**
 * Counts routine bodies in SQL: inside `create function|procedure` and outside parentheses, `begin atomic` and `case` open one, `end` closes
 * it. The same words do neither as names of parameters or after `as`.
 */
function noteToken(draft: Draft, word: string, token: string): void {
  const { previous } = draft;
  draft.previous = token;
  if (draft.words.length < 4) draft.words.push(word);
  if (draft.words[0] === 'copy' && draft.parentheses === 0)
    draft.clientCopy ||=
      (word === 'stdin' && previous === 'from') || (word === 'stdout' && previous === 'to');
  const [first, second, third, fourth] = draft.words;
  const routine = (name: string | undefined) => name === 'function' || name === 'procedure';
  if (first !== 'create' || !(routine(second) || (second === 'or' && third === 'replace' && routine(fourth))))
    return;
  if (draft.routineDepth === 0) {
    if (word === 'atomic' && previous === 'begin' && draft.parentheses === 0) draft.routineDepth = 1;
  } else if (previous !== 'as' && previous !== '.') {
    if (word === 'case') draft.routineDepth++;
    else if (word === 'end') draft.routineDepth--;
  }
}

function finished(draft: Draft, sql: string): Statement {
  const { text, pieces, values, stretches, clientCopy } = draft;
  const lines = text.split('\n').map((line) => line.trim());
  const firstLine = lines.find((line) => line !== '' && !line.startsWith('--')) ?? '';
  return {
    text,
    values,
    firstLine: firstLine.length > 120 ? `${firstLine.slice(0, 119)}…` : firstLine,
    verb: draft.words.find((word) => word !== '') ?? '',
    clientCopy,
    inlined: (literal) =>
      pieces.map((piece) => (typeof piece === 'string' ? piece : literal(values[piece - 1]!))).join(''),
    place(position) {
      // PostgreSQL counts characters, JavaScript counts UTF-16 units.
      const unit = [...text].slice(0, Math.max(0, position - 1)).join('').length;
      let last: Stretch = { to: 0, from: 0 };
      for (const stretch of stretches) if (stretch.to <= unit) last = stretch;
      return lineAndColumn(sql, last.from + (unit - last.to));
    },
  };
}

function lineAndColumn(sql: string, offset: number): Place {
  const before = sql.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: [...before.slice(lineStart)].length + 1 };
}
