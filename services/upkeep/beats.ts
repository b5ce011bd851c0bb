/** A beat every second: the reaper takes a lease only after the lease time of unbroken beats (protocol C4). */
import type pg from 'pg';

const EVERY_MS = 1_000;
/** A longer pause breaks the row of beats: agents could not have reported in it. */
const GAP_MS = 3_000;

/** Writes beats until the returned function is called, which takes the row away. */
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
      await pool.query({
        name: 'beat',
        text: `insert into api_beats as b (api, since_ms, beat_ms) values ($1, clock_ms(), clock_ms())
          on conflict (api) do update set
            since_ms = case when clock_ms() - b.beat_ms > $2 then clock_ms() else b.since_ms end, beat_ms = clock_ms()`,
        values: [name, GAP_MS],
      });
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
    await pool.query('delete from api_beats where api = $1', [name]).catch(() => {});
  };
}
