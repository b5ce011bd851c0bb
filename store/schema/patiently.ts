/** Tries again what may pass, such as connecting while the server is still starting. */
export interface Log {
  warn(facts: object, message: string): void;
}

/** Longest wait for a server, ms; PostgreSQL needs seconds after a crash. */
const PATIENCE_MS = 60_000;
/** Rest between two tries, ms. */
const AGAIN_MS = 500;

/**
 * The answer of `connect`, tried again while it rejects with an error that `isAway` says may pass, for a minute at most.
 * Says once that it waits. Rejects with the last error.
 */
export async function patiently<T>(
  connect: () => Promise<T>,
  isAway: (error: unknown) => boolean,
  log: Log,
  { patienceMs, againMs } = { patienceMs: PATIENCE_MS, againMs: AGAIN_MS },
): Promise<T> {
  const since = performance.now();
  return repeatedly(connect, (error, tries) => {
    if (!isAway(error) || performance.now() - since >= patienceMs) return null;
    if (tries === 1) log.warn({ reason: (error as Error).message }, 'a server does not answer yet: waiting');
    return againMs;
  });
}

/** The answer of `work`, tried again after the ms that `restAfter` answers; null: the error is thrown. */
export async function repeatedly<T>(
  work: () => Promise<T>,
  restAfter: (error: unknown, tries: number) => number | null,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      const rest = restAfter(error, tries);
      if (rest === null) throw error;
      await new Promise((resolve) => setTimeout(resolve, rest));
    }
  }
}
