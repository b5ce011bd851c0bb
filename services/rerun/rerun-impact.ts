/** What applying a rerun plan would cost: its duration, overwritten tables, late flows, and what need not be redone. */

import type { Plan } from '../../contract/rerun-plans.ts';
import { type Reach, reachOf, wayTo } from '../../graph/compiled/reach.ts';
import type { TableKey } from '../../graph/impact/lineage.ts';
import { type FlowTables, untouchedFlows } from '../../graph/impact/untouched.ts';
import type { Flow } from '../../graph/model.ts';
import { hasStarted } from '../../graph/run/settle.ts';
import { FLAG, has, isTriggered } from '../../graph/run/state.ts';
import { codeOf } from '../../graph/run/status.ts';
import {
  deadlinesMoved,
  type ExpectedEnds,
  expectedEnds,
  longestWayTo,
} from '../../graph/usual/expected-ends.ts';
import { connectionsOf } from '../catalogue/catalogue-diff.ts';
import { estateOfVersion } from '../catalogue/impact.ts';
import type { ServiceDeps } from '../deps.ts';
import type { EstateLineage } from '../lineage/estate-lineage.ts';
import type { ExpectDurations, ExpectedDurations } from '../timing/expected-durations.ts';
import type { PlanPart } from './rerun-across.ts';

export type PlanImpact = Pick<
  Plan,
  'estimate' | 'overwrites' | 'keysHit' | 'deadlines' | 'untouched' | 'runAnyway'
>;

/** Maximum number of key flows of a run that are listed with the path to them; `keyFlows` has all that are members. */
const NAMED_KEYS = 200;

export interface PlanToWeigh {
  /** The requested run first. */
  readonly parts: readonly PlanPart[];
  readonly roots: readonly number[];
  readonly running: Plan['running'];
  /** PostgreSQL's clock, ms. */
  readonly now: number;
}

/** O(V + E) for each run, as often as the work of one delays that of another. */
export async function planImpact(
  { lineages }: Pick<ServiceDeps, 'lineages'>,
  plan: PlanToWeigh,
  expect: ExpectDurations,
): Promise<PlanImpact> {
  const works = await worksOf(plan, expect);
  const own = works[0]!;
  const reach = reachOf(own.context.graph, plan.roots);
  return {
    estimate: estimateOf(works, plan.now),
    overwrites: works.flatMap(overwritten),
    keysHit: works.flatMap((work, i) =>
      i === 0 ? keysHit(work, reach) : keysElsewhere(own, work, plan.roots),
    ),
    deadlines: works.flatMap(({ context, expected }) =>
      deadlinesMoved(expected, context.deadlines).map(({ v, endsAt, lateMs }) => ({
        run: context.run.id,
        flow: context.graph.ids[v]!,
        deadline: context.deadlines[v]!,
        passed: context.deadlines[v]! < plan.now,
        endsAt: Math.round(endsAt),
        lateMs: Math.round(lateMs),
      })),
    ),
    ...leftAlone(own, reach, plan.roots, await lineages.of(own.context.version)),
  };
}

interface Work extends PlanPart {
  readonly isMember: Uint8Array;
  readonly durations: Float64Array;
  readonly origin: ExpectedDurations['origin'];
  expected: ExpectedEnds;
  /** Members that wait for one of another run to the last: vertex -> that one. */
  readonly after: Map<number, { readonly work: Work; readonly v: number }>;
}

async function worksOf(plan: PlanToWeigh, expect: ExpectDurations): Promise<Work[]> {
  const works: Work[] = [];
  for (const part of plan.parts) {
    const { context, state, members } = part;
    const { graph } = context;
    const { ms, origin } = await expect(context);
    const durations = ms.slice();
    const isMember = new Uint8Array(graph.n);
    for (const v of members) {
      isMember[v] = 1;
      // It runs to its end first, and then starts again.
      if (plan.running === 'wait' && state.result[v] === 0 && hasStarted(state, v)) durations[v]! *= 2;
    }
    const expected = { ends: new Float64Array(), by: new Int32Array(), moved: new Uint8Array() };
    works.push({ ...part, isMember, durations, origin, expected, after: new Map() });
  }
  // The end of a flow in one run starts flows in another, and these may delay the first run again.
  for (let round = 0; round < works.length; round++) {
    let moved = false;
    for (const work of works) moved = expectEnds(work, works, plan.now) || moved || round === 0;
    if (!moved) break;
  }
  return works;
}

/** Whether any expected end has changed. */
function expectEnds(work: Work, works: readonly Work[], now: number): boolean {
  const { context, state, isMember, durations, after } = work;
  const { graph, subscriptions } = context;
  const starts = state.start.slice();
  after.clear();
  if (works.length > 1)
    for (const { v, from, run } of subscriptions.list) {
      const other = works.find((other) => other.context.run.id === run && other !== work);
      const u = other?.context.index.get(from);
      if (other === undefined || u === undefined || other.isMember[u] === 0) continue;
      const end = other.expected.ends[u] ?? 0;
      if (end <= starts[v]!) continue;
      starts[v] = end;
      after.set(v, { work: other, v: u });
    }
  const runs = Uint8Array.from({ length: graph.n }, (_, v) => {
    // A flow that was not triggered waits for a person.
    if (isMember[v] === 1) return hasStarted(state, v) || isTriggered(graph, state, v) ? 1 : 0;
    return state.result[v] === 0 && !has(state, v, FLAG.RETIRED) && isTriggered(graph, state, v) ? 1 : 0;
  });
  const before = work.expected.ends;
  work.expected = expectedEnds(graph, { now, runs, members: isMember, roots: isMember, durations, starts });
  return before.some((end, v) => end !== work.expected.ends[v]);
}

function estimateOf(works: readonly Work[], now: number): Plan['estimate'] {
  let last: { work: Work; v: number } | null = null;
  const origins: { -readonly [O in keyof Plan['estimate']['origins']]: number } = {};
  const persons: Plan['estimate']['persons'][number][] = [];
  for (const work of works)
    for (const v of work.members) {
      if (last === null || work.expected.ends[v]! > last.work.expected.ends[last.v]!) last = { work, v };
      const origin = work.origin[v] ?? null;
      if (origin !== null) origins[origin] = (origins[origin] ?? 0) + 1;
      if (asksPerson(work, v)) persons.push({ run: work.context.run.id, flow: work.context.graph.ids[v]! });
    }
  const endsAt = last === null ? now : Math.round(last.work.expected.ends[last.v]!);
  return { ms: endsAt - now, endsAt, path: pathTo(last, works.length), origins, persons };
}

/** From run to run, no more often than there are runs. */
function pathTo(last: { work: Work; v: number } | null, runs: number): Plan['estimate']['path'] {
  const path: Plan['estimate']['path'][number][] = [];
  for (let at = last, n = 0; at !== null && n <= runs; n++) {
    const { work } = at;
    const way = longestWayTo(work.expected, at.v);
    path.unshift(
      ...way.map((v) => ({
        run: work.context.run.id,
        flow: work.context.graph.ids[v]!,
        ms: Math.round(work.durations[v]!),
      })),
    );
    at = work.after.get(way[0]!) ?? null;
  }
  return path;
}

/** A person must act before it is redone: a gate whose confirmation is not kept, or a manual trigger that is needed again. */
function asksPerson({ context: { graph }, state, isMember }: Work, v: number): boolean {
  const { runner, trigger, onRerun } = graph.attrOf(v);
  if (isMember[v] === 0 || (runner !== 'person' && trigger !== 'manual')) return false;
  if (state.result[v] === 0) return runner === 'person' || !isTriggered(graph, state, v);
  return onRerun === 'ask' || (runner === 'person' && state.result[v] !== codeOf('succeeded'));
}

function overwritten({ context, state, members }: Work): Plan['overwrites'] {
  const tables = new Map<string, Plan['overwrites'][number] & { flows: string[] }>();
  for (const v of members) {
    if (!hasStarted(state, v)) continue;
    const flow = context.flow(context.graph.ids[v]!);
    const connection = connectionsOf(flow).at(-1) ?? null;
    for (const table of flow.writes) {
      const known = tables.get(`${connection} ${table}`);
      if (known !== undefined) known.flows.push(flow.id);
      else tables.set(`${connection} ${table}`, { run: context.run.id, table, connection, flows: [flow.id] });
    }
  }
  return [...tables.values()];
}

function effectOn({ isMember, state }: Work, v: number): Plan['keysHit'][number]['effect'] {
  if (!hasStarted(state, v)) return 'waits';
  return isMember[v] === 1 ? 'redone' : 'stale';
}

function keysHit(work: Work, reach: Reach): Plan['keysHit'] {
  const { graph, run } = work.context;
  return reach.order
    .filter((v) => graph.attrOf(v).key && !has(work.state, v, FLAG.RETIRED))
    .slice(0, NAMED_KEYS)
    .map((v) => ({
      run: run.id,
      flow: graph.ids[v]!,
      way: wayTo(reach, v).map((u) => graph.ids[u]!),
      effect: effectOn(work, v),
    }));
}

/** Key members of another run; the path to them leads through the catalogue, from cycle to cycle. */
function keysElsewhere(own: Work, work: Work, roots: readonly number[]): Plan['keysHit'] {
  const { graph, run } = work.context;
  const keys = work.members.filter((v) => graph.attrOf(v).key).slice(0, NAMED_KEYS);
  if (keys.length === 0) return [];
  const estate = estateOfVersion(own.context.version);
  const reach = reachOf(
    estate,
    roots.map((v) => estate.index.get(own.context.graph.ids[v]!)!),
  );
  return keys.map((v) => {
    const flow = graph.ids[v]!;
    const place = estate.index.get(flow);
    const way = place === undefined ? [flow] : wayTo(reach, place).map((u) => estate.flows[u]!.id);
    return { run: run.id, flow, way, effect: effectOn(work, v) };
  });
}

function leftAlone(
  { context, state }: Work,
  reach: Reach,
  roots: readonly number[],
  lineage: EstateLineage,
): Pick<Plan, 'untouched' | 'runAnyway'> {
  const { graph } = context;
  const tablesOf = (v: number): FlowTables | null => tablesIn(context.flow(graph.ids[v]!), lineage);
  return {
    untouched: untouchedFlows(graph, roots, tablesOf)
      .filter((v) => hasStarted(state, v))
      .map((v) => graph.ids[v]!),
    runAnyway: reach.order
      .filter((v) => reach.distance[v]! > 0 && !hasStarted(state, v) && !has(state, v, FLAG.RETIRED))
      .sort((a, b) => a - b)
      .map((v) => graph.ids[v]!),
  };
}

/** Declared tables and tables of the SQL; an empty list may be incomplete. Null: the flow moves no data. */
function tablesIn(flow: Flow, { flows, unread }: EstateLineage): FlowTables | null {
  if (flow.runner !== 'agent') return null;
  const { reads, writes } = flows.get(flow.id)!;
  const known = (tables: readonly TableKey[]): readonly TableKey[] | null =>
    tables.length === 0 || unread.has(flow.id) ? null : tables;
  // A check writes nothing.
  return { reads: known(reads), writes: flow.kind === 'check' ? [] : known(writes) };
}
