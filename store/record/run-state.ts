/** The state of a run from the record, in one snapshot (protocol A9). */
import type pg from 'pg';
import { SluiceError } from '../../errors.ts';
import { resolveMoment } from '../../graph/calendar/moment.ts';
import { type CompactGraph, edgeId } from '../../graph/compiled/compact.ts';
import { restoreState, type StoredRun, storedSubscriptions } from '../../graph/run/restore.ts';
import type { PersonMoment, RunState } from '../../graph/run/state.ts';
import { codeOf, PHASES, type Phase, type Result } from '../../graph/run/status.ts';
import { subscribersTo } from '../../graph/run/subscriptions.ts';
import { calendarsOf } from '../catalogue/catalogue.ts';
import { inTransaction, type Queryable } from '../schema/pool.ts';
import type { RunContext } from './run-context.ts';
import { claimedFlows } from './run-flows.ts';
import { readMet } from './subscriptions.ts';

export interface LoadedRun {
  readonly compact: CompactGraph;
  readonly stored: StoredRun;
}

/** State and cursor as of the last exchange, leases as they are now. O(flows that differ from a fresh run). */
export async function loadRun(pool: pg.Pool, context: RunContext, graceMs: number): Promise<LoadedRun> {
  const stored = await inTransaction(pool, (client) => readStored(client, context, graceMs), {
    begin: 'begin isolation level repeatable read read only',
    guarded: false,
  });
  return { compact: context.compact, stored };
}

/** The same within a transaction that reads one snapshot or has locked the run's counter row. */
export async function readStored(
  client: Queryable,
  context: RunContext,
  graceMs: number,
): Promise<StoredRun> {
  const { run, index } = context;
  const counters = await client.query<{
    exchange: number;
    cursor: number;
    now_ms: number;
    state: string;
    finished: boolean;
  }>(
    `select c.exchange, c.cursor, c.now_ms, r.state, r.finished_ms is not null as finished
     from run_counters c join runs r on r.id = c.run_id where c.run_id = $1`,
    [run.id],
  );
  const counter = counters.rows[0];
  if (counter === undefined)
    throw new SluiceError('unknown_run', `there is no run ${run.id}`, { facts: { run: run.id } });
  const flows = await client.query<{
    flow_id: string;
    generation: number;
    attempt: number;
    result: Result | null;
    flags: number;
    due_ms: number;
    used_budget: number;
    asked_ms: number;
    released_ms: number | null;
    phase: Phase;
  }>(
    `select flow_id, generation, attempt, result, flags, due_ms, used_budget, released_ms, phase, asked_ms from run_flows
     where run_id = $1 and (generation <> 1 or attempt <> 1 or result is not null or flags <> 0 or due_ms <> 0 or used_budget <> 0
       or released_ms is not null)`,
    [run.id],
  );
  const starts = await client.query<{ flow_id: string; start_ms: number }>(
    'select flow_id, start_ms from run_flows where run_id = $1 and start_ms <> 0',
    [run.id],
  );
  const waives = await client.query<{ flow_id: string; edge_from: string; edge_run: string | null }>(
    `select flow_id, edge_from, edge_run from overrides where run_id = $1 and kind = 'waive' and ended_ms is null`,
    [run.id],
  );
  const leases = await claimedFlows(client, run.id);
  const vertex = (flow: string): number => index.get(flow) ?? -1;
  const edges = waives.rows.map((row) => locate(context, vertex(row.flow_id), row.edge_from, row.edge_run));
  const pick = (list: string): number[] => edges.flatMap((e) => (e?.list === list ? [e.edge] : []));
  return {
    exchange: counter.exchange,
    cursor: counter.cursor,
    now: counter.now_ms,
    openedAt: run.openedAt,
    graceMs,
    closed: counter.state === 'closed',
    finished: counter.finished,
    rows: flows.rows
      .filter((row) => index.has(row.flow_id))
      .map((row) => [
        vertex(row.flow_id),
        row.generation,
        row.attempt,
        codeOf(row.result),
        row.flags,
        row.due_ms,
        row.used_budget,
        row.released_ms ?? 0,
        PHASES.indexOf(row.phase),
        ...(row.asked_ms === 0 ? [] : [row.asked_ms]),
      ]),
    starts: starts.rows
      .filter((row) => index.has(row.flow_id))
      .map((row) => [vertex(row.flow_id), row.start_ms] as const),
    waived: pick('edge'),
    waivedInvalid: pick('invalid'),
    waivedForeign: pick('foreign'),
    subscriptions: storedSubscriptions(context.subscriptions.list),
    foreignMet: (await readMet(client, context)).map(({ i, met }) => [i, met] as const),
    moments: momentsOf(context),
    leases: leases
      .filter((row) => index.has(row.flow))
      .map((row) => [vertex(row.flow), row.started ? 2 : 1] as const),
  };
}

/** The same, ready to compute with: for the API's `dryRun`, plans and answers. */
export async function readState(pool: pg.Pool, context: RunContext, graceMs: number): Promise<RunState> {
  const { stored } = await loadRun(pool, context, graceMs);
  return restoreState(context.graph, stored);
}

/** Which of the three lists of edges a stored waive belongs to. */
export function locate(
  { graph, index, subscriptions }: RunContext,
  v: number,
  from: string,
  run: string | null,
): { list: 'edge' | 'invalid' | 'foreign'; edge: number } | null {
  if (v < 0) return null;
  if (run !== null) {
    const edge = subscribersTo(subscriptions, run, from).find((i) => subscriptions.list[i]!.v === v);
    return edge === undefined ? null : { list: 'foreign', edge };
  }
  const u = index.get(from);
  const edge = u === undefined ? -1 : edgeId(graph, u, v);
  if (edge >= 0) return { list: 'edge', edge };
  const invalid = graph.invalid.findIndex((e) => e.v === v && e.from === from);
  return invalid >= 0 ? { list: 'invalid', edge: invalid } : null;
}

/** Reminders, escalation and deadline of each flow that a person confirms, in order of time. */
function momentsOf({ run, graph, version }: RunContext): PersonMoment[] {
  const calendarOf = calendarsOf(version);
  const moments: PersonMoment[] = [];
  for (let v = 0; v < graph.n; v++) {
    const { runner, role, remindAt, escalateAt, escalateTo, deadline, calendar } = graph.attrOf(v);
    if (runner !== 'person' || role === null) continue;
    const { cycle, period, openedAt: openedAtMs } = run;
    const at = (moment: string): number =>
      resolveMoment(moment, { cycle, period, calendar: calendarOf(calendar), openedAtMs });
    for (const moment of remindAt)
      moments.push({ v, at: at(moment), kind: 'gate_reminder', recipient: role });
    if (escalateAt !== null)
      moments.push({ v, at: at(escalateAt), kind: 'gate_escalation', recipient: escalateTo ?? role });
    if (deadline !== null)
      moments.push({ v, at: at(deadline), kind: 'gate_deadline', recipient: escalateTo ?? role });
  }
  return moments.sort((a, b) => a.at - b.at || a.v - b.v);
}
