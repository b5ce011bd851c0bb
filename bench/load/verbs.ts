/** `bench --verbs`: how long an operator waits for a verb that is durably applied, while 1,000 flows are running and ending. */

import type { Client } from '../../cli/client.ts';
import type { RunDetail } from '../../contract/runs.ts';
import type { Shutdown } from '../../embedded/shutdown.ts';
import { catalogueOf, PLATFORM } from './graph-catalogue.ts';
import type { GraphFile } from './graph-file.ts';
import { percentile } from './percentile.ts';
import { startSystem } from './system.ts';
import { type ByPart, watchMemory } from './usage.ts';

const RUNNING = 1_000;
const FLOW_MS = 5_000;
const VERBS_PER_SECOND = 10;
const SLOWEST = 12;
/** Actors of the four sessions; together they may ask for every verb below. */
const OPERATORS = ['admin', 'operator', 'demo', 'operator'];

export interface VerbsOptions {
  readonly seconds: number;
  readonly say: (text: string) => void;
  readonly shutdown: Shutdown;
}

export interface Verbs {
  readonly flows: number;
  readonly operators: number;
  readonly verbs: number;
  /** From the request to the answer with the outcome, by the operator's clock. */
  readonly verbMs: { p50: number | null; p95: number | null; p99: number | null; max: number | null };
  /** The slowest ones: when they were asked for, ms after the first. Standing close together, they waited for one and the same thing. */
  readonly slowest: readonly { readonly atMs: number; readonly verb: string; readonly ms: number }[];
  /** Flows that were running when each verb was asked for: the least and the median. */
  readonly running: { min: number | null; p50: number | null };
  readonly flowsDone: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly peakRssMb: ByPart;
}

export async function verbs({ seconds, say, shutdown }: VerbsOptions): Promise<Verbs> {
  // Long enough that every column still has flows which nobody has reached when the last verb comes.
  const rows = Math.ceil((seconds * 1000) / FLOW_MS) + 6;
  const graph = columns(RUNNING, rows);
  const system = await startSystem({
    catalogue: catalogueOf(graph, { program: 'noop', speedup: 1 }),
    agents: Array.from({ length: 4 }, (_, i) => ({
      name: `agent-${i + 1}`,
      platform: PLATFORM,
      slots: RUNNING / 4,
    })),
    say,
    shutdown,
  });
  const clients = OPERATORS.map((name) => system.client(name));
  const run = await clients[0]!.post<RunDetail>('/runs', { cycle: 'day', period: '2026-01-01' });
  const detail = (): Promise<RunDetail> => clients[0]!.get<RunDetail>(`/runs/${run.id}`);
  while (((await detail()).counts.running ?? 0) < RUNNING * 0.95)
    await new Promise((resolve) => setTimeout(resolve, 100));
  say(`${RUNNING} flows are running; ${VERBS_PER_SECOND} verbs a second for ${seconds} s`);

  const memory = watchMemory(system.home);
  const done: { atMs: number; verb: string; ms: number }[] = [];
  const running: number[] = [];
  const refused: Record<string, number> = {};
  const total = seconds * VERBS_PER_SECOND;
  const since = performance.now();
  const under: Promise<void>[] = [];
  for (let i = 0; i < total; i++) {
    const at = since + (i * 1000) / VERBS_PER_SECOND;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, at - performance.now())));
    under.push(
      oneVerb(clients[i % clients.length]!, run.id, i, rows).then(
        ({ verb, ms }) => void done.push({ atMs: Math.round(at - since), verb, ms }),
        (error: { code?: string; message: string }) => {
          const code = error.code ?? error.message;
          refused[code] = (refused[code] ?? 0) + 1;
        },
      ),
    );
    if (i % VERBS_PER_SECOND === 0) running.push((await detail()).counts.running ?? 0);
  }
  await Promise.all(under);
  const { counts } = await detail();
  const waits = done.map((entry) => entry.ms);
  const answer: Verbs = {
    flows: graph.tasks.length,
    operators: clients.length,
    verbs: waits.length,
    verbMs: {
      p50: percentile(waits, 0.5),
      p95: percentile(waits, 0.95),
      p99: percentile(waits, 0.99),
      max: percentile(waits, 1),
    },
    slowest: done
      .sort((a, b) => b.ms - a.ms)
      .slice(0, SLOWEST)
      .map((entry) => ({ ...entry, ms: Math.round(entry.ms) })),
    running: { min: percentile(running, 0), p50: percentile(running, 0.5) },
    flowsDone: counts.succeeded ?? 0,
    refused,
    peakRssMb: await memory.stop(),
  };
  await shutdown.run();
  return answer;
}

/** Answers what the i-th verb was and how long it took, ms. */
async function oneVerb(
  client: Client,
  run: string,
  i: number,
  rows: number,
): Promise<{ verb: string; ms: number }> {
  const { verb, column } = verbOf(i);
  const since = performance.now();
  await client.operate(`/runs/${run}/${verb}`, {
    flows: [flowAt(column % RUNNING, rows - 1 - (Math.floor(column / RUNNING) % 3))],
    reason: 'bench',
    ...(verb === 'force-pass' ? { evidence: 'bench' } : {}),
  });
  return { verb, ms: performance.now() - since };
}

/** Verbs in turn, each kind on columns of its own. What is taken back was done five rounds (3 s) before. */
function verbOf(i: number): { verb: string; column: number } {
  const round = Math.floor(i / 6);
  const before = round - 5;
  switch (i % 6) {
    case 0:
      return { verb: 'hold', column: round };
    case 1:
      return before < 0 ? { verb: 'expedite', column: 200 + round } : { verb: 'unhold', column: before };
    case 2:
      return { verb: 'skip', column: 400 + round };
    case 3:
      return before < 0
        ? { verb: 'expedite', column: 300 + round }
        : { verb: 'unskip', column: 400 + before };
    case 4:
      return { verb: 'expedite', column: 600 + round };
    default:
      return { verb: 'force-pass', column: 800 + round };
  }
}

const flowAt = (column: number, row: number): string => `c${column}r${row}`;

/** Chains side by side: each flow waits for the one above it. */
function columns(width: number, rows: number): GraphFile {
  const tasks = [];
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < width; column++)
      tasks.push({
        id: flowAt(column, row),
        deps: row === 0 ? [] : [flowAt(column, row - 1)],
        // Spread, so that ends come one by one and not in waves of 1,000: half to one and a half times the mean.
        runtimeSeconds: (FLOW_MS * (0.5 + ((column * 7919 + row * 104_729) % 1000) / 1000)) / 1000,
      });
  return { name: 'columns', tasks };
}
