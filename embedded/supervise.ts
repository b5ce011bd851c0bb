/** Keeps an embedded server running: when it ends unexpectedly, it is started again, with a growing delay. */
import { setTimeout as pause } from 'node:timers/promises';
import { describe, type Exit } from './children.ts';

export interface Startable {
  readonly exited: Promise<Exit>;
  stop(deadlineMs?: number): Promise<unknown>;
}

export interface Supervised<T> {
  readonly name: string;
  /** The running part, or the last one while it is being started again. */
  current(): T;
  /** Stops watching and stops the part. */
  stop(deadlineMs?: number): Promise<void>;
}

const MINUTE_MS = 60_000;
const FIRST_DELAY_MS = 250;
const RESTARTS_A_MINUTE = 5;

/**
 * Starts a part with `start`, which resolves when the part can serve, and starts it again whenever it ends by itself: after 250 ms, twice
 * as long for each restart of the last minute, at most 5 restarts a minute. It never gives up. `say` gets a line for each end and each
 * start. A failure of the first start is thrown.
 */
export async function supervise<T extends Startable>(
  name: string,
  start: () => Promise<T>,
  say: (text: string) => void,
): Promise<Supervised<T>> {
  const stopping = new AbortController();
  let current = await start();
  const restarts: number[] = [];

  const watch = async () => {
    for (;;) {
      const exit = await current.exited;
      if (stopping.signal.aborted) return;
      say(`${name} ended (${describe(exit)}); it is started again`);
      for (let up = false; !up; ) {
        await pause(restartDelay(restarts, Date.now()), undefined, { signal: stopping.signal });
        restarts.push(Date.now());
        try {
          current = await start();
          if (stopping.signal.aborted) return;
          up = true;
          say(`${name} is back`);
        } catch (error) {
          say(
            `${name} could not be started again: ${error instanceof Error ? error.message : String(error)}`,
          );
        }
      }
    }
  };
  const watching = watch().catch((error: unknown) => {
    if (!stopping.signal.aborted) throw error;
  });

  return {
    name,
    current: () => current,
    stop: async (deadlineMs) => {
      stopping.abort();
      // A start under way is awaited: nothing owns a part that is half started.
      await Promise.all([watching, current.stop(deadlineMs)]);
      await current.stop(deadlineMs);
    },
  };
}

/** Delay before the next restart, ms. `restarts`: the times of earlier ones; those older than a minute are removed. */
export function restartDelay(restarts: number[], now: number): number {
  while (restarts[0] !== undefined && restarts[0] <= now - MINUTE_MS) restarts.shift();
  const oldest = restarts.at(-RESTARTS_A_MINUTE);
  if (oldest !== undefined) return oldest + MINUTE_MS - now;
  return FIRST_DELAY_MS * 2 ** restarts.length;
}
