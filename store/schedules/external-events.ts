/**
 * Events from outside. One is written once, and becomes a log row `external` of every run of its cycle and period whose flows wait for it:
 * of those that are there now, and of those that are opened later, in the transaction that opens them.
 */
import { SluiceError } from '../../errors.ts';
import type { Graph } from '../../graph/compiled/compact.ts';
import type { Cycle } from '../../graph/model.ts';
import { writeAudit } from '../operations/audit.ts';
import { newId } from '../operations/operation-rows.ts';
import { appendLog, type LogRow, lockCounters, rowOfRun } from '../record/run-log.ts';
import type { Queryable } from '../schema/pool.ts';

export interface ExternalEvent {
  readonly id: string;
  readonly event: string;
  readonly cycle: Cycle;
  readonly period: string;
  readonly payload: unknown;
  readonly actor: string;
  readonly bodyHash: string;
  readonly at: number;
  /** Runs that have it in their log. */
  readonly runs: readonly string[];
}

const ROW = `id, event, cycle, period, payload, actor, body_hash as "bodyHash", at_ms as at, runs`;

export interface NewEvent {
  readonly event: string;
  readonly cycle: Cycle;
  readonly period: string;
  readonly payload: unknown;
  readonly actor: string;
  readonly key: string;
  readonly bodyHash: string;
}

/** Runs of a cycle and period and the version each is pinned to; closed ones too: they may be reopened. */
export async function runsOfPeriod(
  client: Queryable,
  cycle: Cycle,
  period: string,
): Promise<{ id: string; version: number }[]> {
  const found = await client.query<{ id: string; version: number }>(
    'select id, catalogue_version as version from runs where cycle = $1 and period = $2 order by id',
    [cycle, period],
  );
  return found.rows;
}

/**
 * Writes an event, and a row into the log of each run for which `waits` answers true. The same key answers the first event; with another body it throws
 * `idempotency_key_reused`. To be called within a transaction: what it writes belongs together.
 */
export async function writeEvent(
  client: Queryable,
  given: NewEvent,
  waits: (run: { id: string; version: number }) => Promise<boolean>,
): Promise<ExternalEvent> {
  // A transaction that opens a run of the period is either before us, and its run is seen below, or after us, and sees the event.
  await lockPeriod(client, given.cycle, given.period);
  const known = await client.query<ExternalEvent>(
    `select ${ROW} from external_events where actor = $1 and idempotency_key = $2`,
    [given.actor, given.key],
  );
  const before = known.rows[0];
  if (before !== undefined) {
    if (before.bodyHash === given.bodyHash) return before;
    const facts = { key: given.key, event: before.id };
    throw new SluiceError('idempotency_key_reused', `the key '${given.key}' belongs to ${before.id}`, {
      facts,
    });
  }
  const waiting: string[] = [];
  for (const run of await runsOfPeriod(client, given.cycle, given.period))
    if (await waits(run)) waiting.push(run.id);
  const inserted = await client.query<ExternalEvent>(
    `insert into external_events (id, event, cycle, period, payload, actor, idempotency_key, body_hash, at_ms, runs)
     values ($1, $2, $3, $4, $5, $6, $7, $8, clock_ms(), $9) returning ${ROW}`,
    [
      newId('event'),
      given.event,
      given.cycle,
      given.period,
      JSON.stringify(given.payload ?? null),
      given.actor,
      given.key,
      given.bodyHash,
      waiting,
    ],
  );
  const row = inserted.rows[0]!;
  await lockCounters(client, waiting);
  for (const run of waiting) await appendLog(client, run, [logRow(row)]);
  await writeAudit(client, {
    actor: given.actor,
    verb: 'send-event',
    run: null,
    targets: [given.event, given.period],
    outcome: 'applied',
    detail: { id: row.id, runs: waiting },
  });
  return row;
}

/** Gives a run that is being opened the events that have come already and that its flows wait for. Its counter row has to be there. */
export async function notifyOpened(
  client: Queryable,
  run: { id: string; cycle: Cycle; period: string },
  graph: Graph,
): Promise<void> {
  const awaited = awaitedEvents(graph);
  if (awaited.size === 0) return;
  await lockPeriod(client, run.cycle, run.period);
  const found = await client.query<ExternalEvent>(
    `update external_events set runs = runs || $4::text where cycle = $1 and period = $2 and event = any($3::text[]) returning ${ROW}`,
    [run.cycle, run.period, [...awaited], run.id],
  );
  const rows = found.rows.sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
  await appendLog(client, run.id, rows.map(logRow));
}

/** Names of the events that trigger flows of a graph. O(V). */
export function awaitedEvents(graph: Graph): Set<string> {
  const names = new Set<string>();
  for (let v = 0; v < graph.n; v++) {
    const { trigger, event } = graph.attrOf(v);
    if (trigger === 'event' && event !== null) names.add(event);
  }
  return names;
}

/** Newest first; `before` is the last row of the page before. */
export async function listEvents(
  client: Queryable,
  filter: { event?: string | undefined; period?: string | undefined },
  page: { before: { at: number; id: string } | null; limit: number },
): Promise<ExternalEvent[]> {
  const found = await client.query<ExternalEvent>(
    `select ${ROW} from external_events where ($1::text is null or event = $1) and ($2::text is null or period = $2)
       and ($3::bigint is null or (at_ms, id) < ($3, $4)) order by at_ms desc, id desc limit $5`,
    [
      filter.event ?? null,
      filter.period ?? null,
      page.before?.at ?? null,
      page.before?.id ?? null,
      page.limit,
    ],
  );
  return found.rows;
}

/** Taken before any counter row (protocol A10). */
async function lockPeriod(client: Queryable, cycle: Cycle, period: string): Promise<void> {
  await client.query('select pg_advisory_xact_lock(hashtext($1))', [`sluice.events ${cycle} ${period}`]);
}

const logRow = ({ event, id, actor }: ExternalEvent): LogRow =>
  rowOfRun('external', { type: 'event', event, id, actor });
