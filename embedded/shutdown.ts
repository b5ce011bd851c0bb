/** Stops the parts of a process in the right order. */

export interface Shutdown {
  /** Adds a part. Parts are stopped in the reverse order. */
  add(name: string, stop: () => Promise<unknown>): void;
  /** Stops everything; further calls wait for the same stop. A part that fails to stop does not keep the others running. */
  run(): Promise<void>;
  /** Aborted when stopping begins, so that a start can break off. */
  readonly signal: AbortSignal;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const EXIT_CODE = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
/** npm, the launcher and the terminal may each pass on the same Ctrl-C: signals within this time, ms, count as one. */
const ONE_SIGNAL_MS = 1_500;

/**
 * Watches the signals of this process and the channel to the process that started it. On a signal, or when the channel closes, all parts
 * are stopped and the process ends (130, 143 or 129 as in shells; 1 when the starter died). A second signal after more than 1.5 s
 * ends the process at once; the next start then stops what is left.
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
      if (Date.now() - askedAt > ONE_SIGNAL_MS) process.exit(code);
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
    // The part came up while the others were being stopped.
    if (stopped !== undefined) void stopParts();
  };
  return { add, run, signal: aborter.signal };
}
