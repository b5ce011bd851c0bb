/** Opens runs that wait for their turn: after a blackout, after the run before, in a backfill. One in every worker; what one opens the others find opened. */
import type { Logger } from 'pino';
import { openBackfills } from '../store/backfills.ts';
import { type OpenDueDeps, openWaiting } from '../store/open-due.ts';

const EVERY_MS = 1_000;

/** Looks each second until the returned function is called. */
export function startOpener(deps: OpenDueDeps, logger: Logger): () => Promise<void> {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const warn = (facts: object, text: string): void => logger.warn(facts, text);
  let pass: Promise<void> = look();

  async function look(): Promise<void> {
    try {
      await openWaiting(deps, warn);
      await openBackfills(deps, warn);
    } catch (error) {
      warn({ error }, 'could not look for runs that wait to be opened');
    }
    if (stopped) return;
    timer = setTimeout(() => {
      pass = look();
    }, EVERY_MS);
  }

  return async () => {
    stopped = true;
    clearTimeout(timer);
    await pass;
  };
}
