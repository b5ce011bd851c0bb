/** Ends leases of which nothing was heard (protocol C4). One in every worker; what one ends the others do not find. */
import type pg from 'pg';
import type { Logger } from 'pino';
import { endLeases, silentLeases } from '../store/agents/lease-end.ts';
import { repeat } from './repeat.ts';

const EVERY_MS = 1_000;

/** Looks each second until the returned function is called. */
export function startReaper(pool: pg.Pool, logger: Logger): () => Promise<void> {
  return repeat(async () => {
    try {
      const epochs = await silentLeases(pool);
      if (epochs.length > 0) {
        const done = await endLeases(pool, epochs, { silent: true });
        logger.info({ ...done }, 'leases ended: nothing was heard of their agents');
      }
    } catch (error) {
      logger.warn({ error }, 'could not look for silent leases');
    }
  }, EVERY_MS);
}
