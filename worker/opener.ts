/** Opens runs whose turn has come: after a blackout, after the previous run, in a backfill. Every worker has an opener; a run is opened once. */
import type { Logger } from 'pino';
import { openBackfills } from '../store/schedules/backfills.ts';
import { type OpenDueDeps, openWaiting } from '../store/schedules/open-due.ts';
import { repeat } from '../store/schema/repeat.ts';

/** Rest between two looks, ms. */
const EVERY_MS = 1_000;

/** Looks for runs to open until the returned function is called. */
export function startOpener(deps: OpenDueDeps, logger: Logger): () => Promise<void> {
  const warn = (facts: object, text: string): void => logger.warn(facts, text);
  return repeat(async () => {
    try {
      await openWaiting(deps, warn);
      await openBackfills(deps, warn);
    } catch (error) {
      warn({ error }, 'could not look for runs to open; trying again in a second');
    }
  }, EVERY_MS);
}
