/** Makes a rerun plan: its members, and everything that applying it would touch (protocol E3). Making one changes nothing. */
import type { Infer } from '../../contract/fields.ts';
import type { Plan, PlanRequest } from '../../contract/rerun-plans.ts';
import { SluiceError } from '../../errors.ts';
import { reachOf } from '../../graph/compiled/reach.ts';
import type { Flow } from '../../graph/model.ts';
import type { RerunPlan } from '../../graph/run/decisions.ts';
import { hasStarted } from '../../graph/run/settle.ts';
import type { RunState } from '../../graph/run/state.ts';
import { stateOf } from '../../graph/run/state-of.ts';
import { codeOf } from '../../graph/run/status.ts';
import { isOfAnother, memberOf, planMembers, rootRefusal } from '../../graph/verbs/rerun.ts';
import { readFirstFlowStates, waivesInForce } from '../../store/history/flows.ts';
import type { Actor } from '../../store/operations/actors.ts';
import { newId } from '../../store/operations/operation-rows.ts';
import { holdersOf, savePlan } from '../../store/operations/rerun-plans.ts';
import type { RunContext } from '../../store/record/run-context.ts';
import { readState } from '../../store/record/run-state.ts';
import { readClock } from '../../store/record/snapshot.ts';
import type { ServiceDeps } from '../deps.ts';
import { authorise } from '../operations/actor-scope.ts';
import { bodyHash } from '../operations/body-hash.ts';
import { knownFlows, openContext } from '../runs/find.ts';
import { type ExpectDurations, usualDurations } from '../timing/expected-durations.ts';
import { type LeftOut, type PlanPart, partsOf, plansFor } from './rerun-across.ts';
import { planImpact } from './rerun-impact.ts';

/** Throws `unknown_run`, `unknown_flow`, `out_of_scope`, and `wrong_state` when there is nothing to redo. O(V + E). */
export async function makePlan(
  deps: ServiceDeps,
  actor: Actor,
  run: string,
  asked: Infer<typeof PlanRequest>,
  expect: ExpectDurations = usualDurations(deps.pool),
): Promise<Plan> {
  const context = await openContext(deps, run);
  const { graph } = context;
  const state = await readState(deps.pool, context, deps.graceMs);
  const rootIds = [...new Set(knownFlows(context, asked.flows, false))];
  const roots = rootIds.map((flow) => context.index.get(flow)!).sort((a, b) => a - b);
  const own = planMembers(graph, state, roots, asked.scope);
  const across = asked.scope === 'downstream' && asked.otherRuns;
  const { parts, left } = across
    ? await partsOf(deps, { context, state, members: own })
    : { parts: [{ context, state, members: own }], left: [] };
  authorise(actor, 'rerun', [...flowsOf(parts), ...rootIds.map((id) => context.flow(id))]);
  for (const v of roots) {
    const code = rootRefusal(graph, state, v, asked.scope);
    if (code !== null)
      throw new SluiceError(code, `${graph.ids[v]} is ${stateOf(state, graph, v)}: it cannot be redone now`, {
        facts: { run: context.run.id, flow: graph.ids[v], state: stateOf(state, graph, v) },
      });
  }
  if (parts[0]!.members.length === 0)
    throw new SluiceError(
      'wrong_state',
      asked.scope === 'failed-downstream'
        ? 'nothing at or below these flows has failed or was cancelled'
        : 'these flows are retired: there is nothing to redo',
      { facts: { run: context.run.id, flows: rootIds } },
    );
  const { scope, running, keepWaives } = asked;
  const how = { scope, running, keepWaives, correction: null };
  return keepPlan(deps, actor, { parts, left, roots, how }, expect);
}

/** Definitions of all members. */
const flowsOf = (parts: readonly PlanPart[]): Flow[] =>
  parts.flatMap(({ context, members }) => members.map((v) => context.flow(context.graph.ids[v]!)));

/** Members that were found, before the plan of them is made. */
export interface FoundMembers {
  /** The run under whose address the plan is kept comes first. */
  readonly parts: readonly PlanPart[];
  readonly left: readonly LeftOut[];
  /** Of the first run. */
  readonly roots: readonly number[];
  readonly how: Pick<Plan, 'scope' | 'running' | 'keepWaives' | 'correction'>;
  /** A rule's plan yields to persons. */
  readonly yields?: true;
}

/** Makes a plan of members that the actor may redo, and keeps it. */
async function keepPlan(
  deps: ServiceDeps,
  actor: Actor,
  { parts, left, roots, how, yields }: FoundMembers,
  expect: ExpectDurations,
): Promise<Plan> {
  const { context, state, members } = parts[0]!;
  const { graph } = context;
  const flows = members.map((v) => context.flow(graph.ids[v]!));
  const plan: RerunPlan = {
    id: newId('plan'),
    graphVersion: graph.version,
    members: members.map((v) => memberOf(graph, state, v)),
    roots: roots.map((v) => graph.ids[v]!),
    running: how.running,
    keepWaives: how.keepWaives,
    ...(yields === undefined ? {} : { yields }),
  };
  const elsewhere = parts.slice(1);
  const together = elsewhere.length === 0 ? [] : plansFor(parts, plan);
  const restsOn = [plan, ...together.map((entry) => entry.plan)].map(({ id: _, ...it }) => it);
  const hash = bodyHash(restsOn);
  const { now, ...standing } = await standingOf(deps, parts[0]!, flows, how.keepWaives);
  const shown = {
    ...how,
    roots: plan.roots,
    members: toMemberResponses(context, state, members, new Set(roots)),
    otherRuns: elsewhere.map((part) => ({
      run: part.context.run.id,
      members: toMemberResponses(part.context, part.state, part.members, new Set()),
      undecided: undecided(part, plan),
    })),
    leftOut: [...left],
    undecided: undecided(parts[0]!, plan),
    becomeStale: becomeStale(context, state, members, how.running),
    keyFlows: flows.filter((flow) => flow.key).map((flow) => flow.id),
    ...standing,
    ...(await planImpact(deps, { parts, roots, running: how.running, now }, expect)),
  };
  const saved = await savePlan(deps.pool, {
    id: plan.id,
    run: context.run.id,
    actor: actor.name,
    shown,
    plan,
    together,
    hash,
    ttlMs: deps.planTtlMs,
  });
  return { ...shown, ...saved, id: plan.id, run: context.run.id, actor: actor.name, hash, appliedBy: null };
}

/** A plan of members that lie in whatever runs. Throws `out_of_scope`. */
export async function planOfMembers(
  deps: ServiceDeps,
  actor: Actor,
  found: FoundMembers,
  expect: ExpectDurations = usualDurations(deps.pool),
): Promise<Plan> {
  authorise(actor, 'rerun', flowsOf(found.parts));
  return keepPlan(deps, actor, found, expect);
}

function toMemberResponses(
  context: RunContext,
  s: RunState,
  members: readonly number[],
  roots: ReadonlySet<number>,
): Plan['members'] {
  const { graph } = context;
  return members.map((v) => {
    const flow = context.flow(graph.ids[v]!);
    return {
      flow: flow.id,
      names: flow.names,
      root: roots.has(v),
      state: stateOf(s, graph, v),
      generation: s.generation[v]!,
      redone: hasStarted(s, v),
      key: flow.key,
      writes: flow.writes,
    };
  });
}

function undecided(
  { context: { graph }, state: s, members }: PlanPart,
  plan: Pick<RerunPlan, 'yields'>,
): Plan['undecided'] {
  return members.flatMap((v) => {
    const flow = graph.ids[v]!;
    if (s.result[v] === codeOf('outcome_unknown')) return [{ flow, code: 'outcome_unknown' }];
    return isOfAnother(s.flags[v]!, plan) ? [{ flow, code: 'rerun_pending' }] : [];
  });
}

/** As `markStale` would: below the members that are redone at once, started, no member itself. */
function becomeStale(
  { graph }: RunContext,
  s: RunState,
  members: readonly number[],
  running: RerunPlan['running'],
): string[] {
  const among = new Set(members);
  // A running member that the plan waits for makes nothing stale before its new generation starts.
  const redone = members.filter((v) => hasStarted(s, v) && (s.result[v] !== 0 || running === 'supersede'));
  return reachOf(graph, redone)
    .order.filter((v) => !among.has(v) && hasStarted(s, v))
    .sort((a, b) => a - b)
    .map((v) => graph.ids[v]!);
}

/** What keeps the members from being redone now. */
async function standingOf(
  { pool }: ServiceDeps,
  { context, state, members }: PlanPart,
  flows: readonly Flow[],
  keepWaives: boolean,
): Promise<Pick<Plan, 'collisions' | 'lapsingWaives'> & { now: number }> {
  const run = context.run.id;
  const ids = flows.map((flow) => flow.id);
  const open = members.filter((v) => state.result[v] === 0).map((v) => context.graph.ids[v]!);
  const locks = flows.flatMap((flow) => context.locksOf(flow));
  const [rows, waives, holders, now] = await Promise.all([
    readFirstFlowStates(pool, run, open, {
      states: ['running', 'sent_to_agent'],
      keep: () => true,
      limit: open.length,
    }),
    keepWaives ? [] : waivesInForce(pool, run, ids),
    holdersOf(pool, run, locks),
    readClock(pool),
  ]);
  return {
    collisions: [
      ...rows.map((row) => ({ flow: row.flow, run, member: true, since: row.startedAt })),
      ...holders.map(({ keys: _, ...holder }) => ({ ...holder, member: false })),
    ],
    lapsingWaives: waives,
    now,
  };
}
