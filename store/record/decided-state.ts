/** The part of a run's state that only exchanges change, kept from one answer to the next and brought up to date by what they wrote. */
import type { FlowInstants } from '../../graph/run/run-facts.ts';
import { cloneState, derive, emptyState, type RunState } from '../../graph/run/state.ts';
import { codeOf, type Result } from '../../graph/run/status.ts';
import type { Queryable } from '../schema/pool.ts';
import { readRows } from '../schema/rows-as-text.ts';
import type { Decided, RunContext } from './run-context.ts';
import { locate } from './run-state.ts';
import { readMet } from './subscriptions.ts';

export interface Counter {
  readonly exchange: number;
  readonly cursor: number;
  readonly now: number;
  readonly closed: boolean;
  readonly finished: boolean;
}

/** What exchanges wrote since a state was kept. */
export interface Changed {
  readonly since: Decided;
  /** How many of them the record has kept. */
  readonly exchanges: number;
  /** Vertices. */
  readonly flows: readonly number[];
}

/** More exchanges than this, and everything is read: the record keeps the last 200 (protocol A5). */
const FEW = 100;

/** Null when no state is kept. To be read in the snapshot for which `readDecided` is called. */
export async function readChanged(client: Queryable, context: RunContext): Promise<Changed | null> {
  const since = context.kept.decided;
  if (since === null) return null;
  const found = await client.query<{ exchanges: number; flows: number[] }>({
    name: 'changed-flows',
    text: `select count(distinct e.n)::int as exchanges, coalesce(array_agg(distinct (c->>'v')::int) filter (where c is not null), '{}') as flows
      from exchanges e left join lateral json_array_elements(e.decisions) g on true
        left join lateral json_array_elements(g->'changes') c on true
      where e.run_id = $1 and e.n > $2 and e.n <= $3`,
    values: [context.run.id, since.exchange, since.exchange + FEW],
  });
  return { since, ...found.rows[0]! };
}

/** As of the exchange of `counter`. O(flows that changed) when little did, then O(V + E) in memory; no query when nothing did. */
export async function readDecided(
  client: Queryable,
  context: RunContext,
  now: { readonly counter: Counter; readonly changed: Changed | null; readonly graceMs: number },
): Promise<Decided> {
  const { counter, changed, graceMs } = now;
  const usable = changed !== null && isUsable(context, counter, changed, graceMs);
  if (usable && changed.since.exchange === counter.exchange) return changed.since;
  const next = usable
    ? await build(client, context, counter, {
        ...copy(changed.since),
        changed: changed.flows.map((v) => context.graph.ids[v]!),
      })
    : await build(client, context, counter, { ...empty(context, graceMs), changed: null });
  context.kept.decided = next;
  return next;
}

const MANY = 100;

/** Whether all that happened since is known, and so little that not everything may as well be read. */
function isUsable(
  { graph }: RunContext,
  counter: Counter,
  { since, exchanges, flows }: Changed,
  graceMs: number,
): boolean {
  return (
    since.state.graceMs === graceMs &&
    since.exchange <= counter.exchange &&
    exchanges === counter.exchange - since.exchange &&
    flows.length <= MANY + graph.n / 4
  );
}

interface Columns {
  readonly state: RunState;
  readonly instants: FlowInstants;
}

function empty({ graph, run, subscriptions }: RunContext, graceMs: number): Columns {
  const column = (): Float64Array => new Float64Array(graph.n);
  return {
    state: emptyState(graph, {
      openedAt: run.openedAt,
      now: run.openedAt,
      graceMs,
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
      generationAt: generationAt.slice(),
      triggeredAt: triggeredAt.slice(),
      releasedAt: releasedAt.slice(),
      resultAt: resultAt.slice(),
      deadline,
    },
  };
}

const COLUMNS = [
  'flow_id',
  'generation',
  'attempt',
  'result',
  'flags',
  'due_ms',
  'used_budget',
  'released_ms',
  'start_ms',
  'deadline_ms',
  'generation_ms',
  'triggered_ms',
  'result_ms',
  'asked_ms',
];

async function build(
  client: Queryable,
  context: RunContext,
  counter: Counter,
  { state, instants, changed }: Columns & { readonly changed: readonly string[] | null },
): Promise<Decided> {
  const { run, index, graph } = context;
  const [rows, waives, met] = await Promise.all([
    readRows(client, {
      name: changed === null ? 'flows-text' : 'some-flows-text',
      columns: COLUMNS,
      from: `from run_flows where run_id = $1${changed === null ? '' : ' and flow_id = any($2::text[])'}`,
      values: changed === null ? [run.id] : [run.id, changed],
    }),
    readWaives(client, context),
    readMet(client, context),
  ]);
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
    state.asked[v] = Number(row[13]);
  }
  for (const list of [state.waived, state.waivedInvalid, state.waivedForeign]) list.fill(0);
  const lists = { edge: state.waived, invalid: state.waivedInvalid, foreign: state.waivedForeign };
  for (const { list, edge } of waives) lists[list][edge] = 1;
  state.foreignMet.fill(0);
  for (const { i, met: value } of met) state.foreignMet[i] = value;
  state.exchange = counter.exchange;
  state.cursor = counter.cursor;
  state.now = counter.now;
  state.closed = counter.closed;
  state.finished = counter.finished;
  derive(graph, state);
  return { exchange: counter.exchange, state, instants };
}

/** Edges with a waive in force. */
async function readWaives(
  client: Queryable,
  context: RunContext,
): Promise<NonNullable<ReturnType<typeof locate>>[]> {
  const { run, index } = context;
  const waives = await client.query<{ flow_id: string; edge_from: string; edge_run: string | null }>({
    name: 'waives-in-force',
    text: `select flow_id, edge_from, edge_run from overrides where run_id = $1 and kind = 'waive' and ended_ms is null`,
    values: [run.id],
  });
  return waives.rows.flatMap(
    ({ flow_id, edge_from, edge_run }) =>
      locate(context, index.get(flow_id) ?? -1, edge_from, edge_run) ?? [],
  );
}
