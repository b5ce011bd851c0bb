/** Claims: waiting flows become leases of an agent (protocol C1, C2, C8, C9, C10). Locks the outbox first and no counter row (protocol A10). */
import type pg from 'pg';
import { allot, type Line, type WaitingFlow } from '../../graph/run/room.ts';
import { takingEpochs } from '../record/epochs.ts';
import { inTransaction, type Transaction } from '../schema/pool.ts';
import { requireInstance } from './agents.ts';
import { type Past, readPast } from './attempts-past.ts';
import {
  CANDIDATE,
  type Candidate,
  type FirstInLine,
  inWaitingOrder,
  lockFirst,
  lockPools,
  readFirst,
  type Taker,
  WAITING_ORDER,
  withTakers,
} from './claim-room.ts';

export interface ClaimCall {
  readonly agent: string;
  readonly instance: string;
  readonly platform: string;
  readonly labels: readonly string[];
  /** Slots that the agent says are free. */
  readonly free: number;
}

export interface Claimed {
  readonly epoch: number;
  readonly run: string;
  readonly flow: string;
  readonly generation: number;
  readonly attempt: number;
  /** Earlier attempts that a fence needs to know; absent: the program has no fence. */
  readonly past?: Past;
}

/** A claim with the number of flows that its agent may take: 0 while it is drained. */
interface ClaimRequest extends Taker {
  readonly call: ClaimCall;
  readonly assigned: Assigned[];
}

type Assigned = Candidate & { readonly epoch: number; readonly past?: Past };

/**
 * Serves several agents' claims in one transaction. Waiting flows are assigned one by one, so that a burst spreads over the agents, and room
 * is kept for what goes first (graph/run/room.ts). Locks in the order of protocol A10, each once for all calls: outbox (skipping what others hold),
 * agents, pools, locks. `leaseMs` is the default lease time. `within` belongs to the same transaction: it keeps the answers for repeated
 * calls (protocol C1).
 */
export async function claimTasks(
  pool: pg.Pool,
  calls: readonly ClaimCall[],
  leaseMs: number,
  within: (client: Transaction, answers: readonly Claimed[][]) => void = () => {},
): Promise<Claimed[][]> {
  return inTransaction(pool, async (client) => {
    const [, requests, waiting] = await Promise.all([
      requireInstance(client, calls),
      requestsOf(client, calls),
      readFirst(client),
    ]);
    const first = await lockFirst(client, waiting, requests, leaseMs);
    const assignments = await assign(client, first, requests, await candidatesFor(client, first, requests));
    const taken = await takeRooms(client, assignments);
    for (const { request, candidate } of taken) request.assigned.push(candidate);
    if (taken.length > 0) client.send(writing(taken, leaseMs));
    const answers = requests.map((request) => request.assigned.map(claimedOf));
    within(client, answers);
    return answers;
  });
}

const claimedOf = ({ epoch, run_id, flow_id, generation, attempt, past }: Assigned): Claimed => {
  const claimed = { epoch, run: run_id, flow: flow_id, generation, attempt };
  return past === undefined ? claimed : { ...claimed, past };
};

async function requestsOf(client: Transaction, calls: readonly ClaimCall[]): Promise<ClaimRequest[]> {
  const found = await client.query<{ name: string; slots: number; labels: string[] }>({
    name: 'claim-limits',
    text: `select a.name, case when a.drained then 0 else a.slots end as slots,
        a.labels || coalesce((select array_agg(distinct x.label) from agents b, unnest(b.labels) as x (label) where b.failover_to = a.name), '{}') as labels
      from agents a where a.name = any($1::text[])`,
    values: [calls.map((call) => call.agent)],
  });
  const limits = new Map(found.rows.map((row) => [row.name, row]));
  return calls.map((call) => {
    const { slots = 0, labels = [] } = limits.get(call.agent) ?? {};
    return { call, limit: Math.max(0, Math.min(call.free, slots)), labels: [...labels].sort(), assigned: [] };
  });
}

interface Waiting {
  readonly requests: readonly ClaimRequest[];
  readonly found: readonly Candidate[];
}

/** What waits for each kind of agent, in the waiting order (protocol C10), locked; no row for two kinds, none of those that go first. */
async function candidatesFor(
  client: Transaction,
  first: FirstInLine,
  requests: readonly ClaimRequest[],
): Promise<Waiting[]> {
  const kinds = new Map<string, ClaimRequest[]>();
  for (const request of requests) {
    if (request.limit === 0) continue;
    const kind = JSON.stringify([request.call.platform, request.labels]);
    kinds.set(kind, [...(kinds.get(kind) ?? []), request]);
  }
  const lists: Waiting[] = [];
  for (const group of kinds.values()) {
    const { call, labels } = group[0]!;
    // A row that this transaction has locked already is not skipped.
    const taken = lists.flatMap((list) => list.found).map((entry) => [entry.run_id, entry.flow_id] as const);
    taken.push(...first.all.map((item) => [item.run, item.flow] as const));
    const found = await client.query<Candidate>({
      name: 'claim-candidates',
      // No flow of a closed or frozen run starts. A flow whose pools have no room now must not stand before one that fits.
      text: `select ${CANDIDATE} from outbox o
        where claimed_epoch is null and platform = $1 and labels <@ $2
          and (select r.state = 'open' and r.frozen is null from runs r where r.id = o.run_id)
          and not exists (select 1 from pauses p where p.from_ms <= clock_ms() and (p.to_ms is null or p.to_ms > clock_ms()) and p.scope in ('platform:' || o.platform, 'run:' || o.run_id))
          and (pools = '{}' or not exists (select 1 from unnest(o.pools, o.pool_amounts) as x (name, n)
            left join pools p on p.name = x.name left join unnest($6::text[], $7::int[]) as k (name, n) on k.name = x.name
            where p.name is null or p.used + x.n + coalesce(k.n, 0) > p.size))
          and (locks = '{}' or not exists (select 1 from locks l where l.key = any(o.locks)))
          and ($4::text[] = '{}' or (run_id, flow_id) not in (select * from unnest($4::text[], $5::text[])))
        order by ${WAITING_ORDER}
        limit $3 for update of o skip locked`,
      values: [
        call.platform,
        labels,
        group.reduce((sum, request) => sum + request.limit, 0),
        taken.map(([run]) => run),
        taken.map(([, flow]) => flow),
        [...first.kept.keys()],
        [...first.kept.values()],
      ],
    });
    if (found.rows.length > 0) lists.push({ requests: group, found: found.rows });
  }
  return lists;
}

interface Assignment {
  readonly request: ClaimRequest;
  readonly candidate: Assigned;
}

/** Assigns what was found to agents: first what goes first, then the others in turn; no agent gets more than it has room for. */
async function assign(
  client: Transaction,
  first: FirstInLine,
  requests: readonly ClaimRequest[],
  lists: readonly Waiting[],
): Promise<Assignment[]> {
  const found = [...first.lockedRows, ...lists.flatMap((list) => list.found)];
  if (found.length === 0) return [];
  const platforms = new Set(found.map((found) => found.platform));
  const takers = requests.filter((request) => request.limit > 0 && platforms.has(request.call.platform));
  const agents = [...new Set(takers.map((request) => request.call.agent))];
  const poolNames = [...new Set(found.flatMap((found) => found.pools))].sort();
  // Rows of agents after the outbox, pools by name (protocol A10). A statement of its own counts the leases: the one that waited for the lock sees
  // the leases as they were before it waited.
  const [slots, open, epochs, past, pools] = await Promise.all([
    client.query<{ name: string; slots: number }>({
      name: 'lock-agents',
      text: 'select name, slots from agents where name = any($1::text[]) order by name for update',
      values: [agents],
    }),
    client.query<{ agent: string; open: number }>({
      name: 'count-leases',
      text: 'select agent, count(*)::int as open from leases where agent = any($1::text[]) group by agent',
      values: [agents],
    }),
    client.query<{ last: number }>(takingEpochs(found.length)),
    readPast(client, found),
    lockPools(client, poolNames),
  ]);
  const newest = epochs.rows[0]!.last;
  const free = new Map(slots.rows.map((row) => [row.name, row.slots]));
  for (const row of open.rows) free.set(row.agent, (free.get(row.agent) ?? 0) - row.open);
  const known = withTakers(first.rooms.agents, takers);
  const { assigned } = allot<WaitingFlow>(
    first.all.map((row) => {
      const candidate = first.lockedRows.find(
        (entry) => entry.run_id === row.run && entry.flow_id === row.flow,
      );
      return { asking: candidate ?? row, takeable: candidate !== undefined };
    }),
    lists.map(
      (list): Line<Candidate> => ({
        agents: [...new Set(list.requests.map((request) => request.call.agent))],
        waiting: list.found,
      }),
    ),
    {
      agents: known.map((agent) => ({ ...agent, free: free.get(agent.name) ?? agent.free })),
      pools: new Map([...first.rooms.pools, ...pools]),
      heldLocks: first.rooms.heldLocks,
    },
    inWaitingOrder as (a: WaitingFlow, b: WaitingFlow) => number,
  );
  const left = new Map(requests.map((request) => [request, request.limit]));
  return assigned.map(({ asking, agent }, i) => {
    const request = takers.find((taker) => taker.call.agent === agent && left.get(taker)! > 0)!;
    left.set(request, left.get(request)! - 1);
    return {
      request,
      candidate: {
        ...(asking as Candidate),
        epoch: newest - found.length + 1 + i,
        ...past(asking as Candidate),
      },
    };
  });
}

/** Marks the outbox, makes the leases and the attempts. */
function writing(taken: readonly Assignment[], leaseMs: number): pg.QueryConfig {
  const candidates = taken.map((entry) => entry.candidate);
  return {
    name: 'claim-write',
    text: `with taken as (
        select * from unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::text[])
          as x (run_id, flow_id, generation, attempt, epoch, lease_ms, agent, instance, platform)
      ), marked as (
        update outbox o set claimed_epoch = t.epoch from taken t where o.run_id = t.run_id and o.flow_id = t.flow_id
        returning t.*, o.pools, o.pool_amounts, o.locks, o.work, o.released_ms
      ), leased as (
        insert into leases (epoch, run_id, flow_id, generation, attempt, agent, instance, platform, pools, pool_amounts, locks, lease_ms, sent_ms, seen_ms)
        select epoch, run_id, flow_id, generation, attempt, agent, instance, platform, pools, pool_amounts, locks, coalesce(lease_ms, $10), clock_ms(), clock_ms()
        from marked returning epoch, run_id, flow_id, generation, attempt, agent, sent_ms
      )
      insert into attempts (epoch, run_id, flow_id, generation, attempt, agent, sent_ms, work, released_ms)
      select l.epoch, l.run_id, l.flow_id, l.generation, l.attempt, l.agent, l.sent_ms, nullif(m.work, ''), m.released_ms from leased l join marked m on m.epoch = l.epoch`,
    values: [
      candidates.map((candidate) => candidate.run_id),
      candidates.map((candidate) => candidate.flow_id),
      candidates.map((candidate) => candidate.generation),
      candidates.map((candidate) => candidate.attempt),
      candidates.map((candidate) => candidate.epoch),
      candidates.map((candidate) => candidate.lease_ms),
      taken.map((entry) => entry.request.call.agent),
      taken.map((entry) => entry.request.call.instance),
      taken.map((entry) => entry.request.call.platform),
      leaseMs,
    ],
  };
}

/** Takes locks, then pools, whose rows are locked (protocol C9, A10). An assignment that does not get its locks goes on waiting. */
async function takeRooms(client: Transaction, assignments: readonly Assignment[]): Promise<Assignment[]> {
  const refused = await takeLocks(
    client,
    assignments.map((entry) => entry.candidate),
  );
  const taken = assignments.filter((entry) => !refused.has(entry.candidate.epoch));
  const pools = taken.flatMap((entry) => entry.candidate.pools);
  if (pools.length > 0)
    client.send(
      `update pools p set used = p.used + x.n from (
         select name, sum(n)::int as n from unnest($1::text[], $2::int[]) as x (name, n) group by name) x where p.name = x.name`,
      [pools, taken.flatMap((entry) => entry.candidate.amounts)],
    );
  return taken;
}

/** Takes all locks of each assignment, or none. Answers the epochs that did not get theirs. */
async function takeLocks(client: Transaction, candidates: readonly Assigned[]): Promise<Set<number>> {
  const wanted = candidates
    .flatMap((c) => c.locks.map((key) => ({ key, epoch: c.epoch })))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  if (wanted.length === 0) return new Set();
  const got = await client.query<{ key: string }>({
    name: 'take-locks',
    text: `insert into locks (key, epoch) select key, epoch from unnest($1::text[], $2::bigint[]) as x (key, epoch)
      on conflict do nothing returning key`,
    values: [wanted.map((w) => w.key), wanted.map((w) => w.epoch)],
  });
  const keys = new Set(got.rows.map((row) => row.key));
  const refused = new Set(wanted.filter((w) => !keys.has(w.key)).map((w) => w.epoch));
  if (refused.size > 0) client.send('delete from locks where epoch = any($1::bigint[])', [[...refused]]);
  return refused;
}
