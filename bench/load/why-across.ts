/** `bench --across`: why a month flow has not run that waits for every day of its month, each an open run of its own. */
import type { WhyFlow } from '../../contract/answers.ts';
import type { Shutdown } from '../../embedded/shutdown.ts';
import { percentile } from './percentile.ts';
import { startSystem } from './system.ts';

export interface AcrossAnswer {
  readonly runs: number;
  /** Flows of one day. */
  readonly flows: number;
  /** By the asker's clock, ms, median of what follows the first. */
  readonly whyMs: number | null;
  readonly causes: number;
}

/** Days of October. */
export const DAYS = 31;
/** Flows of a day, without the gate that keeps all of them. */
export const DAY_FLOWS = 1_200;
/** Each day flow waits for two before it and for itself of the day before; the month waits for the last flow of every day. */
export const MONTH_BEHIND_DAYS = [
  { id: 'Gate', cycle: 'day', kind: 'gate', person: { role: 'key' } },
  ...Array.from({ length: DAY_FLOWS }, (_, i) => ({
    id: `D${i}`,
    cycle: 'day',
    after: [
      i === 0 ? 'Gate' : `D${Math.floor(i / 2)}`,
      ...(i > 4 ? [`D${i - 4}`] : []),
      { flow: `D${i}`, period: 'previous' },
    ],
  })),
  { id: 'Sum', cycle: 'month', after: [{ flow: `D${DAY_FLOWS - 1}`, period: 'everyDayOfMonth' }] },
  { id: 'Report', cycle: 'month', after: ['Sum'] },
] as const;
const ASKED = 8;

export async function whyAcross(options: {
  readonly say: (text: string) => void;
  readonly shutdown: Shutdown;
}): Promise<AcrossAnswer> {
  const { say, shutdown } = options;
  const flows = MONTH_BEHIND_DAYS.map((flow) => ({
    kind: 'job',
    names: { en: flow.id, zh: flow.id },
    ...('kind' in flow ? {} : { platform: 'yt', program: { type: 'noop' } }),
    ...flow,
  }));
  const system = await startSystem({
    catalogue: { 'across.yaml': JSON.stringify({ connections: [{ id: 'yt', platform: 'yt' }], flows }) },
    agents: [{ name: 'agent-yt', platform: 'yt', slots: 8 }],
    say,
    shutdown,
  });
  const client = system.client('operator');
  for (let day = 1; day <= DAYS; day++)
    await client.post('/runs', { cycle: 'day', period: `2026-10-${String(day).padStart(2, '0')}` });
  await client.post('/runs', { cycle: 'month', period: '2026-10' });
  say(`${DAYS} days of ${DAY_FLOWS} flows and their month are open`);
  const times: number[] = [];
  let causes = 0;
  for (let i = 0; i < ASKED; i++) {
    const begun = performance.now();
    const answer = await client.get<WhyFlow>('/runs/month-2026-10/flows/Report/why');
    times.push(performance.now() - begun);
    causes = answer.causeCount;
  }
  await shutdown.run();
  return { runs: DAYS, flows: DAY_FLOWS, whyMs: percentile(times.slice(1), 0.5), causes };
}
