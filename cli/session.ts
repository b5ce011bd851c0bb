/** What a command works with: the API, the two streams, the language. Answers go to stdout, messages to stderr. */
import { SluiceError } from '../errors.ts';
import type { Client, Page } from './client.ts';
import { type Paint, painter } from './text/colour.ts';
import { type Lang, type Phrase, phrases } from './text/phrases.ts';

/** The part of an output stream that commands use. */
export interface Stream {
  write(text: string | Uint8Array): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

export interface Session {
  readonly client: Client;
  /** The actor of cli.json; null with SLUICE_TOKEN. */
  readonly actor: string | null;
  readonly lang: Lang;
  readonly json: boolean;
  readonly out: Stream;
  readonly err: Stream;
  /** Token of an actor of cli.json. */
  readonly tokenOf: (actor: string) => string | undefined;
  /** Runs a program of the project with a changed environment until it ends; returns its exit code. */
  readonly launch: (file: string, changes: Readonly<Record<string, string>>) => Promise<number>;
  /** Colours for stdout. */
  readonly paint: Paint;
  /** Colours for stderr. */
  readonly paintMessage: Paint;
  readonly phrase: Phrase;
  /** Width of stdout in columns; practically unlimited for a file or a pipe. */
  readonly columns: number;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Writes a line to stdout. */
  line(text?: string): void;
  /** Writes a message to stderr. With `--json` it writes nothing: stderr then holds only a problem. */
  say(text: string): void;
  /** Writes an answer to stdout: with `--json` as the API sent it, otherwise as the lines that `show` makes of it. */
  answer<T>(payload: T, show: (payload: T) => readonly string[]): void;
}

/** What the modules of `text/` need to make lines of an answer. */
export type Printing = Pick<Session, 'lang' | 'phrase' | 'paint' | 'columns'>;

/** Width of tables in a file or a pipe: nothing is cut. */
const PIPE_COLUMNS = 10_000;

type Given = Pick<
  Session,
  'client' | 'actor' | 'lang' | 'json' | 'out' | 'err' | 'tokenOf' | 'launch' | 'signal'
>;

export function createSession(given: Given & { readonly colour: boolean }): Session {
  const { out, err, json } = given;
  const session: Session = {
    ...given,
    paint: painter(given.colour && out.isTTY === true),
    paintMessage: painter(given.colour && err.isTTY === true),
    phrase: phrases(given.lang),
    columns: out.isTTY === true ? Math.max(40, out.columns ?? 80) : PIPE_COLUMNS,
    line: (text = '') => void out.write(`${text}\n`),
    say: (text) => {
      if (!json) err.write(`${text}\n`);
    },
    answer: (payload, show) => {
      if (json) out.write(`${JSON.stringify(payload, null, 2)}\n`);
      else for (const text of show(payload)) session.line(text);
    },
  };
  return session;
}

interface OpenRun {
  readonly id: string;
  readonly period: string;
  readonly openedAt: number;
}

/**
 * The run of a command: the given one, or the newest open month run, which a message names.
 * Throws `unknown_run` when none is given and none is open.
 */
export async function runOf(session: Session, given: string | undefined): Promise<string> {
  if (given !== undefined) return given;
  const open: Page<OpenRun> = await session.client.list('/runs', {
    state: 'open',
    cycle: 'month',
    purpose: 'scheduled',
  });
  const newest = newestOf(open.items, Date.now());
  if (newest === undefined)
    throw new SluiceError('unknown_run', 'no --run was given and no month run is open');
  session.say(session.paintMessage('dim', session.phrase('run_chosen', { run: newest.id })));
  return newest.id;
}

const MONTH_MS = 31 * 24 * 3_600_000;

/** The latest month that has begun or begins next; a later one, which was opened to try it out, only where there is no other. */
export function newestOf<T extends { readonly period: string }>(
  runs: readonly T[],
  nowMs: number,
): T | undefined {
  const next = new Date(nowMs + MONTH_MS).toISOString().slice(0, 7);
  const sorted = [...runs].sort((a, b) => (a.period < b.period ? 1 : -1));
  return sorted.find(({ period }) => period <= next) ?? sorted[0];
}

/** `/runs/<run>/<rest>` */
export const ofRun = (run: string, rest = ''): string => `/runs/${encodeURIComponent(run)}${rest}`;
