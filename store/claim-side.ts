/** What a claim would meet now: the outbox, open leases, agents, pools, locks (protocol C8, C9). Read in a run's snapshot. */

import { lockKeys } from '../graph/program.ts';
import type { AgentFacts, Contention, LockHolder, OpenLease, WhyFacts } from '../graph/run-facts.ts';
import { freeText, readRows } from './rows-as-text.ts';
import type { RunContext } from './run-context.ts';
import type { Reading } from './snapshot.ts';

/** Rows of the outbox that nobody has claimed, with the instant of their release. */
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

export async function readLeases(reading: Reading): Promise<Map<number, OpenLease>> {
  const leases = new Map<number, OpenLease>();
  const columns = ['flow_id', freeText('agent'), 'sent_ms', 'started_ms'];
  for (const [flow, agent, sent, started] of await readRows(reading.client, {
    name: 'leases-text',
    columns,
    from: 'from leases where run_id = $1',
    values: [reading.context.run.id],
  }))
    leases.set(reading.context.index.get(flow!) ?? -1, {
      agent: agent!,
      sentAt: Number(sent),
      startedAt: started === '' ? null : Number(started),
    });
  return leases;
}

/** Whether one is alive depends on the clock of whoever asks. */
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

const contentions = new WeakMap<RunContext, Contention>();

/** The same for the life of a context; the index of takers is made when it is first asked for. O(V). */
export function contentionOf(context: RunContext): Contention {
  let contention = contentions.get(context);
  if (contention !== undefined) return contention;
  const { graph, version } = context;
  const sizes = new Map(version.frame.pools.map((pool) => [pool.id, pool.size]));
  const locksOf = (v: number): readonly string[] => {
    const flow = context.flow(graph.ids[v]!);
    return lockKeys(flow, context.periodOf(flow));
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
  contention = {
    locksOf,
    usesOf,
    poolSize: (pool) => sizes.get(pool) ?? 0,
    takersOf: (lock) => all().get(lock) ?? [],
    usersOf: (pool) => all().get(`pool:${pool}`) ?? [],
  };
  contentions.set(context, contention);
  return contention;
}
