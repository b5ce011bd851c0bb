/** The end of a run, seen from outside: in the record. */
import type pg from 'pg';

/** Largest error of the measured duration, as a share of it. Each look costs a query, so a long run is looked at less often. */
const EXACT_TO = 1 / 200;

/** Resolves when every flow of the run has its result; looks every `everyMs`, of a long run less often. */
export async function untilFinished(pool: pg.Pool, run: string, everyMs: number): Promise<void> {
  const since = performance.now();
  for (;;) {
    const found = await pool.query<{ finished: boolean }>({
      name: 'finished',
      text: 'select finished_ms is not null as finished from runs where id = $1',
      values: [run],
    });
    if (found.rows[0]!.finished) return;
    await new Promise((resolve) =>
      setTimeout(resolve, Math.max(everyMs, (performance.now() - since) * EXACT_TO)),
    );
  }
}
