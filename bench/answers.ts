/** `bench --answers`: what questions about a run of the whole estate cost, through the API of a running installation. */
import type { FlowPage } from '../api/schemas/flows.ts';
import type { RunDetail } from '../api/schemas/runs.ts';
import type { Client } from '../cli/client.ts';
import type { Shutdown } from '../embedded/shutdown.ts';
import { estate } from './estate/catalogue.ts';
import { percentile } from './percentile.ts';
import { startSystem } from './system.ts';
import { type ByPart, watchMemory } from './usage.ts';

export interface AnswersWish {
  readonly flows: number;
  readonly say: (text: string) => void;
  readonly shutdown: Shutdown;
}

export interface Answers {
  /** Of the catalogue, and of the day run that is asked about. */
  readonly flows: number;
  readonly runFlows: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly whyApiMs: { p50: number | null; p99: number | null };
  readonly whyAllMs: number | null;
  readonly criticalPathMs: number | null;
  readonly runMs: number | null;
  readonly flowListMs: number | null;
  /** With the run open, worked through and asked about. */
  readonly peakRssMb: ByPart;
  readonly catalogueCheckMs: number | null;
}

const PERIOD = '2026-11-20';
const ASKED = 300;
const REPEATED = 15;

/**
 * The day run of an estate of `flows` flows, its agents having done whatever does not wait for other runs; then questions one after the
 * other, by the asker's clock. Medians of 15 but for `why`, which is asked of 300 flows.
 */
export async function answers({ flows, say, shutdown }: AnswersWish): Promise<Answers> {
  const files = estate(flows, 42, { noop: true, speedup: 1_000_000 });
  const system = await startSystem({
    catalogue: Object.fromEntries(files.map(({ path, text }) => [path, text])),
    agents: ['yt', 'mpp'].map((platform) => ({ name: `agent-${platform}`, platform, slots: 64 })),
    say,
    shutdown,
  });
  const client = system.client('admin');
  const memory = watchMemory(system.home);
  const { id } = await client.post<RunDetail>('/runs', { cycle: 'day', period: PERIOD });
  const detail = await untilQuiet(client, id);
  say(`${id} has ${detail.flows} flows and is quiet`);
  const waiting = await idsOf(client, id);
  const step = Math.max(1, Math.floor(waiting.length / ASKED));
  const asked = waiting.filter((_, i) => i % step === 0).slice(0, ASKED);
  const why: number[] = [];
  for (const flow of asked) why.push(await timed(() => client.get(`/runs/${id}/flows/${flow}/why`)));
  const median = async (ask: () => Promise<unknown>): Promise<number | null> => {
    const all: number[] = [];
    for (let i = 0; i < REPEATED; i++) all.push(await timed(ask));
    return percentile(all, 0.5);
  };
  const target = asked.at(-1)!;
  const answer: Answers = {
    flows,
    runFlows: detail.flows,
    counts: detail.counts,
    whyApiMs: { p50: percentile(why, 0.5), p99: percentile(why, 0.99) },
    whyAllMs: await median(() => client.get(`/runs/${id}/why`)),
    criticalPathMs: await median(() => client.get(`/runs/${id}/critical-path`, { target })),
    runMs: await median(() => client.get(`/runs/${id}`)),
    flowListMs: await median(() => client.get(`/runs/${id}/flows`, { limit: 100 })),
    // Before the check: what it takes for a moment is not what open runs cost.
    peakRssMb: await memory.stop(),
    catalogueCheckMs: await median(() => client.post('/catalogue/check', { files })),
  };
  await shutdown.run();
  return answer;
}

async function timed(ask: () => Promise<unknown>): Promise<number> {
  const since = performance.now();
  await ask();
  return performance.now() - since;
}

/** Until agents have nothing to do and the log is read: what is left waits for other runs. */
async function untilQuiet(client: Client, run: string): Promise<RunDetail> {
  for (;;) {
    const detail = await client.get<RunDetail>(`/runs/${run}`);
    const { counts, log } = detail;
    const busy = (counts.waiting_agent ?? 0) + (counts.sent_to_agent ?? 0) + (counts.running ?? 0);
    if (log.exchange > 1 && log.seq === log.cursor && busy === 0) return detail;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Flows that wait for something, in the order of their ids. */
async function idsOf(client: Client, run: string): Promise<string[]> {
  const { items } = await client.list<FlowPage['items'][number]>(`/runs/${run}/flows`, {
    state: 'waiting_upstream',
    limit: 1000,
  });
  return items.map((flow) => flow.id);
}
