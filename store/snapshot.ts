/**
 * A run as of one instant, for the answers: state, instants and claims from one snapshot of the record. Rows come as one text each way:
 * 13,000 rows through the driver one by one take longer than everything that is computed on them.
 */
import type pg from 'pg';
import { SluiceError } from '../errors.ts';
import { edgeId } from '../graph/compact.ts';
import { restoreState } from '../graph/restore.ts';
import type { FlowInstants } from '../graph/run-facts.ts';
import type { RunState } from '../graph/state.ts';
import { codeOf, type Result } from '../graph/status.ts';
import { inTransaction, type Queryable } from './pool.ts';
import type { RunContext } from './run-context.ts';
import { claimedFlows } from './run-flows.ts';

/** What changes only by an exchange, and is kept until the next one. */
interface Decided {
  readonly exchange: number;
  readonly state: RunState;
  readonly instants: FlowInstants;
}

export interface Snapshot extends FlowInstants {
  readonly client: Queryable;
  readonly context: RunContext;
  readonly state: RunState;
  /** PostgreSQL's clock, never before that of the last exchange. */
  readonly now: number;
  readonly closedAt: number | null;
  readonly frozen: string | null;
  readonly unread: { readonly rows: number; readonly since: number };
}

const decided = new WeakMap<RunContext, Decided>();

/** Calls `work` within one snapshot of the record; reading only. Throws `unknown_run`. */
export async function inSnapshot<T>(
  pool: pg.Pool,
  context: RunContext,
  graceMs: number,
  work: (snapshot: Snapshot) => Promise<T>,
): Promise<T> {
  const { run, index } = context;
  return inTransaction(
    pool,
    async (client) => {
      const counters = await client.query<{
        exchange: number;
        cursor: number;
        log_seq: number;
        now_ms: number;
        clock: number;
        state: string;
        finished: boolean;
        closed_ms: number | null;
        frozen: string | null;
        unread_ms: number | null;
      }>({
        name: 'snapshot-counters',
        text: `select c.exchange, c.cursor, c.log_seq, c.now_ms, clock_ms() as clock, r.state, r.finished_ms is not null as finished,
            r.closed_ms, r.frozen, (select at_ms from run_log l where l.run_id = c.run_id and l.seq = c.cursor + 1) as unread_ms
          from run_counters c join runs r on r.id = c.run_id where c.run_id = $1`,
        values: [run.id],
      });
      const counter = counters.rows[0];
      if (counter === undefined)
        throw new SluiceError('unknown_run', `there is no run ${run.id}`, { facts: { run: run.id } });
      let known = decided.get(context);
      // The instant as well: a restored database counts the same numbers once more (A9).
      if (known?.exchange !== counter.exchange || known.state.now !== counter.now_ms) {
        known = await readDecided(client, context, { ...counter, graceMs });
        decided.set(context, known);
      }
      const lease = new Uint8Array(context.graph.n);
      for (const { flow, started } of await claimedFlows(client, run.id)) {
        const v = index.get(flow);
        if (v !== undefined) lease[v] = started ? 2 : 1;
      }
      const now = Math.max(counter.clock, counter.now_ms);
      return work({
        ...known.instants,
        client,
        context,
        state: { ...known.state, lease },
        now,
        closedAt: counter.closed_ms,
        frozen: counter.frozen,
        unread: { rows: counter.log_seq - counter.cursor, since: counter.unread_ms ?? now },
      });
    },
    { begin: 'begin isolation level repeatable read read only', guarded: false },
  );
}

/** Between fields, and between rows. */
const FIELD = '\x1f';
const ROW = '\x1e';

/** `select` of columns as one text; names that might contain a separator lose it. */
function asText(columns: readonly string[], from: string, order?: string): string {
  const fields = columns.map(
    (column) => `coalesce(translate((${column})::text, chr(30) || chr(31), ''), '')`,
  );
  return `select string_agg(concat_ws(chr(31), ${fields.join(', ')}), chr(30)${order === undefined ? '' : ` order by ${order}`}) as rows ${from}`;
}

/** The rows of such a text, field by field. */
function* rowsOf(text: string | null | undefined): Generator<string[]> {
  if (text === null || text === undefined) return;
  for (const row of text.split(ROW)) yield row.split(FIELD);
}

const FLOWS = asText(
  [
    ...[
      'flow_id',
      'generation',
      'attempt',
      'result',
      'flags',
      'due_ms',
      'used_budget',
      'released_ms',
      'start_ms',
    ],
    ...['deadline_ms', 'generation_ms', 'triggered_ms', 'result_ms'],
  ],
  'from run_flows where run_id = $1',
);

async function readDecided(
  client: Queryable,
  context: RunContext,
  counter: {
    exchange: number;
    cursor: number;
    now_ms: number;
    state: string;
    finished: boolean;
    graceMs: number;
  },
): Promise<Decided> {
  const { run, graph, index } = context;
  const flows = await client.query<{ rows: string | null }>({
    name: 'flows-text',
    text: FLOWS,
    values: [run.id],
  });
  const column = (): Float64Array => new Float64Array(graph.n);
  const instants = {
    generationAt: column(),
    triggeredAt: column(),
    releasedAt: column(),
    resultAt: column(),
    deadline: column(),
  };
  const rows: number[][] = [];
  const starts: [number, number][] = [];
  for (const [flow, generation, attempt, result, flags, due, used, released, start, ...rest] of rowsOf(
    flows.rows[0]?.rows,
  )) {
    const v = index.get(flow!);
    if (v === undefined) continue;
    const code = codeOf(result === '' ? null : (result as Result));
    rows.push([
      v,
      Number(generation),
      Number(attempt),
      code,
      Number(flags),
      Number(due),
      Number(used),
      Number(released),
    ]);
    if (start !== '0') starts.push([v, Number(start)]);
    instants.releasedAt[v] = Number(released);
    instants.deadline[v] = Number(rest[0]);
    instants.generationAt[v] = Number(rest[1]);
    instants.triggeredAt[v] = Number(rest[2]);
    instants.resultAt[v] = Number(rest[3]);
  }
  const waives = await client.query<{ flow_id: string; edge_from: string }>({
    name: 'waives-in-force',
    text: `select flow_id, edge_from from overrides where run_id = $1 and kind = 'waive' and ended_ms is null`,
    values: [run.id],
  });
  const waived: Record<'edge' | 'invalid' | 'foreign', number[]> = { edge: [], invalid: [], foreign: [] };
  for (const { flow_id, edge_from } of waives.rows) {
    const found = locate(context, flow_id, edge_from);
    if (found !== null) waived[found.list].push(found.edge);
  }
  const state = restoreState(graph, {
    exchange: counter.exchange,
    cursor: counter.cursor,
    now: counter.now_ms,
    openedAt: run.openedAt,
    graceMs: counter.graceMs,
    closed: counter.state === 'closed',
    finished: counter.finished,
    rows,
    starts,
    waived: waived.edge,
    waivedInvalid: waived.invalid,
    waivedForeign: waived.foreign,
    foreignMet: [],
    moments: [],
    leases: [],
  });
  return { exchange: counter.exchange, state, instants };
}

/** Which of the three lists of edges a stored waive belongs to; null when the run's version has no such edge. */
function locate(
  { graph, index }: RunContext,
  to: string,
  from: string,
): { list: 'edge' | 'invalid' | 'foreign'; edge: number } | null {
  const v = index.get(to);
  if (v === undefined) return null;
  const u = index.get(from);
  const edge = u === undefined ? -1 : edgeId(graph, u, v);
  if (edge >= 0) return { list: 'edge', edge };
  for (let i = graph.invalidOff[v]!; i < graph.invalidOff[v + 1]!; i++)
    if (graph.invalid[i]!.from === from) return { list: 'invalid', edge: i };
  for (let i = graph.foreignOff[v]!; i < graph.foreignOff[v + 1]!; i++)
    if (graph.foreign[i]!.from === from) return { list: 'foreign', edge: i };
  return null;
}

/** Rows of a query that may use the run as $1, field by field as texts; '' stands for null. */
export async function readRows(
  { client, context }: Snapshot,
  name: string,
  columns: readonly string[],
  from: string,
  order?: string,
): Promise<Iterable<string[]>> {
  const found = await client.query<{ rows: string | null }>({
    name,
    text: asText(columns, from, order),
    values: from.includes('$1') ? [context.run.id] : [],
  });
  return rowsOf(found.rows[0]?.rows);
}

/** PostgreSQL's clock, ms. */
export async function readClock(client: Queryable): Promise<number> {
  const found = await client.query<{ now: number }>('select clock_ms() as now');
  return found.rows[0]!.now;
}
