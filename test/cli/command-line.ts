/** The command line in this process: what it writes to either stream and its exit code. */
import { type CommandContext, runCommand, type Settings } from '../../cli/run-command.ts';

export interface Ran {
  readonly exit: number;
  readonly out: string;
  /** stdout, not decoded. */
  readonly bytes: Buffer;
  readonly err: string;
  /** stdout as JSON. */
  json(): ReturnType<typeof JSON.parse>;
}

export interface Terminal {
  /** Columns of a terminal; without, the streams are pipes. */
  readonly columns?: number;
  readonly signal?: AbortSignal;
  readonly patienceMs?: number;
  /** Called with everything that stdout gets. */
  readonly onOut?: (text: string) => void;
}

export type CommandLine = (args: readonly string[], terminal?: Terminal) => Promise<Ran>;

/** `sluice ...` with these settings. */
export const commandLine =
  (settings: Partial<Settings>): CommandLine =>
  async (args, terminal = {}) => {
    const bytes: Buffer[] = [];
    let err = '';
    const tty = terminal.columns === undefined ? {} : { isTTY: true, columns: terminal.columns };
    const given: CommandContext = {
      version: '0.0.0',
      loadConfig: () => ({
        home: '/nonexistent',
        apiUrl: 'http://127.0.0.1:9',
        token: undefined,
        lang: 'en',
        ...settings,
      }),
      colour: terminal.columns !== undefined,
      out: {
        ...tty,
        write: (text) => {
          bytes.push(Buffer.from(text));
          terminal.onOut?.(String(text));
        },
      },
      err: {
        ...tty,
        write: (text) => {
          err += text;
        },
      },
      signal: terminal.signal ?? new AbortController().signal,
      launch: async () => 0,
      patienceMs: terminal.patienceMs ?? 0,
    };
    const exit = await runCommand(args, given);
    const out = Buffer.concat(bytes);
    return { exit, out: out.toString(), bytes: out, err, json: () => JSON.parse(out.toString()) };
  };
