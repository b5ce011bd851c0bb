/** A beat every second: the reaper takes a lease only after the lease time of unbroken beats (protocol C4). */
import type pg from 'pg';
import { deleteBeat, writeBeat } from '../../store/agents/beats.ts';

const EVERY_MS = 1_000;
/** A pause longer than this, ms, breaks the series of beats: agents could not report during it. */
const GAP_MS = 3_000;

/** Writes beats until the returned function is called; that function deletes the row. */
export function startBeats(
  pool: pg.Pool,
  name: string,
  warn: (facts: object, message: string) => void,
): () => Promise<void> {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let beating = beat();

  async function beat(): Promise<void> {
    try {
      await writeBeat(pool, name, GAP_MS);
    } catch (error) {
      warn({ error }, 'no beat could be written');
    }
    if (stopped) return;
    timer = setTimeout(() => {
      beating = beat();
    }, EVERY_MS);
  }

  return async () => {
    stopped = true;
    clearTimeout(timer);
    await beating;
    await deleteBeat(pool, name).catch(() => {});
  };
}
