/** Rows of `run_flows`, `flow_generations`, `outbox`: written by the exchange only (protocol A1). */

import { NO_DEADLINE } from '../../graph/compiled/latest-start.ts';
import type { FlowChange } from '../../graph/run/decisions.ts';
import { FLAG } from '../../graph/run/state.ts';
import { PHASES, resultOf } from '../../graph/run/status.ts';
import type { Queryable, Transaction } from '../schema/pool.ts';
import { ContentRefusal, type Refusal, underSavepoint } from '../schema/under-savepoint.ts';
import type { RunContext } from './run-context.ts';

/** The last change of one flow in an exchange. */
export interface FlowWrite extends FlowChange {
  readonly triggered: boolean;
}

export function writeFlows(
  client: Transaction,
  context: RunContext,
  now: number,
  writes: readonly FlowWrite[],
): void {
  if (writes.length === 0) return;
  client.send({
    name: 'write-flows',
    text: `update run_flows f set
      generation = x.generation, attempt = x.attempt, result = x.result, phase = x.phase, flags = x.flags, due_ms = x.due_ms,
      used_budget = x.used_budget, asked_ms = x.asked_ms,
      generation_ms = case when f.generation <> x.generation then $2 else f.generation_ms end,
      triggered_ms = case when x.triggered then $2 else f.triggered_ms end,
      released_ms = case x.released when 1 then $2 when 0 then null else f.released_ms end,
      result_ms = case when x.result is null then null
        when f.result is distinct from x.result or f.generation <> x.generation then $2 else f.result_ms end
    from unnest($3::text[], $4::int[], $5::int[], $6::text[], $7::text[], $8::int[], $9::bigint[], $10::int[], $11::int[], $12::boolean[], $13::bigint[])
      as x (flow_id, generation, attempt, result, phase, flags, due_ms, used_budget, released, triggered, asked_ms)
    where f.run_id = $1 and f.flow_id = x.flow_id`,
    values: [
      context.run.id,
      now,
      writes.map((w) => context.graph.ids[w.v]),
      writes.map((w) => w.generation),
      writes.map((w) => w.attempt),
      writes.map((w) => resultOf(w.result)),
      writes.map((w) => PHASES[w.phase]),
      writes.map((w) => w.flags),
      writes.map((w) => w.due),
      writes.map((w) => w.used),
      writes.map((w) => w.released),
      writes.map((w) => w.triggered),
      writes.map((w) => w.asked ?? 0),
    ],
  });
}

/** Claims of the flows' outbox rows, which stay locked until the transaction ends; agents skip locked rows (protocol A5). */
export async function lockOutbox(
  client: Queryable,
  runId: string,
  flows: readonly string[],
): Promise<Map<string, number | null>> {
  if (flows.length === 0) return new Map();
  const found = await client.query<{ flow_id: string; claimed_epoch: number | null }>({
    name: 'lock-outbox',
    text: 'select flow_id, claimed_epoch from outbox where run_id = $1 and flow_id = any($2::text[]) order by flow_id for update',
    values: [runId, flows],
  });
  return new Map(found.rows.map((row) => [row.flow_id, row.claimed_epoch]));
}

/**
 * Flows of the run whose outbox row is claimed, among those named or all (null). `started` is also true when the attempt has ended and the
 * coordinator has not read it yet.
 */
export async function claimedFlows(
  client: Queryable,
  runId: string,
  flows: readonly string[] | null = null,
): Promise<{ flow: string; started: boolean }[]> {
  const found = await client.query<{ flow: string; started: boolean }>({
    name: 'claimed-flows',
    // Joined as in store/history/flows.ts: never each row with each, whatever the statistics say.
    text: `select o.flow_id as flow, l.epoch is null or l.started_ms is not null as started
      from (select flow_id, claimed_epoch from outbox
          where run_id = $1 and claimed_epoch is not null and ($2::text[] is null or flow_id = any($2))) o
        full join (select epoch, started_ms from leases where run_id = $1) l on l.epoch = o.claimed_epoch
      where coalesce(o.flow_id, '') <> ''`,
    values: [runId, flows],
  });
  return found.rows;
}

/**
 * Longest name of a platform and key of a lock, characters: an index row of PostgreSQL takes 2,700 bytes, a Chinese character three of them.
 * A long one that compresses well gets into an index, and stops what comes after: a notice of the database takes 8,000 bytes.
 */
const NAME_LIMIT = 800;

const isDispatched = (w: FlowWrite): boolean => (w.flags & FLAG.DISPATCHED) !== 0;

/** Gives each dispatched flow a row in the outbox, and removes the rows of others. Answers the platforms that got work. */
export function writeOutbox(
  client: Transaction,
  context: RunContext,
  now: number,
  writes: readonly FlowWrite[],
): Set<string> {
  takeFromOutbox(client, context, writes);
  const sent = writes.filter(isDispatched);
  if (sent.length > 0) putIntoOutbox(client, context, now, sent);
  return new Set(sent.map((w) => context.flow(context.graph.ids[w.v]!).platform!));
}

/** A flow whose row in the outbox the database has refused: it is `dispatched`, and no agent can find it. */
export interface RefusedFlow extends Refusal {
  readonly write: FlowWrite;
}

/** The same, each row under a savepoint of its own (protocol A5). Answers the rows that the database refused, too. */
export async function writeOutboxOneByOne(
  client: Transaction,
  context: RunContext,
  now: number,
  writes: readonly FlowWrite[],
): Promise<{ platforms: Set<string>; refusedFlows: RefusedFlow[] }> {
  takeFromOutbox(client, context, writes);
  const platforms = new Set<string>();
  const refused: RefusedFlow[] = [];
  for (const write of writes.filter(isDispatched)) {
    const refusal = await underSavepoint(client, (inner) => putIntoOutbox(inner, context, now, [write]));
    if (refusal === null) platforms.add(context.flow(context.graph.ids[write.v]!).platform!);
    else refused.push({ ...refusal, write });
  }
  if (refused.length === 0) return { platforms, refusedFlows: [] };
  // Where this very attempt was handed over before, it stays as it was; a row of an earlier one goes.
  client.send(
    `delete from outbox where run_id = $1 and flow_id = any($2::text[])
       and (flow_id, generation, attempt) not in (select * from unnest($2::text[], $3::int[], $4::int[]))`,
    [
      context.run.id,
      refused.map(({ write }) => context.graph.ids[write.v]),
      refused.map(({ write }) => write.generation),
      refused.map(({ write }) => write.attempt),
    ],
  );
  const there = await client.query<{ flow_id: string }>(
    'select flow_id from outbox where run_id = $1 and flow_id = any($2::text[])',
    [context.run.id, refused.map(({ write }) => context.graph.ids[write.v])],
  );
  const kept = new Set(there.rows.map((row) => row.flow_id));
  return {
    platforms,
    refusedFlows: refused.filter(({ write }) => !kept.has(context.graph.ids[write.v]!)),
  };
}

function takeFromOutbox(client: Transaction, context: RunContext, writes: readonly FlowWrite[]): void {
  const gone = writes.filter((w) => !isDispatched(w));
  if (gone.length > 0)
    client.send({
      name: 'delete-outbox',
      text: 'delete from outbox where run_id = $1 and flow_id = any($2::text[])',
      values: [context.run.id, gone.map((w) => context.graph.ids[w.v])],
    });
}

function putIntoOutbox(
  client: Transaction,
  context: RunContext,
  now: number,
  sent: readonly FlowWrite[],
): void {
  const rows = sent.map((w) => {
    const flow = context.flow(context.graph.ids[w.v]!);
    return {
      flow_id: flow.id,
      generation: w.generation,
      attempt: w.attempt,
      platform: flow.platform!,
      labels: flow.labels,
      pools: flow.uses.map((use) => use.pool),
      pool_amounts: flow.uses.map((use) => use.n),
      locks: context.locksOf(flow),
      expedite: (w.flags & FLAG.EXPEDITE) !== 0,
      latest_start_ms: context.latestStart[w.v] ?? NO_DEADLINE,
      key: flow.key,
      lease_ms: flow.leaseMs ?? null,
      work: context.workOf(flow)?.key ?? null,
    };
  });
  // A claim makes rows of an indexed table of them; there it would fail for every agent, again and again.
  const long = rows.find((row) => [row.platform, ...row.locks].some((name) => name.length > NAME_LIMIT));
  if (long !== undefined)
    throw new ContentRefusal(
      `the platform or a lock of ${long.flow_id} is longer than ${NAME_LIMIT} characters`,
    );
  client.send({
    name: 'upsert-outbox',
    text: `insert into outbox as o (run_id, flow_id, generation, attempt, platform, labels, pools, pool_amounts, locks, expedite,
        latest_start_ms, key, lease_ms, work, released_ms)
      select $1, flow_id, generation, attempt, platform, labels, pools, pool_amounts, locks, expedite, latest_start_ms, key, lease_ms, work, $2
      from json_to_recordset($3) as x (flow_id text, generation int, attempt int, platform text, labels text[], pools text[],
        pool_amounts int[], locks text[], expedite boolean, latest_start_ms bigint, key boolean, lease_ms bigint, work text)
      on conflict (run_id, flow_id) do update set
        expedite = excluded.expedite,
        claimed_epoch = case when o.generation = excluded.generation and o.attempt = excluded.attempt then o.claimed_epoch end,
        released_ms = case when o.generation = excluded.generation and o.attempt = excluded.attempt then o.released_ms else excluded.released_ms end,
        generation = excluded.generation, attempt = excluded.attempt, locks = excluded.locks, work = excluded.work`,
    values: [context.run.id, now, JSON.stringify(rows)],
  });
}

/** Keeps how a superseded generation ended; before `writeFlows`, whose row still has its instants. */
export function keepGenerations(
  client: Transaction,
  context: RunContext,
  now: number,
  ended: readonly {
    v: number;
    generation: number;
    result: number;
    flags: number;
    operation: string | null;
  }[],
): void {
  if (ended.length === 0) return;
  client.send(
    `insert into flow_generations (run_id, flow_id, generation, result, flags, generation_ms, released_ms, result_ms, ended_ms, operation_id)
     select f.run_id, f.flow_id, x.generation, x.result, x.flags,
       case when f.generation = x.generation then f.generation_ms else $2 end, f.released_ms,
       case when x.result is null then null when f.result is distinct from x.result then $2 else f.result_ms end, $2, x.operation_id
     from unnest($3::text[], $4::int[], $5::text[], $6::int[], $7::text[]) as x (flow_id, generation, result, flags, operation_id)
     join run_flows f on f.run_id = $1 and f.flow_id = x.flow_id
     on conflict (run_id, flow_id, generation) do nothing`,
    [
      context.run.id,
      now,
      ended.map((e) => context.graph.ids[e.v]),
      ended.map((e) => e.generation),
      ended.map((e) => resultOf(e.result)),
      ended.map((e) => e.flags),
      ended.map((e) => e.operation),
    ],
  );
}
