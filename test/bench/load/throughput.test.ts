/**
 * The throughput guard (trap 14 of docs/reliability.md): W1 through API, coordinator, PostgreSQL and agents as processes. It counts what a run
 * costs, so it does not depend on the machine; `npm run bench -- --graph w1` measures flows a second.
 */
import { expect, test } from 'vitest';
import type { Throughput } from '../../../bench/load/throughput.ts';
import { runProgram } from '../../support/program-run.ts';

/** Measured: 60 to 156. One event for each flow would be 1,000, one activity 3,000, one child workflow more. */
const EVENTS_LIMIT = 300;
/** Measured: 41 to 74. One exchange for each flow would be 1,000. */
const EXCHANGES_LIMIT = 300;

test('1,000 flows in 10 layers take few exchanges and few events of history', async () => {
  const { runs, flows } = await bench(['--graph', 'w1', '--repeat', '1']);
  const figures = JSON.stringify(runs, null, 2);
  expect([runs.length, flows]).toEqual([1, 1_000]);
  expect(runs[0]!.historyEvents, figures).toBeLessThan(EVENTS_LIMIT);
  expect(runs[0]!.exchanges, figures).toBeLessThan(EXCHANGES_LIMIT);
  // A layer cannot be released before the one above is done.
  expect(runs[0]!.exchanges, figures).toBeGreaterThan(10);
});

async function bench(args: readonly string[]): Promise<Throughput> {
  const { code, out, talk } = await runProgram('bench/load/main.ts', args);
  if (code !== 0) throw new Error(`the bench ended with ${code}:\n${talk}`);
  return JSON.parse(out) as Throughput;
}
