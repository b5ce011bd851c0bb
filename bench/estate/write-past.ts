/** Past runs into the record, one after the other, over the newest catalogue version. */
import type pg from 'pg';
import { SluiceError } from '../../errors.ts';
import { newestVersion } from '../../store/catalogue/catalogue.ts';
import type { PastRun } from '../../store/history/past-run.ts';
import { writePastRun } from '../../store/history/past-runs.ts';

export interface WrittenPast {
  readonly runs: number;
  readonly flowRuns: number;
  readonly attempts: number;
  readonly seconds: number;
}

/** Throws `no_catalogue` when none was applied, `run_exists` when a run is there already; what was written before it stays. */
export async function writePast(
  pool: pg.Pool,
  runs: Iterable<PastRun>,
  say: (text: string) => void,
): Promise<WrittenPast> {
  const catalogueVersion = await newestVersion(pool);
  if (catalogueVersion === null)
    throw new SluiceError('no_catalogue', 'the history needs its catalogue: add --apply');
  const begun = performance.now();
  const total = { runs: 0, flowRuns: 0, attempts: 0 };
  const seconds = () => Math.round((performance.now() - begun) / 100) / 10;
  for (const run of runs) {
    await writePastRun(pool, run, { catalogueVersion, actor: 'estate' });
    total.runs++;
    total.flowRuns += run.flows.length;
    total.attempts += run.attempts.length;
    if (run.cycle === 'month' || total.runs % 250 === 0)
      say(`${run.cycle} ${run.period}: ${total.runs} runs, ${total.flowRuns} flow runs, ${seconds()} s`);
  }
  // Estimates of the planner must know what has come.
  await pool.query('vacuum (analyze) run_flows, attempts, run_log, runs, run_counters');
  return { ...total, seconds: seconds() };
}
