/** What a case is: a small input that once went wrong in silence, and what must be true of it instead. */
import type pg from 'pg';

/** What a command printed and how it ended. */
export interface Answered {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** What a case may use; everything happens on one running installation. */
export interface CaseTools {
  /**
   * Runs the command line as an operator would and waits for its end; never throws for a refusal. Standard input is empty.
   */
  sluice(...args: string[]): Promise<Answered>;
  /** The same with `--json`; throws with what was printed when the command fails. */
  json<T = Record<string, unknown>>(...args: string[]): Promise<T>;
  /** Writes a catalogue folder and answers its path. A text is written as UTF-8, bytes as they are. */
  folder(files: Readonly<Record<string, string | Uint8Array>>): Promise<string>;
  /**
   * Applies a catalogue and opens its run of `period`, with no other case between the two; answers the run's id.
   * Throws with what was printed when the catalogue is refused.
   */
  open(files: Readonly<Record<string, string | Uint8Array>>, period: string): Promise<string>;
  /** State of a flow once it has a result; throws after `withinMs` (default 90,000) with what `why` says. */
  resultOf(run: string, flow: string, withinMs?: number): Promise<string>;
  /** Waits until `holds` answers true; throws after `withinMs` (default 60,000) with `what`. */
  until(what: string, holds: () => Promise<boolean>, withinMs?: number): Promise<void>;
  /** The database that plays the platform yt. */
  readonly warehouse: pg.Pool;
  /** A folder of this case's own for scripts and what programs leave. */
  readonly scratch: string;
}

export interface Case {
  /** Two digits, or R and two digits for those of less weight. */
  readonly id: string;
  /** What is right, in a few words. */
  readonly right: string;
  /** Throws an Error that says what was seen instead. */
  readonly check: (tools: CaseTools) => Promise<void>;
}

/** Throws when `seen` is not `wanted`; both are compared as JSON. */
export function expectSame(what: string, seen: unknown, wanted: unknown): void {
  const [a, b] = [JSON.stringify(seen), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${what}: ${a}, not ${b}`);
}

/** Throws when `text` does not contain `part`. */
export function expectPart(what: string, text: string, part: string | RegExp): void {
  if (typeof part === 'string' ? text.includes(part) : part.test(text)) return;
  throw new Error(`${what} does not say ${String(part)}: ${text.trim().slice(0, 600)}`);
}

/** The head of a catalogue whose flows follow: the one connection that cases write to. */
export const HEAD = 'connections:\n  - { id: yt, platform: yt }\nflows:\n';

/** A month flow that runs a SQL file; `more` follows within its braces. */
export const sqlFlow = (id: string, file: string, more = ''): string =>
  `  - { id: ${id}, names: { en: ${id}, zh: ${id} }, kind: job, cycle: month, platform: yt, program: { type: sql, file: ${file}, connection: yt }${more} }\n`;
