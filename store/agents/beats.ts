/** Beats of APIs: each says that agents could report to it, and since when without a gap (protocol C4). */
import type { Queryable } from '../schema/pool.ts';

/** The API is there. After a pause of more than `gapMs` its row of beats begins again. */
export async function writeBeat(client: Queryable, api: string, gapMs: number): Promise<void> {
  await client.query({
    name: 'beat',
    text: `insert into api_beats as b (api, since_ms, beat_ms) values ($1, clock_ms(), clock_ms())
      on conflict (api) do update set
        since_ms = case when clock_ms() - b.beat_ms > $2 then clock_ms() else b.since_ms end, beat_ms = clock_ms()`,
    values: [api, gapMs],
  });
}

/** The API ends on purpose. */
export async function deleteBeat(client: Queryable, api: string): Promise<void> {
  await client.query('delete from api_beats where api = $1', [api]);
}
