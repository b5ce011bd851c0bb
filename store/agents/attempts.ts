/** Reports of agents about their attempts: started, alive, ended (protocol C1, C2, C3, C4, C7). Lock order: counter rows first (protocol A10). */
import type pg from 'pg';
import type { Ending, FailureKind, FenceRow } from '../../contract/agent.ts';
import { DEFAULT_CALENDAR } from '../../graph/calendar/work-days.ts';
import { appending, type LogRow, sendLockCounters } from '../record/run-log.ts';
import { inTransaction, type Queryable, type Transaction } from '../schema/pool.ts';
import { keepUnended } from './attempts-past.ts';
import { endOfStale, noteForeignEffects, raiseAbove } from './foreign-effects.ts';
import { releaseHoldings } from './lease-end.ts';

export interface AttemptEnd {
  readonly epoch: number;
  readonly run: string;
  readonly outcome: Ending['outcome'];
  readonly failure: FailureKind | null;
  readonly message: string | null;
  readonly exitCode: number | null;
  readonly rows: number | null;
  /** Bytes that the program wrote; absent: none. */
  readonly logBytes?: number | undefined;
  /** Encoding in which its output is shown; absent: utf-8. */
  readonly encoding?: string | undefined;
  /** How long it took by the agent's clock, ms: without the time in which the agent could not reach the API. */
  readonly agentMs?: number | undefined;
  /** Whether an effect was, or may have been, committed (protocol C7). */
  readonly effect: boolean;
  /** Row of the fence of its work, when that has a larger epoch. */
  readonly heldBy?: FenceRow | undefined;
  /** The committed effect of another attempt that it replaced, and who gets a notice when that is of another record. */
  readonly over?: FenceRow | undefined;
  readonly recipient?: string | undefined;
  /** Time zone in which people read clock times. Default: that of China. */
  readonly zone?: string | undefined;
}

/**
 * Protocol C4: the program may be launched only for the epochs in `ok`. The others are refused: the lease is no longer this agent's, or has to stop.
 */
export async function startAttempts(
  pool: pg.Pool,
  calls: readonly { agent: string; instance: string; epochs: readonly number[] }[],
): Promise<{ ok: number[]; stopping: number[]; stale: number[] }[]> {
  const pairs = calls.flatMap((call) => call.epochs.map((epoch) => ({ ...call, epoch })));
  const found = await inTransaction(pool, async (client) => {
    const result = await client.query<{ epoch: number; stop: boolean }>({
      name: 'start-attempts',
      // Leases in the order of their epochs (protocol A10), as in every statement that takes several.
      text: `with asked as (
          select x.* from unnest($1::bigint[], $2::text[], $3::text[]) as x (epoch, agent, instance)
          join (select epoch from leases where epoch = any($1::bigint[]) order by epoch for update) l on l.epoch = x.epoch
        ), started as (
          update leases l set seen_ms = clock_ms(), started_ms = case when l.stop then l.started_ms else coalesce(l.started_ms, clock_ms()) end
          from asked where l.epoch = any($1::bigint[]) and l.epoch = asked.epoch and l.agent = asked.agent and l.instance = asked.instance
          returning l.epoch, l.stop, l.started_ms
        ), noted as (
          update attempts a set started_ms = s.started_ms from started s where a.epoch = any($1::bigint[]) and a.epoch = s.epoch and not s.stop
        )
        select epoch, stop from started`,
      values: [pairs.map((p) => p.epoch), pairs.map((p) => p.agent), pairs.map((p) => p.instance)],
    });
    return new Map(result.rows.map((row) => [row.epoch, row.stop]));
  });
  return calls.map(({ epochs }) => ({
    ok: epochs.filter((epoch) => found.get(epoch) === false),
    stopping: epochs.filter((epoch) => found.get(epoch) === true),
    stale: epochs.filter((epoch) => !found.has(epoch)),
  }));
}

/** Renews the leases that are still the agent's. Answers which have to stop and which it does not hold. */
export async function heartbeat(
  pool: pg.Pool,
  calls: readonly {
    agent: string;
    instance: string;
    epochs: readonly number[];
    waits: readonly { epoch: number; code: string; by: string }[];
    reached?: readonly { epoch: number; said: string }[] | undefined;
    trouble?: string | undefined;
    fences?: object | undefined;
  }[],
): Promise<{ stop: number[]; unknown: number[]; force: number[] }[]> {
  const pairs = calls.flatMap((call) => {
    const waits = new Map(call.waits.map((wait) => [wait.epoch, wait]));
    const reached = new Map(call.reached?.map(({ epoch, said }) => [epoch, said]));
    return call.epochs.map((epoch) => ({
      agent: call.agent,
      epoch,
      waits: waits.get(epoch),
      reached: reached.get(epoch) ?? null,
    }));
  });
  const rows = await inTransaction(pool, async (client) => {
    const alive = await client.query<{ epoch: number; stop: boolean; force: boolean }>({
      name: 'heartbeat',
      text: `with held as (select epoch from leases where epoch = any($1::bigint[]) order by epoch for update)
        update leases l set seen_ms = clock_ms(), waits_code = x.code, waits_by = x.held_by,
          waits_ms = case when x.code is null then null else coalesce(l.waits_ms, clock_ms()) end, reached = coalesce(x.reached, l.reached)
        from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[]) as x (epoch, agent, code, held_by, reached) join held using (epoch)
        where l.epoch = any($1::bigint[]) and l.epoch = x.epoch and l.agent = x.agent returning l.epoch, l.stop, l.force_end as force`,
      values: [
        pairs.map((p) => p.epoch),
        pairs.map((p) => p.agent),
        pairs.map((p) => p.waits?.code ?? null),
        pairs.map((p) => p.waits?.by ?? null),
        pairs.map((p) => p.reached),
      ],
    });
    client.send({
      name: 'agent-seen',
      text: `with known as (select name from agents where name = any($1::text[]) order by name for update)
        update agents a set seen_ms = clock_ms(), trouble = x.trouble, fences = coalesce(x.fences, a.fences),
          fences_ms = case when x.fences is null then a.fences_ms else clock_ms() end
        from unnest($1::text[], $2::text[], $3::text[], $4::json[]) as x (name, instance, trouble, fences) join known using (name)
        where a.name = x.name and a.instance = x.instance`,
      values: [
        calls.map((c) => c.agent),
        calls.map((c) => c.instance),
        calls.map((c) => c.trouble ?? ''),
        calls.map((c) => (c.fences === undefined ? null : JSON.stringify(c.fences))),
      ],
    });
    return new Map(alive.rows.map((row) => [row.epoch, row]));
  });
  return calls.map(({ epochs }) => ({
    stop: epochs.filter((epoch) => rows.get(epoch)?.stop === true),
    unknown: epochs.filter((epoch) => !rows.has(epoch)),
    force: epochs.filter((epoch) => rows.get(epoch)?.force === true),
  }));
}

/** Epochs of the agents that have to stop; every answer carries them (protocol C1). */
export async function stopsOf(pool: pg.Pool, agents: readonly string[]): Promise<Map<string, number[]>> {
  const found = await pool.query<{ agent: string; epochs: number[] }>({
    name: 'stops',
    text: 'select agent, array_agg(epoch::float8 order by epoch) as epochs from leases where stop and agent = any($1::text[]) group by agent',
    values: [agents],
  });
  return new Map(found.rows.map((row) => [row.agent, row.epochs]));
}

interface EndedLease {
  epoch: number;
  run_id: string;
  flow_id: string;
  generation: number;
  attempt: number;
  /** From the claim to now, ms. */
  open_ms: number;
}

export interface AttemptAnswer {
  readonly accepted: number[];
  readonly stale: number[];
}

/**
 * Ends attempts of several agents in one transaction. Only under the current epoch, by deleting its lease: the one conditional update of
 * protocol C3. Any other result is kept as a remark and answered `stale`; what follows from it goes to the coordinator (protocol C7). `within`
 * belongs to the same transaction: it keeps the answers for repeated calls (protocol C1).
 */
export async function completeAttempts(
  pool: pg.Pool,
  calls: readonly { agent: string; results: readonly AttemptEnd[] }[],
  within: (client: Transaction, answers: readonly AttemptAnswer[]) => void = () => {},
): Promise<AttemptAnswer[]> {
  const all = calls.flatMap((call) => call.results.map((result) => ({ ...result, agent: call.agent })));
  return inTransaction(pool, async (client) => {
    sendLockCounters(client, [...new Set(all.map((r) => r.run))]);
    const ended = await client.query<
      EndedLease & { pools: string[]; pool_amounts: number[]; locks: string[] }
    >({
      name: 'end-leases',
      text: `with held as (select epoch from leases where epoch = any($1::bigint[]) order by epoch for update)
        delete from leases l using unnest($1::bigint[], $2::text[], $3::text[]) as x (epoch, agent, run_id) join held using (epoch)
        where l.epoch = any($1::bigint[]) and l.epoch = x.epoch and l.agent = x.agent and l.run_id = x.run_id
        returning l.epoch, l.run_id, l.flow_id, l.generation, l.attempt, l.pools, l.pool_amounts, l.locks, clock_ms() - l.sent_ms as open_ms`,
      values: [all.map((r) => r.epoch), all.map((r) => r.agent), all.map((r) => r.run)],
    });
    const byEpoch = new Map(ended.rows.map((row) => [row.epoch, row]));
    // A repeated call may be in one group with the first one: the attempt ends once.
    const good = [
      ...new Map(all.filter((r) => byEpoch.has(r.epoch)).map((r) => [r.epoch, r] as const)).values(),
    ].map(decided);
    client.send({
      name: 'note-ends',
      text: `update attempts a set ended_ms = clock_ms(), outcome = x.outcome, failure_kind = x.failure, message = x.message,
          exit_code = x.exit_code, rows = x.rows, log_bytes = x.log_bytes, encoding = x.encoding
        from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::int[], $6::bigint[], $7::bigint[], $8::text[])
          as x (epoch, outcome, failure, message, exit_code, rows, log_bytes, encoding)
        where a.epoch = any($1::bigint[]) and a.epoch = x.epoch`,
      values: [
        good.map((r) => r.epoch),
        good.map((r) => r.outcome),
        good.map((r) => r.failure),
        good.map((r) => r.message),
        good.map((r) => r.exitCode),
        good.map((r) => r.rows),
        good.map((r) => r.logBytes ?? null),
        good.map((r) => r.encoding ?? null),
      ],
    });
    keepUnended(
      client,
      good
        .filter(
          (r) =>
            r.outcome === 'cancelled' ||
            r.outcome === 'lost' ||
            (r.outcome === 'failed' && r.failure !== 'program'),
        )
        .map((r) => r.epoch),
    );
    const rows = new Map<string, LogRow[]>();
    const add = (run: string, row: LogRow): void => {
      rows.set(run, [...(rows.get(run) ?? []), row]);
    };
    for (const result of good) add(result.run, endRow(byEpoch.get(result.epoch)!, result));
    const stale = all.filter((r) => !byEpoch.has(r.epoch));
    for (const late of await remark(client, stale)) add(late.run_id, lateRow(late));
    for (const [run, list] of rows) client.send(appending(run, list));
    await noteForeignEffects(
      client,
      good.flatMap(({ epoch, run, over, recipient = 'maintainer', zone = DEFAULT_CALENDAR.timeZone }) =>
        over === undefined ? [] : [{ epoch, run, flow: byEpoch.get(epoch)!.flow_id, over, recipient, zone }],
      ),
    );
    raiseAbove(
      client,
      good.flatMap(({ heldBy }) => heldBy ?? []),
    );
    releaseHoldings(client, ended.rows);
    const answers = calls.map(({ results }) => ({
      accepted: results.map((r) => r.epoch).filter((epoch) => byEpoch.has(epoch)),
      stale: results.map((r) => r.epoch).filter((epoch) => !byEpoch.has(epoch)),
    }));
    within(client, answers);
    return answers;
  });
}

type Decided = Omit<AttemptEnd, 'outcome'> & { readonly outcome: AttemptEnd['outcome'] | 'requeued' };

/** Protocol C3: an attempt that met a larger epoch is tried again outside its retry budget, unless no epoch can be larger. */
function decided(end: AttemptEnd): Decided {
  if (end.heldBy === undefined || end.outcome !== 'cancelled') return end;
  const { outcome, message } = endOfStale(end.heldBy, end.zone ?? DEFAULT_CALENDAR.timeZone);
  return {
    ...end,
    outcome,
    failure: outcome === 'failed' ? 'program' : null,
    message: message ?? end.message,
  };
}

function endRow(lease: EndedLease, result: Decided): LogRow {
  const outcome = result.outcome === 'failed' ? `failed:${result.failure ?? 'program'}` : result.outcome;
  return {
    kind: result.outcome === 'lost' ? 'lost' : 'completion',
    flow: lease.flow_id,
    generation: lease.generation,
    attempt: lease.attempt,
    epoch: lease.epoch,
    outcome,
    operation: null,
    body: result.outcome === 'false' ? { tookMs: questionMs(lease, result) } : null,
  };
}

/**
 * A question takes from its sending to its answer, but at most the time that the agent worked at it: an outage of the API does not count
 * (protocol D9).
 */
const questionMs = ({ open_ms }: EndedLease, { agentMs }: Pick<AttemptEnd, 'agentMs'>): number =>
  Math.max(0, Math.min(open_ms, agentMs ?? open_ms));

function lateRow(late: LateEnd): LogRow {
  return {
    kind: 'external',
    flow: late.flow_id,
    generation: late.generation,
    attempt: late.attempt,
    epoch: late.epoch,
    outcome: null,
    operation: null,
    body: { type: late.effect ? 'effect' : 'end' },
  };
}

type LateEnd = Omit<EndedLease, 'open_ms'> & { readonly effect: boolean };

/**
 * Keeps what attempts with stale epochs report. Answers those that the coordinator has to know: an attempt that reports an effect for the
 * first time, and one that was given up as lost and reports its end, for which its flow may be waiting.
 */
async function remark(
  client: Queryable,
  stale: readonly (AttemptEnd & { readonly agent: string })[],
): Promise<LateEnd[]> {
  if (stale.length === 0) return [];
  const found = await client.query<LateEnd & { first: boolean; lost: boolean }>(
    `with late as (
       select a.epoch, a.remark is null and a.outcome is distinct from 'succeeded' as first,
         a.outcome = 'lost' as lost, x.said, x.effect from attempts a
       join unnest($1::bigint[], $2::text[], $3::boolean[], $4::text[], $5::text[]) as x (epoch, said, effect, agent, run_id)
         on a.epoch = x.epoch and a.agent = x.agent and a.run_id = x.run_id
     )
     update attempts a set remark = coalesce(a.remark, late.said::json) from late where a.epoch = late.epoch
     returning a.epoch, a.run_id, a.flow_id, a.generation, a.attempt, late.first, late.lost, late.effect`,
    [
      stale.map((r) => r.epoch),
      stale.map((r) => JSON.stringify(r)),
      stale.map((r) => r.effect),
      stale.map((r) => r.agent),
      stale.map((r) => r.run),
    ],
  );
  return found.rows.filter((row) => row.first && (row.effect || row.lost));
}
