/** What applying a rerun plan would cost: its duration, overwritten tables, late flows, and what need not be redone. */

import type { Plan } from '../../contract/rerun-plans.ts';
import { type Reach, reachOf, wayTo } from '../../graph/compiled/reach.ts';
import { type FlowTables, untouchedFlows } from '../../graph/impact/untouched.ts';
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
import { type EstateLineage, tablesIn } from '../lineage/estate-lineage.ts';
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

/** O(V + E) for each run, as often as the end of a flow in one delays flows of another. */
export async function planImpact(
  { lineages }: Pick<ServiceDeps, 'lineages'>,
  plan: PlanToWeigh,
  expect: ExpectDurations,
): Promise<PlanImpact> {
  const parts = await weigh(plan, expect);
  const own = parts[0]!;
  const reach = reachOf(own.context.graph, plan.roots);
  return {
    estimate: estimateOf(parts, plan.now),
    overwrites: parts.flatMap(overwritten),
    keysHit: parts.flatMap((part, i) =>
      i === 0 ? keysHit(part, reach) : keysElsewhere(own, part, plan.roots),
    ),
    deadlines: parts.flatMap(({ context, expected }) =>
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

/** A part of the plan with what it would cost: how long its members take, and when the flows of its run would end. */
interface WeighedPart extends PlanPart {
  readonly isMember: Uint8Array;
  readonly durations: Float64Array;
  readonly origin: ExpectedDurations['origin'];
  expected: ExpectedEnds;
  /** For each flow that starts only when a member of another run ends: that member, the last one to end. */
  readonly after: Map<number, { readonly part: WeighedPart; readonly v: number }>;
}

async function weigh(plan: PlanToWeigh, expect: ExpectDurations): Promise<WeighedPart[]> {
  const parts: WeighedPart[] = [];
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
    parts.push({ ...part, isMember, durations, origin, expected, after: new Map() });
  }
  // The end of a flow in one run starts flows in another, and these may delay the first run again.
  for (let round = 0; round < parts.length; round++) {
    let moved = false;
    for (const part of parts) moved = expectEnds(part, parts, plan.now) || moved || round === 0;
    if (!moved) break;
  }
  return parts;
}

/** Whether any expected end has changed. */
function expectEnds(part: WeighedPart, parts: readonly WeighedPart[], now: number): boolean {
  const { context, state, isMember, durations, after } = part;
  const { graph, subscriptions } = context;
  const starts = state.start.slice();
  after.clear();
  if (parts.length > 1)
    for (const { v, from, run } of subscriptions.list) {
      const other = parts.find((other) => other.context.run.id === run && other !== part);
      const u = other?.context.index.get(from);
      if (other === undefined || u === undefined || other.isMember[u] === 0) continue;
      const end = other.expected.ends[u] ?? 0;
      if (end <= starts[v]!) continue;
      starts[v] = end;
      after.set(v, { part: other, v: u });
    }
  const runs = Uint8Array.from({ length: graph.n }, (_, v) => {
    // A flow that was not triggered waits for a person.
    if (isMember[v] === 1) return hasStarted(state, v) || isTriggered(graph, state, v) ? 1 : 0;
    return state.result[v] === 0 && !has(state, v, FLAG.RETIRED) && isTriggered(graph, state, v) ? 1 : 0;
  });
  const before = part.expected.ends;
  part.expected = expectedEnds(graph, { now, runs, members: isMember, roots: isMember, durations, starts });
  return before.some((end, v) => end !== part.expected.ends[v]);
}

function estimateOf(parts: readonly WeighedPart[], now: number): Plan['estimate'] {
  let last: { part: WeighedPart; v: number } | null = null;
  const origins: { -readonly [O in keyof Plan['estimate']['origins']]: number } = {};
  const persons: Plan['estimate']['persons'][number][] = [];
  for (const part of parts)
    for (const v of part.members) {
      if (last === null || part.expected.ends[v]! > last.part.expected.ends[last.v]!) last = { part, v };
      const origin = part.origin[v] ?? null;
      if (origin !== null) origins[origin] = (origins[origin] ?? 0) + 1;
      if (asksPerson(part, v)) persons.push({ run: part.context.run.id, flow: part.context.graph.ids[v]! });
    }
  const endsAt = last === null ? now : Math.round(last.part.expected.ends[last.v]!);
  return { ms: endsAt - now, endsAt, path: pathTo(last, parts.length), origins, persons };
}

/** From run to run, no more often than there are runs. */
function pathTo(last: { part: WeighedPart; v: number } | null, runs: number): Plan['estimate']['path'] {
  const path: Plan['estimate']['path'][number][] = [];
  for (let at = last, n = 0; at !== null && n <= runs; n++) {
    const { part } = at;
    const way = longestWayTo(part.expected, at.v);
    path.unshift(
      ...way.map((v) => ({
        run: part.context.run.id,
        flow: part.context.graph.ids[v]!,
        ms: Math.round(part.durations[v]!),
      })),
    );
    at = part.after.get(way[0]!) ?? null;
  }
  return path;
}

/** A person must act before it is redone: a gate whose confirmation is not kept, or a manual trigger that is needed again. */
function asksPerson({ context: { graph }, state, isMember }: WeighedPart, v: number): boolean {
  const { runner, trigger, onRerun } = graph.attrOf(v);
  if (isMember[v] === 0 || (runner !== 'person' && trigger !== 'manual')) return false;
  if (state.result[v] === 0) return runner === 'person' || !isTriggered(graph, state, v);
  return onRerun === 'ask' || (runner === 'person' && state.result[v] !== codeOf('succeeded'));
}

function overwritten({ context, state, members }: WeighedPart): Plan['overwrites'] {
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

function effectOn({ isMember, state }: WeighedPart, v: number): Plan['keysHit'][number]['effect'] {
  if (!hasStarted(state, v)) return 'waits';
  return isMember[v] === 1 ? 'redone' : 'stale';
}

function keysHit(part: WeighedPart, reach: Reach): Plan['keysHit'] {
  const { graph, run } = part.context;
  return reach.order
    .filter((v) => graph.attrOf(v).key && !has(part.state, v, FLAG.RETIRED))
    .slice(0, NAMED_KEYS)
    .map((v) => ({
      run: run.id,
      flow: graph.ids[v]!,
      way: wayTo(reach, v).map((u) => graph.ids[u]!),
      effect: effectOn(part, v),
    }));
}

/** Key members of another run; the path to them leads through the catalogue, from cycle to cycle. */
function keysElsewhere(own: WeighedPart, part: WeighedPart, roots: readonly number[]): Plan['keysHit'] {
  const { graph, run } = part.context;
  const keys = part.members.filter((v) => graph.attrOf(v).key).slice(0, NAMED_KEYS);
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
    return { run: run.id, flow, way, effect: effectOn(part, v) };
  });
}

function leftAlone(
  { context, state }: WeighedPart,
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
