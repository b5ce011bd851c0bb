/** Reads what a claim would meet now: the outbox, open leases, agents, pools, locks (protocol C8, C9), in the snapshot of a run. */

import { type AgentRoom, type KeptRoom, keptRoom } from '../../graph/run/room.ts';
import type {
  AgentFacts,
  Contention,
  LockHolder,
  OpenLease,
  RoomHolder,
  WhyFacts,
} from '../../graph/run/run-facts.ts';
import type { RunContext } from '../record/run-context.ts';
import type { Reading, Snapshot } from '../record/snapshot.ts';
import { freeText, readRows } from '../schema/rows-as-text.ts';
import type { WaitingRow } from './claim-room.ts';

/** Flows in the outbox that nobody has claimed: by vertex, the instant of the release. */
export async function readReleased(reading: Reading): Promise<Map<number, number>> {
  const from = 'from outbox where run_id = $1 and claimed_epoch is null';
  const columns = ['flow_id', 'released_ms'];
  const released = new Map<number, number>();
  for (const [flow, at] of await readRows(reading.client, {
    name: 'outbox-text',
    columns,
    from,
    values: [reading.context.run.id],
  }))
    released.set(reading.context.index.get(flow!) ?? -1, Number(at));
  return released;
}

/** The code of a wait. An agent of a later version may report a code that is unknown here. */
const waitCode = (code: string) => (code === 'processes_survive' ? code : 'fence_held_elsewhere');

export async function readLeases(reading: Reading): Promise<Map<number, OpenLease>> {
  const leases = new Map<number, OpenLease>();
  const columns = [
    'flow_id',
    freeText('agent'),
    'sent_ms',
    'started_ms',
    'waits_ms',
    freeText('waits_code'),
    freeText('waits_by'),
  ];
  for (const [flow, agent, sent, started, waiting, code, by] of await readRows(reading.client, {
    name: 'leases-text',
    columns,
    from: 'from leases where run_id = $1',
    values: [reading.context.run.id],
  }))
    leases.set(reading.context.index.get(flow!) ?? -1, {
      agent: agent!,
      sentAt: Number(sent),
      startedAt: started === '' ? null : Number(started),
      waits: waiting === '' ? undefined : { code: waitCode(code!), by: by!, since: Number(waiting) },
    });
  return leases;
}

/** All agents. The caller adds whether each is alive, as that depends on the clock. */
export async function readAgents({ client }: Reading): Promise<Omit<AgentFacts, 'live'>[]> {
  const found = await client.query<Omit<AgentFacts, 'live'>>({
    name: 'why-agents',
    text: `select a.name, a.platform, a.slots, a.drained, a.seen_ms as "seenAt",
        a.labels || coalesce((select array_agg(distinct x.label) from agents b, unnest(b.labels) as x (label) where b.failover_to = a.name), '{}') as labels,
        (select count(*)::int from leases l where l.agent = a.name) as used,
        coalesce((select max(l.sent_ms) from leases l where l.agent = a.name), 0) as "takenAt"
      from agents a order by a.name`,
  });
  return found.rows;
}

export async function readPools({ client }: Reading): Promise<WhyFacts['pools']> {
  const found = await client.query<{ name: string; size: number; used: number }>({
    name: 'why-pools',
    text: 'select name, size, used from pools',
  });
  return new Map(found.rows.map(({ name, size, used }) => [name, { size, used }]));
}

export async function readLocks({ client }: Reading): Promise<Map<string, LockHolder>> {
  const found = await client.query<LockHolder & { key: string }>({
    name: 'why-locks',
    text: `select k.key, l.run_id as run, l.flow_id as flow, l.agent, l.sent_ms as since from locks k join leases l on l.epoch = k.epoch`,
  });
  return new Map(found.rows.map(({ key, ...holder }) => [key, holder]));
}

/** The flows for which room is kept, and what is kept (protocol C10). `agents`: those of all platforms. */
export function keptOf(
  first: readonly WaitingRow[],
  agents: readonly AgentFacts[],
  pools: WhyFacts['pools'],
): KeptRoom[] {
  if (first.length === 0) return [];
  const taking = agents.filter((agent) => agent.live && !agent.drained);
  return keptRoom(first, {
    agents: taking.map((agent): AgentRoom => {
      const free = agent.slots - agent.used;
      return { name: agent.name, platform: agent.platform, labels: agent.labels, free, takes: free };
    }),
    pools,
    heldLocks: new Set(first.flatMap((entry) => entry.heldLocks)),
  });
}

/** Open attempts of all runs, at most as many as there are slots, each with its usual end. `usualMs`: usual durations of this run's own flows. */
export async function readHolders(
  { client, context, now }: Pick<Snapshot, 'client' | 'context' | 'now'>,
  usualMs: (v: number) => number | null,
): Promise<RoomHolder[]> {
  const found = await client.query<Omit<RoomHolder, 'until'> & { since: number; usual: number | null }>({
    name: 'why-holders',
    text: `select l.run_id as run, l.flow_id as flow, l.agent, l.pools, l.pool_amounts as amounts,
        coalesce(l.started_ms, l.sent_ms) as since, coalesce(e.week_ms, e.p50_ms) as usual
      from leases l join runs r on r.id = l.run_id
        left join expected_times e on e.cycle = r.cycle and e.day_class = '' and e.series = l.flow_id`,
  });
  return found.rows.map(({ since, usual, ...holder }) => {
    const v = holder.run === context.run.id ? context.index.get(holder.flow) : undefined;
    const ms = (v === undefined ? null : usualMs(v)) ?? usual;
    return { ...holder, until: ms === null || since + ms <= now ? null : since + ms };
  });
}

/** The locks and units of pools that the flows of a run need. Made once for a context; the flows by lock and pool when first asked for, O(V). */
export function contentionOf(context: RunContext): Contention {
  if (context.kept.contention !== null) return context.kept.contention;
  const { graph, version } = context;
  const sizes = new Map(version.frame.pools.map((pool) => [pool.id, pool.size]));
  const locksOf = (v: number): readonly string[] => {
    return context.locksOf(context.flow(graph.ids[v]!));
  };
  const usesOf = (v: number) => context.flow(graph.ids[v]!).uses;
  let takers: Map<string, number[]> | undefined;
  const all = (): Map<string, number[]> => {
    if (takers !== undefined) return takers;
    takers = new Map();
    for (let v = 0; v < graph.n; v++)
      for (const key of [...locksOf(v), ...usesOf(v).map((use) => `pool:${use.pool}`)]) {
        const list = takers.get(key);
        if (list === undefined) takers.set(key, [v]);
        else list.push(v);
      }
    return takers;
  };
  context.kept.contention = {
    locksOf,
    usesOf,
    poolSize: (pool) => sizes.get(pool) ?? 0,
    takersOf: (lock) => all().get(lock) ?? [],
    usersOf: (pool) => all().get(`pool:${pool}`) ?? [],
  };
  return context.kept.contention;
}
