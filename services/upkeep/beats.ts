/** A beat every second: the reaper takes a lease only after the lease time of unbroken beats (protocol C4). */
import type pg from 'pg';
import { deleteBeat, writeBeat } from '../../store/agents/beats.ts';
import { repeat } from '../../store/schema/repeat.ts';

const EVERY_MS = 1_000;
/** A pause longer than this, ms, breaks the series of beats: agents could not report during it. */
const GAP_MS = 3_000;

/** Writes beats until the returned function is called; that function deletes the row. */
export function startBeats(
  pool: pg.Pool,
  name: string,
  warn: (facts: object, message: string) => void,
): () => Promise<void> {
  const end = repeat(async () => {
    try {
      await writeBeat(pool, name, GAP_MS);
    } catch (error) {
      warn({ error }, 'no beat could be written');
    }
  }, EVERY_MS);
  return async () => {
    await end();
    await deleteBeat(pool, name).catch(() => {});
  };
}
