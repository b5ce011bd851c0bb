/** The end of a run, seen from outside: in the record. */
import type pg from 'pg';

/** Resolves when every flow of the run has its result; looks every `everyMs`. */
export async function untilFinished(pool: pg.Pool, run: string, everyMs: number): Promise<void> {
  for (;;) {
    const found = await pool.query<{ finished: boolean }>({
      name: 'finished',
      text: 'select finished_ms is not null as finished from runs where id = $1',
      values: [run],
    });
    if (found.rows[0]!.finished) return;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
