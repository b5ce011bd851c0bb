/** Ends leases whose agents are silent (protocol C4). Every worker has a reaper; a lease is ended once. */
import type pg from 'pg';
import type { Logger } from 'pino';
import { endLeases, silentLeases } from '../store/agents/lease-end.ts';
import { repeat } from '../store/schema/repeat.ts';

/** Rest between two looks, ms. */
const EVERY_MS = 1_000;

/** Looks for silent leases until the returned function is called. */
export function startReaper(pool: pg.Pool, logger: Logger): () => Promise<void> {
  return repeat(async () => {
    try {
      const epochs = await silentLeases(pool);
      if (epochs.length > 0) {
        const done = await endLeases(pool, epochs, { silent: true });
        logger.info({ ...done }, 'ended leases of agents that no longer report');
      }
    } catch (error) {
      logger.warn({ error }, 'could not look for leases of silent agents; trying again in a second');
    }
  }, EVERY_MS);
}
