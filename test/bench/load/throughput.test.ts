/**
 * The throughput guard (trap 14 of docs/reliability.md): W1 through API, coordinator, PostgreSQL and agents as processes. Machines differ and
 * are shared, so the floor is in flows a second of processor time, no matter what else runs meanwhile; `npm run bench` gives flows a second.
 */
import { expect, test } from 'vitest';
import type { Throughput } from '../../../bench/load/throughput.ts';
import { runProgram } from '../../support/program-run.ts';

/**
 * Measured: 300 in the first run of a fresh installation, 570 to 900 afterwards, the less the busier the machine. One activity a flow costs
 * 4.4 ms, that is 227, one child workflow a flow 24.
 */
const FLOOR_PER_CPU_SECOND = 250;
/** Measured: 60 to 150. One event a flow would be 1,000 and more. */
const MOST_EVENTS = 300;

test('1,000 flows in 10 layers take a millisecond or two of processor time each, and few events of history', async () => {
  const { runs, flows } = await bench(['--graph', 'w1', '--repeat', '3']);
  const figures = JSON.stringify(runs, null, 2);
  const seconds = runs.map((run) => Object.values(run.cpuSeconds).reduce((sum, part) => sum + part, 0));
  expect(Math.min(...seconds), figures).toBeGreaterThan(0);
  expect(flows / Math.min(...seconds), figures).toBeGreaterThan(FLOOR_PER_CPU_SECOND);
  expect(Math.max(...runs.map((run) => run.historyEvents)), figures).toBeLessThan(MOST_EVENTS);
});

async function bench(args: readonly string[]): Promise<Throughput> {
  const { code, out, talk } = await runProgram('bench/load/main.ts', args);
  if (code !== 0) throw new Error(`the bench ended with ${code}:\n${talk}`);
  return JSON.parse(out) as Throughput;
}
