/** Claims: waiting flows become leases of an agent (protocol C1, C2, C8-C10). Begins at the outbox, takes no counter row (A10). */
import type pg from 'pg';
import { requireInstance } from './agents.ts';
import { inTransaction, type Queryable } from './pool.ts';

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

/**
 * Serves several agents' claims in one transaction, in the order of the calls. `leaseMs` is the default lease time. `within` does what must be
 * done or not done with it: the answers are kept for repeated calls (C1).
 */
export async function claimTasks(
  pool: pg.Pool,
  calls: readonly ClaimCall[],
  leaseMs: number,
  within: (client: Queryable, answers: readonly Claimed[][]) => Promise<void> = async () => {},
): Promise<Claimed[][]> {
  return inTransaction(pool, async (client) => {
    await requireInstance(client, calls);
    const answers: Claimed[][] = [];
    for (const call of calls) answers.push(await claimFor(client, call, leaseMs));
    await within(client, answers);
    return answers;
  });
}

async function claimFor(client: Queryable, call: ClaimCall, leaseMs: number): Promise<Claimed[]> {
  const limits = await client.query<{ free: number; labels: string[] }>({
    name: 'claim-limits',
    // Labels of agents that failed over to this one count as its own.
    text: `select case when a.drained then 0 else a.slots - (select count(*)::int from leases l where l.agent = a.name) end as free,
        a.labels || coalesce((select array_agg(distinct x.label) from agents b, unnest(b.labels) as x (label) where b.failover_to = a.name), '{}') as labels
      from agents a where a.name = $1`,
    values: [call.agent],
  });
  const limit = Math.min(call.free, limits.rows[0]?.free ?? 0);
  if (limit <= 0) return [];
  const found = await client.query<Candidate>({
    name: 'claim-candidates',
    // Nothing begins in a closed or frozen run. What does not fit into its pools now must not stand before what does.
    text: `select run_id, flow_id, generation, attempt, pools, pool_amounts, locks, lease_ms from outbox o
      where claimed_epoch is null and platform = $1 and labels <@ $2
        and (select r.state = 'open' and r.frozen is null from runs r where r.id = o.run_id)
        and not exists (select 1 from pauses p where p.to_ms is null and p.scope in ('platform:' || o.platform, 'run:' || o.run_id))
        and (pools = '{}' or not exists (select 1 from unnest(o.pools, o.pool_amounts) as x (name, n)
          left join pools p on p.name = x.name where p.name is null or p.used + x.n > p.size))
        and (locks = '{}' or not exists (select 1 from locks l where l.key = any(o.locks)))
      order by expedite desc, latest_start_ms, key desc, released_ms, flow_id
      limit $3 for update of o skip locked`,
    values: [call.platform, limits.rows[0]!.labels, limit],
  });
  // The agent's row after the outbox (A10). Its slots are counted by a statement of their own: one that waited for the lock still sees
  // the leases as they were before it waited.
  const slots = await client.query<{ slots: number }>({
    name: 'lock-agent',
    text: 'select slots from agents where name = $1 for update',
    values: [call.agent],
  });
  const open = await client.query<{ open: number }>({
    name: 'count-leases',
    text: 'select count(*)::int as open from leases where agent = $1',
    values: [call.agent],
  });
  const room = (slots.rows[0]?.slots ?? 0) - open.rows[0]!.open;
  const candidates = found.rows.slice(0, Math.max(0, Math.min(limit, room)));
  if (candidates.length === 0) return [];
  const epochs = await client.query<{ epoch: number }>({
    name: 'next-epochs',
    text: "select nextval('epochs') as epoch from generate_series(1, $1::int)",
    values: [candidates.length],
  });
  const granted = await grant(
    client,
    candidates,
    epochs.rows.map((row) => row.epoch),
  );
  if (granted.length === 0) return [];
  await client.query({
    name: 'claim-write',
    text: `with taken as (
        select * from unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::bigint[], $6::bigint[])
          as x (run_id, flow_id, generation, attempt, epoch, lease_ms)
      ), marked as (
        update outbox o set claimed_epoch = t.epoch from taken t where o.run_id = t.run_id and o.flow_id = t.flow_id
        returning t.*, o.pools, o.pool_amounts, o.locks
      ), leased as (
        insert into leases (epoch, run_id, flow_id, generation, attempt, agent, instance, platform, pools, pool_amounts, locks, lease_ms, sent_ms, seen_ms)
        select epoch, run_id, flow_id, generation, attempt, $7, $8, $9, pools, pool_amounts, locks, coalesce(lease_ms, $10), clock_ms(), clock_ms()
        from marked returning epoch, run_id, flow_id, generation, attempt, agent, sent_ms
      )
      insert into attempts (epoch, run_id, flow_id, generation, attempt, agent, sent_ms) select * from leased`,
    values: [
      granted.map((g) => g.run_id),
      granted.map((g) => g.flow_id),
      granted.map((g) => g.generation),
      granted.map((g) => g.attempt),
      granted.map((g) => g.epoch),
      granted.map((g) => g.lease_ms),
      call.agent,
      call.instance,
      call.platform,
      leaseMs,
    ],
  });
  return granted.map((g) => ({
    epoch: g.epoch,
    run: g.run_id,
    flow: g.flow_id,
    generation: g.generation,
    attempt: g.attempt,
  }));
}

/** Takes pools and locks, both in the order of their keys (C9, A10); a candidate that misses one is left waiting. */
async function grant(
  client: Queryable,
  candidates: readonly Candidate[],
  epochs: readonly number[],
): Promise<(Candidate & { epoch: number })[]> {
  const numbered = candidates.map((candidate, i) => ({ ...candidate, epoch: epochs[i]! }));
  const poolNames = [...new Set(numbered.flatMap((c) => c.pools))].sort();
  const room = new Map<string, number>();
  if (poolNames.length > 0) {
    const found = await client.query<{ name: string; room: number }>(
      'select name, size - used as room from pools where name = any($1::text[]) order by name for update',
      [poolNames],
    );
    for (const row of found.rows) room.set(row.name, row.room);
  }
  const held = new Set<string>();
  const fitting = numbered.filter((c) => {
    const fits =
      c.pools.every((name, i) => (room.get(name) ?? 0) >= c.pool_amounts[i]!) &&
      !c.locks.some((key) => held.has(key));
    if (!fits) return false;
    c.pools.forEach((name, i) => {
      room.set(name, room.get(name)! - c.pool_amounts[i]!);
    });
    for (const key of c.locks) held.add(key);
    return true;
  });
  const refused = await takeLocks(client, fitting);
  const granted = fitting.filter((c) => !refused.has(c.epoch));
  if (poolNames.length > 0)
    await client.query(
      `update pools p set used = p.used + x.n from (
         select name, sum(n)::int as n from unnest($1::text[], $2::int[]) as x (name, n) group by name) x where p.name = x.name`,
      [granted.flatMap((c) => c.pools), granted.flatMap((c) => c.pool_amounts)],
    );
  return granted;
}

/** Epochs that did not get every lock they need; what they got of them is given back. */
async function takeLocks(
  client: Queryable,
  candidates: readonly (Candidate & { epoch: number })[],
): Promise<Set<number>> {
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
  if (refused.size > 0)
    await client.query('delete from locks where epoch = any($1::bigint[])', [[...refused]]);
  return refused;
}
