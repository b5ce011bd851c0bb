/** The part of a run's state that only exchanges change, kept from one answer to the next and brought up to date by what they wrote. */
import type { FlowInstants } from '../graph/run-facts.ts';
import { cloneState, derive, emptyState, type RunState } from '../graph/state.ts';
import { codeOf, type Result } from '../graph/status.ts';
import type { Queryable } from './pool.ts';
import { readRows } from './rows-as-text.ts';
import type { RunContext } from './run-context.ts';
import { locate } from './run-state.ts';
import { readMet } from './subscriptions.ts';

export interface Decided {
  readonly exchange: number;
  /** Without leases and moments. Never changed once it is here. */
  readonly state: RunState;
  readonly instants: FlowInstants;
}

export interface Counter {
  readonly exchange: number;
  readonly cursor: number;
  readonly now: number;
  readonly closed: boolean;
  readonly finished: boolean;
}

const decided = new WeakMap<RunContext, Decided>();

/** As of the exchange of `counter`, to be read in the same snapshot. O(flows that changed) when little did, then O(V + E) in memory. */
export async function readDecided(
  client: Queryable,
  context: RunContext,
  counter: Counter,
  graceMs: number,
): Promise<Decided> {
  const known = decided.get(context);
  if (known?.exchange === counter.exchange && known.state.graceMs === graceMs) return known;
  const changed =
    known === undefined ? null : await changedFlows(client, context, known.exchange, counter.exchange);
  const next = await build(
    client,
    context,
    counter,
    changed === null ? empty(context, graceMs) : copy(known!),
    changed,
  );
  decided.set(context, next);
  return next;
}

/** More exchanges than this, and everything is read: the record keeps the last 200 (A5). */
const FEW = 100;

const MANY = 100;

/** Flows that the exchanges after `from` wrote; null when that is not known, or so many that all may as well be read. */
async function changedFlows(
  client: Queryable,
  { run, graph }: RunContext,
  from: number,
  to: number,
): Promise<string[] | null> {
  if (to < from || to - from > FEW) return null;
  const found = await client.query<{ kept: number; changed: number[] }>({
    name: 'changed-flows',
    text: `select count(distinct e.n)::int as kept, coalesce(array_agg(distinct (c->>'v')::int) filter (where c is not null), '{}') as changed
      from exchanges e left join lateral json_array_elements(e.decisions) g on true
        left join lateral json_array_elements(g->'changes') c on true
      where e.run_id = $1 and e.n > $2 and e.n <= $3`,
    values: [run.id, from, to],
  });
  const { kept, changed } = found.rows[0]!;
  return kept < to - from || changed.length > MANY + graph.n / 4 ? null : changed.map((v) => graph.ids[v]!);
}

interface Columns {
  readonly state: RunState;
  readonly instants: FlowInstants;
}

function empty({ graph, run, subscriptions }: RunContext, graceMs: number): Columns {
  const column = (): Float64Array => new Float64Array(graph.n);
  return {
    state: emptyState(graph, {
      ...{ openedAt: run.openedAt, now: run.openedAt, graceMs },
      subscriptions: subscriptions.list,
    }),
    instants: {
      generationAt: column(),
      triggeredAt: column(),
      releasedAt: column(),
      resultAt: column(),
      deadline: column(),
    },
  };
}

function copy({ state, instants }: Decided): Columns {
  const { generationAt, triggeredAt, releasedAt, resultAt, deadline } = instants;
  return {
    state: cloneState(state),
    instants: {
      ...{
        generationAt: generationAt.slice(),
        triggeredAt: triggeredAt.slice(),
        releasedAt: releasedAt.slice(),
      },
      ...{ resultAt: resultAt.slice(), deadline },
    },
  };
}

const COLUMNS = [
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
];

async function build(
  client: Queryable,
  context: RunContext,
  counter: Counter,
  { state, instants }: Columns,
  changed: readonly string[] | null,
): Promise<Decided> {
  const { run, index, graph } = context;
  const rows = await readRows(client, {
    name: changed === null ? 'flows-text' : 'some-flows-text',
    columns: COLUMNS,
    from: `from run_flows where run_id = $1${changed === null ? '' : ' and flow_id = any($2::text[])'}`,
    values: changed === null ? [run.id] : [run.id, changed],
  });
  for (const row of rows) {
    const v = index.get(row[0]!);
    if (v === undefined) continue;
    state.generation[v] = Number(row[1]);
    state.attempt[v] = Number(row[2]);
    state.result[v] = codeOf(row[3] === '' ? null : (row[3] as Result));
    state.flags[v] = Number(row[4]);
    state.due[v] = Number(row[5]);
    state.used[v] = Number(row[6]);
    state.released[v] = Number(row[7]);
    state.start[v] = Number(row[8]);
    instants.releasedAt[v] = state.released[v]!;
    instants.deadline[v] = Number(row[9]);
    instants.generationAt[v] = Number(row[10]);
    instants.triggeredAt[v] = Number(row[11]);
    instants.resultAt[v] = Number(row[12]);
  }
  await readWaives(client, context, state);
  state.foreignMet.fill(0);
  for (const { i, met } of await readMet(client, context)) state.foreignMet[i] = met;
  state.exchange = counter.exchange;
  state.cursor = counter.cursor;
  state.now = counter.now;
  state.closed = counter.closed;
  state.finished = counter.finished;
  derive(graph, state);
  return { exchange: counter.exchange, state, instants };
}

async function readWaives(client: Queryable, context: RunContext, state: RunState): Promise<void> {
  const { run, index } = context;
  const waives = await client.query<{ flow_id: string; edge_from: string; edge_run: string | null }>({
    name: 'waives-in-force',
    text: `select flow_id, edge_from, edge_run from overrides where run_id = $1 and kind = 'waive' and ended_ms is null`,
    values: [run.id],
  });
  for (const list of [state.waived, state.waivedInvalid, state.waivedForeign]) list.fill(0);
  const lists = { edge: state.waived, invalid: state.waivedInvalid, foreign: state.waivedForeign };
  for (const { flow_id, edge_from, edge_run } of waives.rows) {
    const found = locate(context, index.get(flow_id) ?? -1, edge_from, edge_run);
    if (found !== null) lists[found.list][found.edge] = 1;
  }
}
