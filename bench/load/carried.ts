/** `bench --rules`: how soon rules carry a correction downstream while many runs are open, and what they cost when nothing happens. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '../../cli/client.ts';
import type { Correction } from '../../contract/corrections.ts';
import type { RuleActPage } from '../../contract/rules.ts';
import type { RunDetail } from '../../contract/runs.ts';
import type { Shutdown } from '../../embedded/shutdown.ts';
import { layered } from './graphs.ts';
import { percentile } from './percentile.ts';
import { startSystem } from './system.ts';
import { cpuSeconds } from './usage.ts';

export interface Carried {
  /** Flows of all open runs together. */
  readonly flows: number;
  readonly runs: number;
  /** From the end of the settle time of a correction until its plan is in the logs of the runs. */
  readonly planMs: { readonly p50: number | null; readonly p99: number | null };
  /** Flows that one plan redoes, median. */
  readonly members: number | null;
  /** Processor time of API and PostgreSQL while nothing happens, percent of a core; beats and everything else that repeats included. */
  readonly idleCpuPercent: number;
}

/** Days of a month: each has a run of its own. */
const RUNS = 30;
const CORRECTIONS = 60;
const SETTLE_MS = 500;
/** How long nothing happens, for the idle figure, ms. */
const IDLE_MS = 15_000;

/** Runs of `flows` flows together, all done but one flow each, so that all stay open; then one correction after the other. */
export async function carried(options: {
  readonly flows: number;
  readonly say: (text: string) => void;
  readonly shutdown: Shutdown;
}): Promise<Carried> {
  const { flows, say, shutdown } = options;
  const width = Math.max(1, Math.round(flows / RUNS / LAYERS));
  const { tasks } = layered('carried', { layers: LAYERS, width, upstreams: 3, seed: 42 });
  const system = await startSystem({
    catalogue: { 'bench.yaml': JSON.stringify(catalogueOf(tasks)) },
    agents: [{ name: 'agent-yt', platform: 'yt', slots: 64 }],
    say,
    shutdown,
  });
  const client = system.client('admin');
  await client.post('/rules/carry/enable', { reason: 'bench' });
  const periods = Array.from({ length: RUNS }, (_, i) => `2026-11-${String(i + 1).padStart(2, '0')}`);
  const operator = system.client('operator');
  for (const period of periods) await operator.post('/runs', { cycle: 'day', period });
  for (const period of periods) await untilOneLeft(client, `day-${period}`);
  say(`${RUNS} runs of ${tasks.length + 1} flows are open`);
  const planMs: number[] = [];
  const members: number[] = [];
  for (let i = 0; i < CORRECTIONS; i++) {
    // Tables of the middle layers: below the first ones lies the whole run.
    const task = tasks[Math.floor(tasks.length * (0.4 + (0.5 * i) / CORRECTIONS))]!;
    const body = { table: tableOf(task.id), period: periods[i % RUNS], reason: 'bench' };
    const { id, at } = await operator.post<Correction>('/corrections', body);
    const act = await untilDecided(client, id);
    planMs.push(act.decidedAt! - at - SETTLE_MS);
    members.push(act.members);
  }
  for (const period of periods) await untilOneLeft(client, `day-${period}`);
  const before = await cpuSeconds(system.home);
  await pause(IDLE_MS);
  const after = await cpuSeconds(system.home);
  const used = after.api - before.api + after.postgres - before.postgres;
  const answer = {
    flows: (tasks.length + 1) * RUNS,
    runs: RUNS,
    planMs: { p50: percentile(planMs, 0.5), p99: percentile(planMs, 0.99) },
    members: percentile(members, 0.5),
    idleCpuPercent: Math.round((used / (IDLE_MS / 1_000)) * 1_000) / 10,
  };
  await shutdown.run();
  return answer;
}

const LAYERS = 12;
const tableOf = (task: string): string => `own.${task.toLowerCase()}`;

function catalogueOf(tasks: readonly { readonly id: string; readonly deps: readonly string[] }[]): object {
  const flow = (id: string, more: object): object => ({
    id,
    kind: 'job',
    cycle: 'day',
    names: { en: id, zh: id },
    platform: 'yt',
    program: { type: 'noop' },
    ...more,
  });
  return {
    connections: [{ id: 'yt', platform: 'yt' }],
    rules: [
      {
        id: 'carry',
        names: { en: 'carry', zh: '传递' },
        on: 'corrected',
        approval: 'never',
        settleMs: SETTLE_MS,
        limits: { perFlowAndDay: 100, perRunAndDay: 1_000, members: 100_000, minutes: 10_000, coolDownMs: 0 },
      },
    ],
    flows: [
      ...tasks.map(({ id, deps }) =>
        flow(id, { after: deps, reads: deps.map(tableOf), writes: [tableOf(id)] }),
      ),
      // Nobody triggers it: it keeps the run open.
      flow('last', { trigger: 'manual', reads: ['own.none'], writes: ['own.last'] }),
    ],
  };
}

async function untilOneLeft(client: Client, run: string): Promise<void> {
  for (;;) {
    const { counts, flows } = await client.get<RunDetail>(`/runs/${run}`);
    if ((counts.succeeded ?? 0) === flows - 1) return;
    await pause(200);
  }
}

async function untilDecided(client: Client, correction: string): Promise<RuleActPage['items'][number]> {
  for (;;) {
    const { items } = await client.get<RuleActPage>('/rule-acts', { rule: 'carry', limit: 5 });
    const act = items.find((item) => item.correction === correction);
    if (act !== undefined && act.state !== 'gathering') return act;
    await pause(20);
  }
}
