/** Opens runs that wait for their turn: after a blackout, after the run before, in a backfill. One in every worker; what one opens the others find opened. */
import type { Logger } from 'pino';
import { openBackfills } from '../store/schedules/backfills.ts';
import { type OpenDueDeps, openWaiting } from '../store/schedules/open-due.ts';
import { repeat } from './repeat.ts';

const EVERY_MS = 1_000;

/** Looks each second until the returned function is called. */
export function startOpener(deps: OpenDueDeps, logger: Logger): () => Promise<void> {
  const warn = (facts: object, text: string): void => logger.warn(facts, text);
  return repeat(async () => {
    try {
      await openWaiting(deps, warn);
      await openBackfills(deps, warn);
    } catch (error) {
      warn({ error }, 'could not look for runs that wait to be opened');
    }
  }, EVERY_MS);
}
