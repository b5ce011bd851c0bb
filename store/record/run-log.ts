/** The ordered log of a run (protocol A3). Writers append under the counter row; the coordinator reads from its cursor on. */
import type pg from 'pg';
import type { Entry, OperationEntry } from '../../graph/run/decisions.ts';
import type { FailureKind } from '../../graph/run/state.ts';
import { changesOf, type UpstreamNews } from '../../graph/run/subscriptions.ts';
import type { Queryable, Transaction } from '../schema/pool.ts';
import type { RunContext } from './run-context.ts';

/** A row to be appended; `at` is the writer's clock_ms. */
export interface LogRow {
  /** `not_storable`: written by the exchange for a flow that it could not hand over (protocol A5); it is read as a failed completion. */
  readonly kind: 'completion' | 'lost' | 'operation' | 'external' | 'not_storable';
  readonly flow: string | null;
  readonly generation: number | null;
  readonly attempt: number | null;
  readonly epoch: number | null;
  readonly outcome: string | null;
  readonly operation: string | null;
  readonly body: unknown;
}

/** A row about no single flow. */
export const rowOfRun = (
  kind: 'operation' | 'external',
  body: unknown,
  operation: string | null = null,
): LogRow => ({
  kind,
  flow: null,
  generation: null,
  attempt: null,
  epoch: null,
  outcome: null,
  operation,
  body,
});

/**
 * Appends rows in the given order. The statement locks the counter row of the run, so numbers become visible in order. The commit wakes the
 * run's coordinator by NOTIFY.
 */
export async function appendLog(client: Queryable, runId: string, rows: readonly LogRow[]): Promise<void> {
  if (rows.length > 0) await client.query(appending(runId, rows));
}

/** The statement of `appendLog`, to be sent without waiting for it; at least one row. */
export function appending(runId: string, rows: readonly LogRow[]): pg.QueryConfig {
  return {
    name: 'append-log',
    text: `with counter as (
        update run_counters set log_seq = log_seq + $2 where run_id = $1 returning log_seq - $2 as base
      ), appended as (
        insert into run_log (run_id, seq, kind, at_ms, flow_id, generation, attempt, epoch, outcome, operation_id, body)
        select $1, counter.base + x.n, x.kind, clock_ms(), x.flow_id, x.generation, x.attempt, x.epoch, x.outcome, x.operation_id, x.body::json
        from counter, unnest($3::text[], $4::text[], $5::int[], $6::int[], $7::bigint[], $8::text[], $9::text[], $10::text[])
          with ordinality as x (kind, flow_id, generation, attempt, epoch, outcome, operation_id, body, n)
      )
      select pg_notify('sluice_log', $1)`,
    values: [
      runId,
      rows.length,
      rows.map((r) => r.kind),
      rows.map((r) => r.flow),
      rows.map((r) => r.generation),
      rows.map((r) => r.attempt),
      rows.map((r) => r.epoch),
      rows.map((r) => r.outcome),
      rows.map((r) => r.operation),
      rows.map((r) => (r.body === null ? null : JSON.stringify(r.body))),
    ],
  };
}

/** Locks the counter rows of runs in the lock order (protocol A10: by run id). */
export async function lockCounters(client: Queryable, runIds: readonly string[]): Promise<void> {
  await client.query(lockingCounters(runIds));
}

/** The same without a round trip: all later statements of the transaction run under the locks. */
export function sendLockCounters(client: Transaction, runIds: readonly string[]): void {
  client.send(lockingCounters(runIds));
}

/** The statement of `lockCounters`. */
function lockingCounters(runIds: readonly string[]): pg.QueryConfig {
  return {
    name: 'lock-counters',
    text: 'select run_id from run_counters where run_id = any($1::text[]) order by run_id for update',
    values: [runIds],
  };
}

interface StoredEntry {
  seq: number;
  kind: LogRow['kind'];
  at_ms: number;
  flow_id: string | null;
  generation: number | null;
  attempt: number | null;
  outcome: string | null;
  operation_id: string | null;
  body: unknown;
}

/** Rows with `from < seq <= to` (at most `limit`), flows as vertices. Reading changes nothing (protocol A6). */
export async function readLog(
  client: Queryable,
  context: RunContext,
  range: { from: number; to?: number; limit: number },
): Promise<Entry[]> {
  const found = await client.query<StoredEntry>({
    name: 'read-log',
    text: `select seq, kind, at_ms, flow_id, generation, attempt, outcome, operation_id, body from run_log
      where run_id = $1 and seq > $2 and seq <= $3 order by seq limit $4`,
    values: [context.run.id, range.from, range.to ?? Number.MAX_SAFE_INTEGER, range.limit],
  });
  return found.rows.map((row) => toEntry(context, row));
}

function toEntry({ index, subscriptions }: RunContext, row: StoredEntry): Entry {
  const base = { seq: row.seq, at: row.at_ms };
  const v = index.get(row.flow_id ?? '') ?? -1;
  const attempt = { v, generation: row.generation ?? 0, attempt: row.attempt ?? 0 };
  switch (row.kind) {
    case 'completion': {
      // outcome is 'succeeded', 'false', 'cancelled', 'requeued' or 'failed:<kind>'
      const [outcome, failure] = (row.outcome ?? '').split(':') as [
        'succeeded' | 'failed' | 'false' | 'cancelled' | 'requeued',
        FailureKind | undefined,
      ];
      const took = row.body as { readonly tookMs?: number } | null;
      const tookMs = took?.tookMs === undefined ? {} : { tookMs: took.tookMs };
      return { kind: 'completion', ...base, ...attempt, outcome, failure: failure ?? null, ...tookMs };
    }
    case 'not_storable':
      return { kind: 'completion', ...base, ...attempt, outcome: 'failed', failure: 'program' };
    case 'lost':
      return { kind: 'lost', ...base, ...attempt };
    case 'operation':
      return {
        kind: 'operation',
        ...base,
        operation: row.operation_id!,
        ...(row.body as Pick<OperationEntry, 'actor' | 'roles' | 'approvedBy' | 'request'>),
      };
    case 'external': {
      const body = row.body as UpstreamNews | { type: 'effect' | 'end' } | { type: 'event'; event?: string };
      if (body.type === 'upstream') {
        const changes = changesOf(subscriptions, body);
        return { kind: 'external', ...base, body: { type: 'upstream', changes, via: body.via } };
      }
      if (body.type === 'event')
        return { kind: 'external', ...base, body: { type: 'event', event: body.event ?? '' } };
      return { kind: 'external', ...base, body: { type: body.type, ...attempt } };
    }
    default:
      row.kind satisfies never;
      throw new Error(`unknown kind of log row: ${row.kind}`);
  }
}
