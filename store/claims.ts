/** Claims: waiting flows become leases of an agent (protocol C1, C2, C8-C10). Begins at the outbox, takes no counter row (A10). */
import type pg from 'pg';
import { requireInstance } from './agents.ts';
import { inTransaction, type Transaction } from './pool.ts';

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
}

interface Candidate {
  run_id: string;
  flow_id: string;
  generation: number;
  attempt: number;
  pools: string[];
  pool_amounts: number[];
  locks: string[];
  lease_ms: number | null;
}

/** A claim with what its agent may take: nothing while it is drained. */
interface Wish {
  readonly call: ClaimCall;
  readonly limit: number;
  /** Its own, and those of agents that failed over to it. */
  readonly labels: readonly string[];
  readonly granted: Granted[];
}

type Granted = Candidate & { readonly epoch: number };

/**
 * Serves several agents' claims in one transaction. What waits is dealt out one by one, so that a burst spreads over the agents. Locks in the
 * order of A10, each once for all calls: outbox (skipping what others hold), agents, pools, locks. `leaseMs` is the default lease time.
 * `within` does what must be done or not done with it: the answers are kept for repeated calls (C1).
 */
export async function claimTasks(
  pool: pg.Pool,
  calls: readonly ClaimCall[],
  leaseMs: number,
  within: (client: Transaction, answers: readonly Claimed[][]) => void = () => {},
): Promise<Claimed[][]> {
  return inTransaction(pool, async (client) => {
    const [, wishes] = await Promise.all([requireInstance(client, calls), wishesOf(client, calls)]);
    const dealt = await deal(client, await candidatesFor(client, wishes));
    const granted = await grant(client, dealt);
    for (const { wish, candidate } of granted) wish.granted.push(candidate);
    if (granted.length > 0) client.send(writing(granted, leaseMs));
    const answers = wishes.map((wish) => wish.granted.map(claimedOf));
    within(client, answers);
    return answers;
  });
}

const claimedOf = ({ epoch, run_id, flow_id, generation, attempt }: Granted): Claimed => ({
  ...{ epoch, run: run_id, flow: flow_id, generation, attempt },
});

async function wishesOf(client: Transaction, calls: readonly ClaimCall[]): Promise<Wish[]> {
  const found = await client.query<{ name: string; most: number; labels: string[] }>({
    name: 'claim-limits',
    text: `select a.name, case when a.drained then 0 else a.slots end as most,
        a.labels || coalesce((select array_agg(distinct x.label) from agents b, unnest(b.labels) as x (label) where b.failover_to = a.name), '{}') as labels
      from agents a where a.name = any($1::text[])`,
    values: [calls.map((call) => call.agent)],
  });
  const limits = new Map(found.rows.map((row) => [row.name, row]));
  return calls.map((call) => {
    const { most = 0, labels = [] } = limits.get(call.agent) ?? {};
    return { call, limit: Math.max(0, Math.min(call.free, most)), labels: [...labels].sort(), granted: [] };
  });
}

/** What waits for each kind of agent, in the waiting order (C10), locked; no row for two kinds. */
async function candidatesFor(
  client: Transaction,
  wishes: readonly Wish[],
): Promise<{ wishes: Wish[]; found: Candidate[] }[]> {
  const kinds = new Map<string, Wish[]>();
  for (const wish of wishes) {
    if (wish.limit === 0) continue;
    const kind = JSON.stringify([wish.call.platform, wish.labels]);
    kinds.set(kind, [...(kinds.get(kind) ?? []), wish]);
  }
  const lists: { wishes: Wish[]; found: Candidate[] }[] = [];
  for (const group of kinds.values()) {
    const { call, labels } = group[0]!;
    // A row that this transaction has locked already is not skipped.
    const taken = lists.flatMap((list) => list.found);
    const found = await client.query<Candidate>({
      name: 'claim-candidates',
      // Nothing begins in a closed or frozen run. What does not fit into its pools now must not stand before what does.
      text: `select run_id, flow_id, generation, attempt, pools, pool_amounts, locks, lease_ms from outbox o
        where claimed_epoch is null and platform = $1 and labels <@ $2
          and (select r.state = 'open' and r.frozen is null from runs r where r.id = o.run_id)
          and not exists (select 1 from pauses p where p.from_ms <= clock_ms() and (p.to_ms is null or p.to_ms > clock_ms()) and p.scope in ('platform:' || o.platform, 'run:' || o.run_id))
          and (pools = '{}' or not exists (select 1 from unnest(o.pools, o.pool_amounts) as x (name, n)
            left join pools p on p.name = x.name where p.name is null or p.used + x.n > p.size))
          and (locks = '{}' or not exists (select 1 from locks l where l.key = any(o.locks)))
          and ($4::text[] = '{}' or (run_id, flow_id) not in (select * from unnest($4::text[], $5::text[])))
        order by expedite desc, latest_start_ms, key desc, released_ms, flow_id
        limit $3 for update of o skip locked`,
      values: [
        call.platform,
        labels,
        group.reduce((sum, wish) => sum + wish.limit, 0),
        taken.map((it) => it.run_id),
        taken.map((it) => it.flow_id),
      ],
    });
    if (found.rows.length > 0) lists.push({ wishes: group, found: found.rows });
  }
  return lists;
}

interface Dealt {
  readonly wish: Wish;
  readonly candidate: Granted;
}

/** Gives what was found to the agents in turn, none more than it has room for. */
async function deal(
  client: Transaction,
  lists: readonly { wishes: readonly Wish[]; found: readonly Candidate[] }[],
): Promise<Dealt[]> {
  const total = lists.reduce((sum, list) => sum + list.found.length, 0);
  if (total === 0) return [];
  const agents = [...new Set(lists.flatMap((list) => list.wishes.map((wish) => wish.call.agent)))];
  // The agents' rows after the outbox (A10). Slots are counted by a statement of their own: one that waited for the lock still sees the
  // leases as they were before it waited.
  const [slots, open, epochs] = await Promise.all([
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
    client.query<{ epoch: number }>({
      name: 'next-epochs',
      text: "select nextval('epochs') as epoch from generate_series(1, $1::int)",
      values: [total],
    }),
  ]);
  const room = new Map(slots.rows.map((row) => [row.name, row.slots]));
  for (const row of open.rows) room.set(row.agent, (room.get(row.agent) ?? 0) - row.open);
  const dealt: Dealt[] = [];
  for (const { wishes, found } of lists) {
    const left = new Map(wishes.map((wish) => [wish, wish.limit]));
    const takers = (): Wish[] =>
      wishes.filter((wish) => left.get(wish)! > 0 && (room.get(wish.call.agent) ?? 0) > 0);
    let turn: Wish[] = [];
    for (const candidate of found) {
      if (turn.length === 0) turn = takers();
      const wish = turn.shift();
      if (wish === undefined) break;
      left.set(wish, left.get(wish)! - 1);
      room.set(wish.call.agent, room.get(wish.call.agent)! - 1);
      dealt.push({ wish, candidate: { ...candidate, epoch: epochs.rows[dealt.length]!.epoch } });
    }
  }
  return dealt;
}

/** Marks the outbox, makes the leases and the attempts. */
function writing(granted: readonly Dealt[], leaseMs: number): pg.QueryConfig {
  const candidates = granted.map((it) => it.candidate);
  return {
    name: 'claim-write',
    text: `with taken as (
        select * from unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::text[])
          as x (run_id, flow_id, generation, attempt, epoch, lease_ms, agent, instance, platform)
      ), marked as (
        update outbox o set claimed_epoch = t.epoch from taken t where o.run_id = t.run_id and o.flow_id = t.flow_id
        returning t.*, o.pools, o.pool_amounts, o.locks
      ), leased as (
        insert into leases (epoch, run_id, flow_id, generation, attempt, agent, instance, platform, pools, pool_amounts, locks, lease_ms, sent_ms, seen_ms)
        select epoch, run_id, flow_id, generation, attempt, agent, instance, platform, pools, pool_amounts, locks, coalesce(lease_ms, $10), clock_ms(), clock_ms()
        from marked returning epoch, run_id, flow_id, generation, attempt, agent, sent_ms
      )
      insert into attempts (epoch, run_id, flow_id, generation, attempt, agent, sent_ms) select * from leased`,
    values: [
      candidates.map((it) => it.run_id),
      candidates.map((it) => it.flow_id),
      candidates.map((it) => it.generation),
      candidates.map((it) => it.attempt),
      candidates.map((it) => it.epoch),
      candidates.map((it) => it.lease_ms),
      granted.map((it) => it.wish.call.agent),
      granted.map((it) => it.wish.call.instance),
      granted.map((it) => it.wish.call.platform),
      leaseMs,
    ],
  };
}

/** Takes pools and locks, both in the order of their keys (C9, A10); a candidate that misses one is left waiting. */
async function grant(client: Transaction, dealt: readonly Dealt[]): Promise<Dealt[]> {
  const poolNames = [...new Set(dealt.flatMap((it) => it.candidate.pools))].sort();
  const room = new Map<string, number>();
  if (poolNames.length > 0) {
    const found = await client.query<{ name: string; room: number }>(
      'select name, size - used as room from pools where name = any($1::text[]) order by name for update',
      [poolNames],
    );
    for (const row of found.rows) room.set(row.name, row.room);
  }
  const held = new Set<string>();
  const fitting = dealt.filter(({ candidate: { pools, pool_amounts, locks } }) => {
    const fits =
      pools.every((name, i) => (room.get(name) ?? 0) >= pool_amounts[i]!) &&
      !locks.some((key) => held.has(key));
    if (!fits) return false;
    pools.forEach((name, i) => {
      room.set(name, room.get(name)! - pool_amounts[i]!);
    });
    for (const key of locks) held.add(key);
    return true;
  });
  const refused = await takeLocks(
    client,
    fitting.map((it) => it.candidate),
  );
  const granted = fitting.filter((it) => !refused.has(it.candidate.epoch));
  if (poolNames.length > 0)
    client.send(
      `update pools p set used = p.used + x.n from (
         select name, sum(n)::int as n from unnest($1::text[], $2::int[]) as x (name, n) group by name) x where p.name = x.name`,
      [granted.flatMap((it) => it.candidate.pools), granted.flatMap((it) => it.candidate.pool_amounts)],
    );
  return granted;
}

/** Epochs that did not get every lock they need; what they got of them is given back. */
async function takeLocks(client: Transaction, candidates: readonly Granted[]): Promise<Set<number>> {
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
