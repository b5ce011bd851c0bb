/** Reads for graph/run/room.ts the expedited and key flows that wait, and the free slots, units of pools and held locks (protocol C8, C9, C10). */

import { NO_DEADLINE } from '../../graph/compiled/latest-start.ts';
import { type AgentRoom, allot, keptUnits, type Rooms, type WaitingFlow } from '../../graph/run/room.ts';
import type { Queryable } from '../schema/pool.ts';

/** A row of the outbox that this transaction has locked. */
export interface Candidate extends WaitingFlow {
  readonly run_id: string;
  readonly flow_id: string;
  readonly generation: number;
  readonly attempt: number;
  readonly lease_ms: number | null;
  /** Null: the program has no fence. Empty: the row is from before there were works. */
  readonly work: string | null;
  readonly expedite: boolean;
  readonly latest_start_ms: number;
  readonly key: boolean;
  readonly released_ms: number;
}

/** The waiting order (protocol C10). */
export const WAITING_ORDER = 'expedite desc, latest_start_ms, key desc, released_ms, flow_id';
export const inWaitingOrder = (a: Candidate, b: Candidate): number =>
  Number(b.expedite) - Number(a.expedite) ||
  a.latest_start_ms - b.latest_start_ms ||
  Number(b.key) - Number(a.key) ||
  a.released_ms - b.released_ms ||
  (a.flow_id < b.flow_id ? -1 : 1);

export const CANDIDATE = `run_id, flow_id, generation, attempt, platform, labels, pools, pool_amounts as amounts, locks, lease_ms, work,
  expedite, latest_start_ms, key, released_ms`;

/** What an agent's call may take. */
export interface Taker {
  readonly call: { readonly agent: string; readonly platform: string };
  readonly limit: number;
  /** Its own, and those of agents that failed over to it. */
  readonly labels: readonly string[];
}

/** A row of the outbox that nobody has claimed. */
export interface WaitingRow extends WaitingFlow {
  readonly run: string;
  readonly flow: string;
  /** Those of its locks that are held. */
  readonly heldLocks: readonly string[];
}

/** Maximum number of flows for which room is kept: the first ones in the waiting order. Each claim reads them, so their number is limited. */
const FIRST_LIMIT = 64;

/**
 * The flows for which room is kept, in the waiting order: expedited flows, and key flows of scheduled runs, that need a pool, a lock or a label.
 * A key flow of a backfill or rehearsal is not among them, so no room stands idle for it; nor is a flow of a run that is closed, frozen or
 * paused, or of a paused platform. Uses an index that contains only such flows.
 */
export async function readFirst(client: Queryable): Promise<WaitingRow[]> {
  const found = await client.query<WaitingRow>({
    name: 'claim-first',
    text: `select o.run_id as run, o.flow_id as flow, o.platform, o.labels, o.pools, o.pool_amounts as amounts, o.locks,
        case when o.locks = '{}' then '{}' else array(select l.key from locks l where l.key = any(o.locks)) end as "heldLocks"
      from outbox o
      where claimed_epoch is null and (expedite or (key and latest_start_ms <= ${NO_DEADLINE})) and needs_room(pools, labels, locks)
        and (select r.state = 'open' and r.frozen is null from runs r where r.id = o.run_id)
        and not exists (select 1 from pauses p where p.from_ms <= clock_ms() and (p.to_ms is null or p.to_ms > clock_ms()) and p.scope in ('platform:' || o.platform, 'run:' || o.run_id))
      order by ${WAITING_ORDER} limit $1`,
    values: [FIRST_LIMIT],
  });
  return found.rows;
}

export type FreeAgent = Omit<AgentRoom, 'takes'>;

/** Agents of the platforms that are alive and not drained, with the slots that their open leases leave. */
export async function readFreeAgents(
  client: Queryable,
  platforms: readonly string[],
  leaseMs: number,
): Promise<FreeAgent[]> {
  const found = await client.query<FreeAgent>({
    name: 'claim-free-agents',
    text: `select a.name, a.platform, a.slots - (select count(*)::int from leases l where l.agent = a.name) as free,
        a.labels || coalesce((select array_agg(distinct x.label) from agents b, unnest(b.labels) as x (label) where b.failover_to = a.name), '{}') as labels
      from agents a where a.platform = any($1::text[]) and not a.drained and a.seen_ms > clock_ms() - $2::bigint`,
    values: [platforms, leaseMs],
  });
  return found.rows;
}

export async function readPoolRooms(
  client: Queryable,
  names: readonly string[],
): Promise<Map<string, { size: number; used: number }>> {
  if (names.length === 0) return new Map();
  const found = await client.query<{ name: string; size: number; used: number }>({
    name: 'claim-pools',
    text: 'select name, size, used from pools where name = any($1::text[])',
    values: [names],
  });
  return new Map(found.rows.map(({ name, size, used }) => [name, { size, used }]));
}

/** The free slots, units of pools and held locks that the flows of `first` ask for. */
export async function readRooms(
  client: Queryable,
  first: readonly WaitingRow[],
  leaseMs: number,
): Promise<{ agents: FreeAgent[]; pools: Rooms['pools']; heldLocks: Rooms['heldLocks'] }> {
  const [agents, pools] = await Promise.all([
    readFreeAgents(client, [...new Set(first.map((entry) => entry.platform))], leaseMs),
    readPoolRooms(client, [...new Set(first.flatMap((entry) => entry.pools))]),
  ]);
  return { agents, pools, heldLocks: new Set(first.flatMap((entry) => entry.heldLocks)) };
}

/** The flows that go first, and the free slots, units of pools and held locks as they were read. */
export interface FirstInLine {
  readonly all: readonly WaitingRow[];
  /** The rows of those that this claim can take; its transaction has locked them. Room is kept for the others. */
  readonly lockedRows: readonly Candidate[];
  /** Units of pools that nobody else may take now. */
  readonly kept: ReadonlyMap<string, number>;
  readonly rooms: { readonly agents: readonly Omit<AgentRoom, 'takes'>[] } & Pick<
    Rooms,
    'pools' | 'heldLocks'
  >;
}

const NONE_FIRST: FirstInLine = {
  all: [],
  lockedRows: [],
  kept: new Map(),
  rooms: { agents: [], pools: new Map(), heldLocks: new Set() },
};

/**
 * Finds, among the flows that go first (`all`), those that the takers' agents can take now, and locks their rows of the outbox; it skips rows
 * that another claim has locked. It reads nothing when `all` is empty.
 */
export async function lockFirst(
  client: Queryable,
  all: readonly WaitingRow[],
  takers: readonly Taker[],
  leaseMs: number,
): Promise<FirstInLine> {
  if (all.length === 0) return NONE_FIRST;
  const rooms = await readRooms(client, all, leaseMs);
  const { assigned, kept } = allot(
    all.map((asking) => ({ asking, takeable: true })),
    [],
    { ...rooms, agents: withTakers(rooms.agents, takers) },
    () => 0,
  );
  if (assigned.length === 0) return { all, lockedRows: [], kept: keptUnits(kept), rooms };
  const found = await client.query<Candidate>({
    name: 'lock-first',
    text: `select ${CANDIDATE} from outbox o
      where claimed_epoch is null and (run_id, flow_id) in (select * from unnest($1::text[], $2::text[]))
      order by ${WAITING_ORDER} for update of o skip locked`,
    values: [assigned.map((entry) => entry.asking.run), assigned.map((entry) => entry.asking.flow)],
  });
  const taken = assigned.map(({ asking, agent }) => ({ asking, agent, pools: true, locks: [] }));
  return { all, lockedRows: found.rows, kept: keptUnits([...kept, ...taken]), rooms };
}

/**
 * The agents that were read, each with the number of flows that it takes in this claim: the sum of its calls' limits, 0 when it has not called.
 * An agent that calls and was not read, as no flow of its platform goes first, is added with what its calls say.
 */
export function withTakers(
  agents: readonly Omit<AgentRoom, 'takes'>[],
  takers: readonly Taker[],
): AgentRoom[] {
  const asking = new Map<string, number>();
  for (const { call, limit } of takers) asking.set(call.agent, (asking.get(call.agent) ?? 0) + limit);
  const found = agents.map((agent) => ({ ...agent, takes: asking.get(agent.name) ?? 0 }));
  const known = new Set(found.map((agent) => agent.name));
  for (const { call, limit, labels } of takers) {
    if (limit === 0 || known.has(call.agent)) continue;
    known.add(call.agent);
    found.push({
      name: call.agent,
      platform: call.platform,
      labels,
      free: limit,
      takes: asking.get(call.agent)!,
    });
  }
  return found;
}

export async function lockPools(client: Queryable, names: readonly string[]): Promise<Rooms['pools']> {
  if (names.length === 0) return new Map();
  const found = await client.query<{ name: string; size: number; used: number }>({
    name: 'lock-pools',
    text: 'select name, size, used from pools where name = any($1::text[]) order by name for update',
    values: [names],
  });
  return new Map(found.rows.map(({ name, size, used }) => [name, { size, used }]));
}
