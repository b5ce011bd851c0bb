/** `bench --graph FILE`: a graph through API, coordinator, PostgreSQL and agents; timed from the answer to `POST /runs` to the last result visible. */
import { Client, Connection } from '@temporalio/client';
import type pg from 'pg';
import type { RunDetail } from '../../contract/runs.ts';
import type { Shutdown } from '../../embedded/shutdown.ts';
import { createPool } from '../../store/schema/pool.ts';
import { runWorkflowId } from '../../workflows/messages.ts';
import { untilFinished } from './finished.ts';
import { catalogueOf, idsOf, PLATFORM, type ProgramOptions } from './graph-catalogue.ts';
import type { GraphFile } from './graph-file.ts';
import { percentile } from './percentile.ts';
import { type System, startSystem } from './system.ts';
import { type ByPart, cpuSeconds, mapParts, memoryMb, watchMemory } from './usage.ts';

export interface ThroughputOptions extends ProgramOptions {
  readonly agents: number;
  readonly workers: number;
  readonly slots: number;
  /** Runs of the graph, one after the other; the first one warms up and counts only when it is the only one. */
  readonly repeat: number;
  /** Number of runs of the graph that are open at once, as in a backfill. */
  readonly together: number;
  /** How long the installation rests after each run before its memory is read, seconds; 0: it is not read. */
  readonly restSeconds: number;
  /** See `startSystem`. */
  readonly temporalAddress?: string | undefined;
  readonly say: (text: string) => void;
  readonly shutdown: Shutdown;
}

/** Flows, time and hops of all runs that were open together; the history is that of the first one. */
interface Measured {
  readonly flowsPerSecond: number;
  readonly makespanMs: number;
  readonly hopMs: { p50: number | null; p95: number | null };
  readonly historyEvents: number;
  readonly historyBytes: number;
  /** Transactions of the coordinator of the first run. */
  readonly exchanges: number;
  readonly cpuSeconds: ByPart;
  /** Memory after the rest, MB: what runs leave behind. Absent without a rest. */
  readonly restRssMb?: ByPart;
}

export interface Throughput extends Measured {
  readonly graph: string;
  /** Number of flows of one run. */
  readonly flows: number;
  readonly together: number;
  readonly program: string;
  readonly agents: number;
  readonly slots: number;
  readonly peakRssMb: ByPart;
  /** Every repetition, in order. The figures above are those of the repetition with the median makespan; the first one counts only when it is alone. */
  readonly runs: readonly Measured[];
}

export async function throughput(graph: GraphFile, options: ThroughputOptions): Promise<Throughput> {
  const { agents, workers, slots, repeat, together, restSeconds, temporalAddress, say, program, shutdown } =
    options;
  const system = await startSystem({
    catalogue: catalogueOf(graph, options),
    workers,
    agents: Array.from({ length: agents }, (_, i) => ({ name: `agent-${i + 1}`, platform: PLATFORM, slots })),
    temporalAddress,
    say,
    shutdown,
  });
  const pool = createPool(system.databaseUrl, { max: 2, name: 'bench' });
  try {
    const memory = watchMemory(system.home);
    const runs: Measured[] = [];
    for (let i = 0; i < repeat; i++) {
      const days = Array.from({ length: together }, (_, k) => dayOf(i * together + k));
      const measured = await runsOf(system, pool, graph, days);
      const { flowsPerSecond, makespanMs } = measured;
      const restRssMb = restSeconds === 0 ? undefined : await rest(system, restSeconds);
      runs.push({ ...measured, ...(restRssMb === undefined ? {} : { restRssMb }) });
      const resting =
        restRssMb === undefined ? '' : `, api + worker at rest ${restRssMb.api} + ${restRssMb.worker} MB`;
      say(`${graph.name}, run ${i + 1} of ${repeat}: ${flowsPerSecond} flows/s, ${makespanMs} ms${resting}`);
    }
    const peakRssMb = await memory.stop();
    const counted = [...(runs.length > 1 ? runs.slice(1) : runs)].sort((a, b) => a.makespanMs - b.makespanMs);
    const median = counted[counted.length >> 1]!;
    const flows = graph.tasks.length;
    return { graph: graph.name, flows, together, program, agents, slots, ...median, peakRssMb, runs };
  } finally {
    await pool.end();
    await shutdown.run();
  }
}

const DAY_MS = 86_400_000;

/** A day of its own for each run. */
const dayOf = (i: number): string => new Date(Date.UTC(2026, 0, 1) + i * DAY_MS).toISOString().slice(0, 10);

async function rest({ home }: System, seconds: number): Promise<ByPart> {
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  return mapParts(await memoryMb(home), (mb) => Math.round(mb));
}

async function runsOf(
  system: System,
  pool: pg.Pool,
  graph: GraphFile,
  days: readonly string[],
): Promise<Measured> {
  const before = await cpuSeconds(system.home);
  const client = system.client('admin');
  const opened = days.map((period) => client.post<RunDetail>('/runs', { cycle: 'day', period }));
  const runs = (await Promise.all(opened)).map(({ id }) => id);
  const since = performance.now();
  for (const run of runs) await untilFinished(pool, run, 5);
  const makespanMs = performance.now() - since;
  const after = await cpuSeconds(system.home);
  return {
    flowsPerSecond: Math.round((runs.length * graph.tasks.length) / (makespanMs / 1000)),
    makespanMs: Math.round(makespanMs),
    hopMs: await hops(pool, runs, graph),
    ...(await historyOf(system, runs[0]!)),
    exchanges: await exchangesOf(pool, runs[0]!),
    cpuSeconds: mapParts(after, (value, part) => Math.round((value - before[part]) * 100) / 100),
  };
}

/** From the end of the last upstream to the start of the flow, both as the record accepted them, ms. */
async function hops(pool: pg.Pool, runs: readonly string[], graph: GraphFile): Promise<Measured['hopMs']> {
  const found = await pool.query<{ run_id: string; flow_id: string; started_ms: number; ended_ms: number }>(
    'select run_id, flow_id, started_ms, ended_ms from attempts where run_id = any($1)',
    [runs],
  );
  const attempts = new Map(found.rows.map((row) => [`${row.run_id} ${row.flow_id}`, row]));
  const ids = idsOf(graph);
  const waits = runs.flatMap((run) => {
    const attemptOf = (task: string) => attempts.get(`${run} ${ids.get(task)!}`)!;
    return graph.tasks
      .filter((task) => task.deps.length > 0)
      .map(
        ({ id, deps }) => attemptOf(id).started_ms - Math.max(...deps.map((dep) => attemptOf(dep).ended_ms)),
      );
  });
  return { p50: percentile(waits, 0.5), p95: percentile(waits, 0.95) };
}

async function exchangesOf(pool: pg.Pool, run: string): Promise<number> {
  const found = await pool.query<{ exchange: number }>(
    'select exchange from run_counters where run_id = $1',
    [run],
  );
  return found.rows[0]!.exchange;
}

async function historyOf(
  system: System,
  run: string,
): Promise<{ historyEvents: number; historyBytes: number }> {
  const connection = await Connection.connect({ address: system.temporalAddress });
  try {
    const handle = new Client({ connection }).workflow.getHandle(runWorkflowId(system.taskQueue, run));
    const { raw } = await handle.describe();
    const info = raw.workflowExecutionInfo;
    return { historyEvents: Number(info?.historyLength), historyBytes: Number(info?.historySizeBytes) };
  } finally {
    await connection.close();
  }
}
