/** The order in which a process that owns others goes down. */

export interface Shutdown {
  /** Adds a part; parts are stopped in the reverse of the order in which they were added. */
  add(name: string, stop: () => Promise<unknown>): void;
  /** Stops everything once, however often it is called; a part that fails to stop does not keep the others running. */
  run(): Promise<void>;
  /** Aborted as soon as stopping begins: long steps of a start look at it. */
  readonly signal: AbortSignal;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const EXIT_CODE = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
/** npm, the launcher and the terminal each may pass on the same Ctrl-C: what comes within this time, ms, counts as one request to stop. */
const ONE_REQUEST_MS = 1_500;

/**
 * Watches this process's signals, and the channel to the process that started it: when either asks, everything that was added is
 * stopped and the process ends (130, 143, 129 by the shells' convention; 1 when the starter died). A second signal, later than
 * 1.5 s, ends it at once; what is left then is ended by the next start.
 */
export function watchSignals(say: (text: string) => void): Shutdown {
  const parts: { name: string; stop: () => Promise<unknown> }[] = [];
  const aborter = new AbortController();
  let stopped: Promise<void> | undefined;
  let askedAt = 0;

  const stopParts = async () => {
    aborter.abort();
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      const { name } = part;
      await part.stop().catch((error: unknown) => say(`${name} did not stop cleanly: ${String(error)}`));
    }
  };
  const run = () => {
    stopped ??= stopParts();
    return stopped;
  };
  const asked = (why: string, code: number) => {
    if (stopped !== undefined) {
      if (Date.now() - askedAt > ONE_REQUEST_MS) process.exit(code);
      return;
    }
    askedAt = Date.now();
    say(`stopping (${why})`);
    void run().then(() => process.exit(code));
  };
  for (const signal of SIGNALS) process.on(signal, () => asked(signal, EXIT_CODE[signal]));
  if (process.connected)
    process.once('disconnect', () => asked('the process that started this one is gone', 1));

  const add = (name: string, stop: () => Promise<unknown>) => {
    parts.push({ name, stop });
    // It came up while everything was going down.
    if (stopped !== undefined) void stopParts();
  };
  return { add, run, signal: aborter.signal };
}
