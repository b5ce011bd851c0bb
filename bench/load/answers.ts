/** `bench --answers`: what questions about a run of the whole estate cost, through the API of a running installation. */

import type { Client } from '../../cli/client.ts';
import type { Query } from '../../cli/http.ts';
import type { FlowPage } from '../../contract/flows.ts';
import type { QueryList } from '../../contract/queries.ts';
import type { RunDetail } from '../../contract/runs.ts';
import type { Shutdown } from '../../embedded/shutdown.ts';
import { estate } from '../estate/catalogue.ts';
import { percentile } from './percentile.ts';
import { type System, startSystem } from './system.ts';
import { type ByPart, watchMemory } from './usage.ts';

export interface AnswersOptions {
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
  /** Time to compute the answer in the API's process, once the run has been read. */
  readonly criticalPathMs: number | null;
  /** Time of the whole answer as the client sees it, reading included. */
  readonly criticalPathApiMs: number | null;
  /** The same for lateness, once both runs have been read. */
  readonly latenessMs: number | null;
  readonly latenessApiMs: number | null;
  /** Template queries, each with its example's inputs, by the asker's clock; medians of 3. */
  readonly queryMs: Readonly<Record<string, number | null>>;
  readonly flowMs: number | null;
  readonly runMs: number | null;
  readonly flowListMs: number | null;
  /** With the run open, worked through and asked about. */
  readonly peakRssMb: ByPart;
  readonly catalogueCheckMs: number | null;
  /** Every flow of the catalogue has another owner; the run is open. */
  readonly catalogueDiffMs: number | null;
  /** A plan that redoes a flow of the first layer and everything below it. */
  readonly rerunPlanMs: number | null;
  readonly retirementMs: number | null;
}

const PERIOD = '2026-11-20';
const ASKED = 300;
const REPEATED = 15;

/**
 * The day run of an estate of `flows` flows, of which agents have done what does not wait for other runs; then questions one after the
 * other, by the asker's clock. Medians of 15 but for `why`, which is asked of 300 flows, for the critical path of 30, done ones and
 * waiting ones, and for the lateness of 30 done ones.
 */
export async function answers({ flows, say, shutdown }: AnswersOptions): Promise<Answers> {
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
  const waiting = await idsOf(client, id, 'waiting_upstream');
  const asked = spread(waiting, ASKED);
  const why: number[] = [];
  for (const flow of asked) why.push(await timed(() => client.get(`/runs/${id}/flows/${flow}/why`)));
  const median = async (ask: () => Promise<unknown>): Promise<number | null> => {
    const all: number[] = [];
    for (let i = 0; i < REPEATED; i++) all.push(await timed(ask));
    return percentile(all, 0.5);
  };
  const finished = await idsOf(client, id, 'succeeded');
  const targets = [...spread(finished, REPEATED), ...spread(waiting, REPEATED)];
  const paths = await computeTimes(system, `/runs/${id}/critical-path`, targets, {});
  // The run against itself: what it costs does not depend on the answer, and both sides are as large as they can be.
  const late = await computeTimes(system, `/runs/${id}/lateness`, spread(finished, 2 * REPEATED), {
    against: id,
  });
  const queryMs: Record<string, number | null> = {};
  const { items: queries } = await client.get<QueryList>('/queries');
  for (const { id: query, inputs } of queries) {
    const input = askedWith(inputs, finished.at(-1)!);
    const times: number[] = [];
    for (let i = 0; i < 3; i++) times.push(await timed(() => client.get(`/queries/${query}`, input)));
    queryMs[query] = percentile(times, 0.5);
  }
  const changed = files.map(({ path, text }) => ({
    path,
    text: text.replaceAll(/^( +owner: ).*$/gm, '$1other'),
  }));
  let flow = 0;
  const answer: Answers = {
    flows,
    runFlows: detail.flows,
    counts: detail.counts,
    whyApiMs: { p50: percentile(why, 0.5), p99: percentile(why, 0.99) },
    whyAllMs: await median(() => client.get(`/runs/${id}/why`)),
    criticalPathMs: percentile(paths.computeMs, 0.5),
    criticalPathApiMs: percentile(paths.apiMs, 0.5),
    latenessMs: percentile(late.computeMs, 0.5),
    latenessApiMs: percentile(late.apiMs, 0.5),
    queryMs,
    flowMs: await median(() => client.get(`/runs/${id}/flows/${targets[flow++ % targets.length]!}`)),
    runMs: await median(() => client.get(`/runs/${id}`)),
    flowListMs: await median(() => client.get(`/runs/${id}/flows`, { limit: 100 })),
    // Before the check: what it takes for a moment is not what open runs cost.
    peakRssMb: await memory.stop(),
    catalogueCheckMs: await median(() => client.post('/catalogue/check', { files })),
    catalogueDiffMs: await median(() => client.post('/catalogue/diff', { files: changed })),
    rerunPlanMs: await median(() => client.post(`/runs/${id}/rerun-plans`, { flows: [finished[0]!] })),
    retirementMs: await median(() => client.get(`/flows/${finished[0]!}/retirement`)),
  };
  await shutdown.run();
  return answer;
}

/** The inputs that a query requires. The day is compared with itself, like the run for its lateness. */
function askedWith(inputs: readonly string[], flow: string): Query {
  const values = { date: PERIOD, compareDate: PERIOD, run: `day-${PERIOD}`, flow, flows: flow, name: flow };
  return Object.fromEntries(Object.entries(values).filter(([name]) => inputs.includes(name)));
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

/** Asks about one flow after the other. Answers how long the client waited, and how long the API computed (`Server-Timing`). */
async function computeTimes(
  system: System,
  path: string,
  targets: readonly string[],
  query: Readonly<Record<string, string>>,
): Promise<{ apiMs: number[]; computeMs: number[] }> {
  const apiMs: number[] = [];
  const computeMs: number[] = [];
  // The first one also gathers, once for a run, which flows share pools and locks.
  for (const target of [targets[0]!, ...targets]) {
    const since = performance.now();
    const asked = new URLSearchParams({ target, ...query });
    const answer = await fetch(`${system.apiUrl}/api/v1${path}?${asked}`, {
      headers: { authorization: `Bearer ${system.token('admin')}` },
    });
    await answer.json();
    apiMs.push(performance.now() - since);
    computeMs.push(Number(/compute;dur=([\d.]+)/.exec(answer.headers.get('server-timing') ?? '')?.[1]));
  }
  return { apiMs: apiMs.slice(1), computeMs: computeMs.slice(1) };
}

/** Picks `count` of the items, evenly. */
function spread<T>(items: readonly T[], count: number): T[] {
  const step = Math.max(1, Math.floor(items.length / count));
  return items.filter((_, i) => i % step === 0).slice(0, count);
}

/** Flows in a state, in the order of the graph. */
async function idsOf(client: Client, run: string, state: string): Promise<string[]> {
  const { items } = await client.list<FlowPage['items'][number]>(`/runs/${run}/flows`, { state });
  return items.map((flow) => flow.id);
}
