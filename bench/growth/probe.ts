/** What people and agents ask, timed from outside through the API. */
import type pg from 'pg';
import type { Client } from '../../cli/client.ts';
import type { Query } from '../../cli/http.ts';
import { percentile } from '../load/percentile.ts';

export interface Probe {
  readonly client: Client;
  readonly pool: pg.Pool;
  /** A finished day run, and one that waits. */
  readonly past: string;
  readonly open: string;
  readonly flows: readonly string[];
}

const LENGTH = 25;
/** A chain of hour flows of their own procedure, for the hop. */
export const CHAIN = `procedures:
  - { id: CHAIN, names: { en: Chain, zh: 链 }, owner: usage, cycle: hour }
flows:
${Array.from(
  { length: LENGTH },
  (_, i) =>
    `  - { id: Chain${i}, kind: job, cycle: hour, procedure: CHAIN, platform: chain, names: { en: Chain ${i}, zh: 链 ${i} }, program: { type: noop }, after: [${i === 0 ? '' : `Chain${i - 1}`}] }`,
).join('\n')}
`;

/** Question -> median ms of its answer, of each probe; asked in turn, so that what else the machine does is the same for all. */
export async function measure(probes: readonly Probe[], repeat: number): Promise<Record<string, number>[]> {
  const answers = probes.map((): Record<string, number> => ({}));
  const asked = probes.map(questionsOf);
  for (const name of Object.keys(asked[0]!)) {
    const times = probes.map((): number[] => []);
    for (let i = 0; i < repeat; i++)
      for (let p = 0; p < probes.length; p++) {
        const begun = performance.now();
        await probes[p]!.client.get(...asked[p]![name]!(i));
        times[p]!.push(performance.now() - begun);
      }
    // The first ones pay for what is kept afterwards.
    times.forEach((time, p) => {
      answers[p]![name] = rounded(percentile(time.slice(3), 0.5)!);
    });
  }
  const hops = probes.map((): number[] => []);
  for (let run = 0; run < 3; run++)
    for (let p = 0; p < probes.length; p++) hops[p]!.push(...(await hopsOf(probes[p]!)));
  hops.forEach((hop, p) => {
    answers[p]!.hop = percentile(hop, 0.5)!;
  });
  return answers;
}

type Question = (i: number) => [path: string, query?: Query];

function questionsOf({ past, open, flows }: Probe): Record<string, Question> {
  const flow = (i: number): string => flows[(i * 397) % flows.length]!;
  return {
    runs: () => ['/runs', { limit: 20 }],
    openRuns: () => ['/runs', { limit: 20, state: 'open', cycle: 'day' }],
    run: () => [`/runs/${past}`],
    flows: () => [`/runs/${past}/flows`, { limit: 100 }],
    flowsByState: () => [`/runs/${open}/flows`, { limit: 100, state: 'waiting_agent' }],
    flowsByLayer: () => [`/runs/${past}/flows`, { limit: 100, layer: 'APP', kind: 'job' }],
    flow: (i) => [`/runs/${past}/flows/${flow(i)}`],
    why: (i) => [`/runs/${open}/flows/${flow(i)}/why`],
    whyAll: () => [`/runs/${open}/why`],
    criticalPath: () => [`/runs/${past}/critical-path`],
    audit: () => ['/audit', { limit: 20 }],
    auditOfRun: () => ['/audit', { limit: 20, run: past }],
    auditOfActor: () => ['/audit', { limit: 20, actor: 'nobody' }],
    auditOfFlow: () => ['/audit', { limit: 20, target: 'nothing' }],
    operations: () => ['/operations', { limit: 20 }],
    operationsToApprove: () => ['/operations', { limit: 20, state: 'approval_required' }],
    notices: () => ['/notices', { limit: 20 }],
  };
}

const rounded = (ms: number): number => Math.round(ms * 10) / 10;

let hour = 0;

/** From an end to the next start in the chain, as the record accepted them: outbox, claim, start, completion, exchange; ms. */
export async function hopsOf({ client, pool }: Probe): Promise<number[]> {
  const period = `20270101${String(hour++).padStart(2, '0')}`;
  const { id } = await client.post<{ id: string }>('/runs', { cycle: 'hour', period, procedures: ['CHAIN'] });
  for (;;) {
    const found = await pool.query<{ started: number; ended: number | null }>(
      'select started_ms as started, ended_ms as ended from attempts where run_id = $1 order by epoch',
      [id],
    );
    const done = found.rows.filter((row) => row.ended !== null);
    if (done.length === LENGTH) return done.slice(1).map((row, i) => row.started - done[i]!.ended!);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
