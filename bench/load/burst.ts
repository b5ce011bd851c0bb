/** `bench --burst`: thousands of distributions become ready at one instant; slots, pools and order are checked against what the record says. */
import type { RunDetail } from '../../contract/runs.ts';
import type { Shutdown } from '../../embedded/shutdown.ts';
import { createPool } from '../../store/schema/pool.ts';
import { untilFinished } from './finished.ts';
import { PLATFORM } from './graph-catalogue.ts';
import { percentile } from './percentile.ts';
import { startSystem } from './system.ts';
import { type ByPart, watchMemory } from './usage.ts';

const DISTRIBUTIONS = 3_000;
const AGENTS = 16;
const SLOTS = 8;
const POOLS = { narrow: 10, wide: 60 };
/** How long one distribution takes, ms: 128 slots do the burst in about 2.5 s if the engine costs nothing. */
const TAKES_MS = 100;
const READS_PER_SECOND = 20;

export interface Burst {
  readonly flows: number;
  readonly agents: number;
  readonly slots: number;
  readonly makespanMs: number;
  /** What 128 slots and the pools allow at best. */
  readonly boundMs: number;
  /** The most that any agent, and any pool, had at once. */
  readonly most: { agent: number; narrow: number; wide: number };
  /** Number of flows without a pool that were sent more than 128 places, one group of claims, away from their place by deadline. */
  readonly outOfOrder: number;
  readonly readMs: { p50: number | null; p99: number | null; max: number | null };
  readonly reads: number;
  readonly peakRssMb: ByPart;
  readonly ok: boolean;
}

interface Attempt {
  flow_id: string;
  agent: string;
  sent_ms: number;
  ended_ms: number;
}

export async function burst(options: {
  readonly say: (text: string) => void;
  readonly shutdown: Shutdown;
}): Promise<Burst> {
  const { say, shutdown } = options;
  const system = await startSystem({
    catalogue: { 'burst.yaml': catalogue() },
    agents: Array.from({ length: AGENTS }, (_, i) => ({
      name: `agent-${i + 1}`,
      platform: PLATFORM,
      slots: SLOTS,
    })),
    say,
    shutdown,
  });
  const client = system.client('admin');
  const pool = createPool(system.databaseUrl, { max: 2, name: 'bench' });
  const memory = watchMemory(system.home);
  const run = await client.post<RunDetail>('/runs', { cycle: 'day', period: '2026-01-01' });
  const waits: number[] = [];
  const asks = [
    `/runs/${run.id}`,
    `/runs/${run.id}/flows?limit=100&state=waiting_agent`,
    `/runs/${run.id}/flows/${nameOf(2_999)}/why`,
    `/runs/${run.id}/flows/${nameOf(1_500)}`,
  ];
  let over = false;
  const reading = (async () => {
    for (let i = 0; !over; i++) {
      const since = performance.now();
      const ask = client.get(asks[i % asks.length]!).then(() => waits.push(performance.now() - since));
      await Promise.all([ask, new Promise((resolve) => setTimeout(resolve, 1000 / READS_PER_SECOND))]);
    }
  })();
  await untilFinished(pool, run.id, 20);
  over = true;
  await reading;
  const { rows } = await pool.query<Attempt>(
    `select flow_id, agent, sent_ms, ended_ms from attempts where run_id = $1 and flow_id <> 'gatherer'`,
    [run.id],
  );
  await pool.end();
  const most = {
    agent: Math.max(...[...groupBy(rows, (row) => row.agent).values()].map(mostAtOnce)),
    narrow: mostAtOnce(rows.filter((row) => poolOf(numberOf(row.flow_id)) === 'narrow')),
    wide: mostAtOnce(rows.filter((row) => poolOf(numberOf(row.flow_id)) === 'wide')),
  };
  const outOfOrder = countOutOfOrder(rows);
  const answer: Burst = {
    flows: DISTRIBUTIONS,
    agents: AGENTS,
    slots: SLOTS,
    makespanMs: Math.max(...rows.map((row) => row.ended_ms)) - Math.min(...rows.map((row) => row.sent_ms)),
    boundMs: boundMs(),
    most,
    outOfOrder,
    readMs: { p50: percentile(waits, 0.5), p99: percentile(waits, 0.99), max: percentile(waits, 1) },
    reads: waits.length,
    peakRssMb: await memory.stop(),
    ok:
      rows.length === DISTRIBUTIONS &&
      most.agent <= SLOTS &&
      most.narrow <= POOLS.narrow &&
      most.wide <= POOLS.wide &&
      outOfOrder === 0,
  };
  await shutdown.run();
  return answer;
}

const nameOf = (i: number): string => `d${String(i).padStart(4, '0')}`;
const numberOf = (id: string): number => Number(id.slice(1));
/** One in 15 is in the narrow pool, one in 3 in the wide one. */
const poolOf = (i: number): 'narrow' | 'wide' | null =>
  i % 15 === 0 ? 'narrow' : i % 3 === 1 ? 'wide' : null;

/** One flow, then everything at once; deadlines in another order than ids, so that the order of claims shows. */
function catalogue(): string {
  const flow = (entry: object): string =>
    `  - ${JSON.stringify({ kind: 'job', cycle: 'day', platform: PLATFORM, ...entry })}\n`;
  const all = Array.from({ length: DISTRIBUTIONS }, (_, i) => {
    const pool = poolOf(i);
    return flow({
      id: nameOf(i),
      names: { en: nameOf(i), zh: nameOf(i) },
      program: { type: 'noop', ms: TAKES_MS },
      after: ['gatherer'],
      deadline: `+1 day, ${deadlineOf(i)}`,
      ...(pool === null ? {} : { uses: [{ pool }] }),
    });
  });
  const pools = Object.entries(POOLS).map(([id, size]) => `  - ${JSON.stringify({ id, size })}\n`);
  const first = flow({ id: 'gatherer', names: { en: 'gatherer', zh: '汇聚' }, program: { type: 'noop' } });
  return `pools:\n${pools.join('')}flows:\n${first}${all.join('')}`;
}

/** A deadline, HH:MM:SS: another one for each flow, in no order. */
function deadlineOf(i: number): string {
  const second = 3_600 + ((i * 7_919) % 80_000);
  const two = (n: number): string => String(Math.floor(n)).padStart(2, '0');
  return `${two(second / 3_600)}:${two((second / 60) % 60)}:${two(second % 60)}`;
}

function boundMs(): number {
  const all = Array.from({ length: DISTRIBUTIONS }, (_, i) => poolOf(i));
  const rounds = (size: number, pool: string | null): number =>
    Math.ceil(all.filter((item) => pool === null || item === pool).length / size);
  return (
    TAKES_MS *
    Math.max(rounds(AGENTS * SLOTS, null), rounds(POOLS.narrow, 'narrow'), rounds(POOLS.wide, 'wide'))
  );
}

/** How many of the attempts were open at the same time; one that ended in the ms in which another was sent does not overlap it. */
function mostAtOnce(attempts: readonly Attempt[]): number {
  const moments = attempts.flatMap((attempt) => [
    { at: attempt.sent_ms, by: 1 },
    { at: attempt.ended_ms, by: -1 },
  ]);
  moments.sort((a, b) => a.at - b.at || a.by - b.by);
  let open = 0;
  let most = 0;
  for (const { by } of moments) {
    open += by;
    most = Math.max(most, open);
  }
  return most;
}

/**
 * Flows without a pool are all ready at one instant, so each must be sent before every one with a later deadline. Claims of two agents at the
 * same time may cross, so only flows count that were sent more than one group of claims (128 places) away from their place by deadline.
 */
function countOutOfOrder(rows: readonly Attempt[]): number {
  const free = rows.filter((row) => poolOf(numberOf(row.flow_id)) === null);
  const wanted = [...free].sort((a, b) =>
    deadlineOf(numberOf(a.flow_id)) < deadlineOf(numberOf(b.flow_id)) ? -1 : 1,
  );
  const place = new Map(wanted.map((row, i) => [row.flow_id, i]));
  const sent = [...free].sort((a, b) => a.sent_ms - b.sent_ms);
  return sent.filter((row, i) => Math.abs(place.get(row.flow_id)! - i) > AGENTS * SLOTS).length;
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}
