/** Flows of a run as the record shows them: states, attempts, generations, overrides. Reading only. */

import type { GaveUp } from '../../graph/run/run-facts.ts';
import { FLAG } from '../../graph/run/state.ts';
import type { Phase, Result, State } from '../../graph/run/status.ts';
import type { Sentence } from '../../graph/text/sentence.ts';
import { gaveUpText } from '../../graph/why/cause-text.ts';
import type { Queryable } from '../schema/pool.ts';
import { fieldsOf, freeText, readRowTexts } from '../schema/rows-as-text.ts';

export interface FlowStateRow {
  readonly flow: string;
  readonly state: State;
  readonly result: Result | null;
  readonly phase: Phase;
  readonly flags: number;
  readonly generation: number;
  readonly attempt: number;
  readonly releasedAt: number | null;
  readonly resultAt: number | null;
  /** 0 = none. */
  readonly start: number;
  readonly deadline: number;
  readonly due: number;
  /** Agent and moments of the open lease, also of one whose end is only awaited; null: none. */
  readonly agent: string | null;
  readonly sentAt: number | null;
  readonly startedAt: number | null;
  readonly stopping: boolean;
}

/**
 * The derived state (protocol D4): from the result, then the lease, then the phase. An attempt that has ended counts as running until the
 * coordinator has read its completion.
 */
const STATE = `case
    when f.flags & ${FLAG.RETIRED} <> 0 then 'retired'
    when f.result is not null then f.result
    when o.claimed_epoch is not null and (l.epoch is distinct from o.claimed_epoch or l.started_ms is not null) then 'running'
    when o.claimed_epoch is not null then 'sent_to_agent'
    else f.phase end`;

/**
 * Joins of flows of the run `$1` that cost their number whatever PostgreSQL's statistics say. On a fresh installation they say that a run
 * has one row, and a left join then compares each flow with each row of the outbox: 9 million for 3,000 flows, 4 to 13 s. A full join is
 * never done by such a loop; `coalesce` keeps the planner from making a left join of it again.
 */
const joined = (also: string): string => `from (select * from run_flows where run_id = $1${also}) f
  full join (select flow_id, claimed_epoch from outbox where run_id = $1${also}) o on o.flow_id = f.flow_id
  full join (select flow_id, epoch, agent, sent_ms, started_ms, stop from leases where run_id = $1${also}) l on l.flow_id = f.flow_id
  where coalesce(f.flow_id, '') <> ''`;
const WHOLE_RUN = joined('');
const FEW_FLOWS = joined(' and flow_id = any($3::text[])');

const STOPPING = `coalesce(l.stop, false) or f.flags & ${FLAG.STOPPING} <> 0`;

/** More flows than this are found faster by reading the whole run (measured with 13,000: 1.7 s by an array, 40 ms as a whole). */
const FEW = 500;

/** Rows of the given flows, in any order. */
export async function readFlowStates(
  client: Queryable,
  run: string,
  flows: readonly string[],
): Promise<FlowStateRow[]> {
  return readFirstFlowStates(client, run, flows, { states: null, keep: () => true, limit: flows.length });
}

/**
 * The first `limit` of the given flows, in their order, that are in one of the states (null: in any) and that `keep` lets through. Of a
 * whole run it makes rows only of those that it gives: a page of 100 out of thousands that fit.
 */
export async function readFirstFlowStates(
  client: Queryable,
  run: string,
  flows: readonly string[],
  wanted: {
    readonly states: readonly State[] | null;
    readonly keep: (row: FlowStateRow) => boolean;
    readonly limit: number;
  },
): Promise<FlowStateRow[]> {
  const { states, keep, limit } = wanted;
  const rowOf =
    flows.length <= FEW ? await readFew(client, run, flows, states) : await readWholeRun(client, run, states);
  const rows: FlowStateRow[] = [];
  for (const flow of flows) {
    if (rows.length >= limit) break;
    const row = rowOf(flow);
    if (row !== undefined && keep(row)) rows.push(row);
  }
  return rows;
}

type RowOf = (flow: string) => FlowStateRow | undefined;

async function readFew(
  client: Queryable,
  run: string,
  flows: readonly string[],
  states: readonly State[] | null,
): Promise<RowOf> {
  const found = await client.query<FlowStateRow>({
    name: 'few-flow-states',
    text: `select * from (
        select f.flow_id as flow, ${STATE} as state, f.result, f.phase, f.flags, f.generation, f.attempt,
          f.released_ms as "releasedAt", f.result_ms as "resultAt", f.start_ms as start, f.deadline_ms as deadline, f.due_ms as due,
          l.agent, l.sent_ms as "sentAt", l.started_ms as "startedAt", ${STOPPING} as stopping
        ${FEW_FLOWS}
      ) x where $2::text[] is null or state = any($2)`,
    values: [run, states, flows],
  });
  const rows = new Map(found.rows.map((row) => [row.flow, row]));
  return (flow) => rows.get(flow);
}

async function readWholeRun(client: Queryable, run: string, states: readonly State[] | null): Promise<RowOf> {
  const texts = await readRowTexts(client, {
    name: 'flow-states-text',
    columns: [
      'x.flow_id',
      'x.state',
      'x.result',
      'x.phase',
      'x.flags',
      'x.generation',
      'x.attempt',
      'x.released_ms',
      'x.result_ms',
      'x.start_ms',
      'x.deadline_ms',
      'x.due_ms',
      freeText('x.agent'),
      'x.sent_ms',
      'x.started_ms',
      'x.stopping',
    ],
    from: `from (
        select f.*, ${STATE} as state, l.agent, l.sent_ms, l.started_ms, ${STOPPING} as stopping ${WHOLE_RUN}
      ) x where $2::text[] is null or x.state = any($2)`,
    values: [run, states],
  });
  return (flow) => {
    const text = texts.get(flow);
    return text === undefined ? undefined : rowOfText(text);
  };
}

function rowOfText(text: string): FlowStateRow {
  const [flow, state, result, phase, flags, generation, attempt, ...rest] = fieldsOf(text);
  const [released, resultAt, start, deadline, due, agent, sent, started, stopping] = rest;
  const instant = (given: string): number | null => (given === '' ? null : Number(given));
  return {
    flow: flow!,
    state: state as State,
    result: result === '' ? null : (result as Result),
    phase: phase as Phase,
    flags: Number(flags),
    generation: Number(generation),
    attempt: Number(attempt),
    releasedAt: instant(released!),
    resultAt: instant(resultAt!),
    start: Number(start),
    deadline: Number(deadline),
    due: Number(due),
    agent: agent === '' ? null : agent!,
    sentAt: instant(sent!),
    startedAt: instant(started!),
    stopping: stopping === 'true',
  };
}

export interface FlowCounts {
  readonly states: ReadonlyMap<State, number>;
  readonly flows: number;
  readonly tainted: number;
  readonly stale: number;
  readonly held: number;
}

/** Flows by state; what counts as done stays three numbers (protocol D5). */
export async function countFlows(client: Queryable, run: string): Promise<FlowCounts> {
  const found = await client.query<{
    state: State;
    n: number;
    tainted: number;
    stale: number;
    held: number;
  }>({
    name: 'flow-counts',
    text: `select ${STATE} as state, count(*)::int as n, count(*) filter (where f.flags & ${FLAG.TAINTED} <> 0)::int as tainted,
        count(*) filter (where f.flags & ${FLAG.STALE} <> 0)::int as stale, count(*) filter (where f.flags & ${FLAG.HELD} <> 0)::int as held
      ${WHOLE_RUN} group by 1`,
    values: [run],
  });
  const sum = (key: 'n' | 'tainted' | 'stale' | 'held'): number =>
    found.rows.reduce((total, row) => total + row[key], 0);
  return {
    states: new Map(found.rows.map((row) => [row.state, row.n])),
    flows: sum('n'),
    tainted: sum('tainted'),
    stale: sum('stale'),
    held: sum('held'),
  };
}

export interface AttemptRow {
  readonly n: number;
  readonly generation: number;
  readonly attempt: number;
  readonly epoch: number;
  readonly agent: string;
  readonly sentAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly outcome: 'succeeded' | 'failed' | 'false' | 'cancelled' | 'lost' | 'requeued' | null;
  readonly failure: 'program' | 'infrastructure' | 'timeout' | 'lost' | null;
  readonly message: string | null;
  readonly exitCode: number | null;
  readonly rows: number | null;
  /** Bytes that it wrote, kept or not; null: none, or its agent did not report it. */
  readonly logBytes: number | null;
  /** Encoding in which its output is shown; null: utf-8, or its agent did not report it. */
  readonly encoding: string | null;
  readonly remark: unknown;
  readonly gaveUp: (GaveUp & { readonly text: Sentence }) | null;
}

/** Attempts of a flow in the order in which they were sent, numbered from 1 over all generations; without a page the last 1,000. */
export async function readAttempts(
  client: Queryable,
  run: string,
  flow: string,
  page: { readonly after: number; readonly limit: number } | null = null,
): Promise<AttemptRow[]> {
  const found = await client.query<Omit<AttemptRow, 'gaveUp'> & { gaveUp: GaveUp | null }>(
    `select * from (
       select row_number() over (order by epoch)::int as n, generation, attempt, epoch, agent, sent_ms as "sentAt", started_ms as "startedAt",
         ended_ms as "endedAt", outcome, failure_kind as failure, message, exit_code as "exitCode", rows,
         log_bytes as "logBytes", encoding, remark,
         case when cause is not null then json_build_object('cause', cause, 'used', used, 'allowed', allowed) end as "gaveUp"
       from attempts left join give_ups using (run_id, flow_id, generation, attempt) where run_id = $1 and flow_id = $2) x
     where n > $3 order by n${page === null ? ' desc' : ''} limit $4`,
    [run, flow, page?.after ?? 0, page?.limit ?? 1_000],
  );
  const rows = page === null ? found.rows.reverse() : found.rows;
  return rows.map((row) => ({
    ...row,
    gaveUp: row.gaveUp === null ? null : { ...row.gaveUp, text: gaveUpText(row.gaveUp) },
  }));
}

export interface OverrideRow {
  readonly kind: string;
  readonly from: string | null;
  readonly generation: number;
  readonly actor: string;
  readonly reason: string;
  readonly evidence: string | null;
  readonly operation: string | null;
  readonly at: number;
  readonly endedAt: number | null;
  readonly endedBy: string | null;
}

/** What people decided about a flow, newest first; `endedAt` null = in force. */
export async function readOverrides(client: Queryable, run: string, flow: string): Promise<OverrideRow[]> {
  const found = await client.query<OverrideRow>(
    `select kind, edge_from as "from", generation, actor, reason, evidence, operation_id as operation, at_ms as at,
       ended_ms as "endedAt", ended_by as "endedBy"
     from overrides where run_id = $1 and flow_id = $2 order by id desc limit 500`,
    [run, flow],
  );
  return found.rows;
}

export interface GenerationRow {
  readonly generation: number;
  readonly result: string | null;
  readonly flags: number;
  readonly from: number;
  readonly releasedAt: number | null;
  readonly resultAt: number | null;
  readonly endedAt: number;
  readonly operation: string | null;
}

/** Superseded generations, oldest first. */
export async function readGenerations(
  client: Queryable,
  run: string,
  flow: string,
): Promise<GenerationRow[]> {
  const found = await client.query<GenerationRow>(
    `select generation, result, flags, generation_ms as "from", released_ms as "releasedAt", result_ms as "resultAt",
       ended_ms as "endedAt", operation_id as operation
     from flow_generations where run_id = $1 and flow_id = $2 order by generation limit 500`,
    [run, flow],
  );
  return found.rows;
}

/** Waives in force on the given flows. */
export async function waivesInForce(
  client: Queryable,
  run: string,
  flows: readonly string[],
): Promise<{ from: string; to: string; reason: string }[]> {
  const found = await client.query<{ from: string; to: string; reason: string }>(
    `select edge_from as "from", flow_id as "to", reason from overrides
     where run_id = $1 and kind = 'waive' and ended_ms is null and flow_id = any($2::text[]) order by flow_id, edge_from`,
    [run, flows],
  );
  return found.rows;
}
