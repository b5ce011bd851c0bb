/**
 * Rerun plans (protocol E3): which flows are redone, in which order, and what applying a plan does. Pure. services/rerun/rerun-plan.ts makes a
 * plan with `rootRefusal` and `planMembers`; graph/verbs/operate.ts hands its operation to `applyRerun`, which checks each member.
 */
import { type Graph, vertexOf } from '../compiled/compact.ts';
import { reachOf } from '../compiled/reach.ts';
import type { FlowOutcome, OperationEntry, RerunMember, RerunPlan } from '../run/decisions.ts';
import type { Machine } from '../run/machine.ts';
import {
  beginGeneration,
  endOverrides,
  hasStarted,
  markStale,
  PENDING,
  takeBackUnclaimed,
} from '../run/settle.ts';
import { FLAG, has, type RunState } from '../run/state.ts';
import { stateOf } from '../run/state-of.ts';
import { codeOf } from '../run/status.ts';
import { subscribersTo } from '../run/subscriptions.ts';
import { answer, refuse } from './outcome.ts';
import { VERBS } from './verbs.ts';

export type RerunScope = 'only' | 'downstream' | 'failed-downstream' | 'selection';

/** The facts about a member on which a plan rests: it is refused when one of them has changed. Which waiting state it is in does not count. */
export function memberOf(graph: Graph, s: RunState, v: number): RerunMember {
  return {
    flow: graph.ids[v]!,
    generation: s.generation[v]!,
    result: s.result[v]!,
    started: s.result[v] === 0 && hasStarted(s, v),
  };
}

/**
 * Members of a plan, in topological order. `only` and `selection`: the roots. `downstream`: the roots and everything below them.
 * `failed-downstream`: failed and cancelled flows among these, and flows below those that have not started. Retired flows are never members.
 * O(V + E).
 */
export function planMembers(
  graph: Graph,
  s: RunState,
  roots: readonly number[],
  scope: RerunScope,
): number[] {
  const members = new Set<number>();
  if (scope === 'only' || scope === 'selection') for (const v of roots) members.add(v);
  if (scope === 'downstream') for (const v of reachOf(graph, roots).order) members.add(v);
  if (scope === 'failed-downstream') {
    const failed = reachOf(graph, roots).order.filter((v) => isFailed(s, v) && !has(s, v, FLAG.RETIRED));
    for (const v of failed) members.add(v);
    for (const v of reachOf(graph, failed).order) if (s.result[v] === 0 && !hasStarted(s, v)) members.add(v);
  }
  return [...members].filter((v) => !has(s, v, FLAG.RETIRED)).sort((a, b) => a - b);
}

/** Whether another rerun waits for the end of the flow's attempt that a plan may not take over. A person's plan takes over that of a rule. */
export const isOfAnother = (flags: number, plan: Pick<RerunPlan, 'yields'>): boolean =>
  (flags & FLAG.RERUN_PENDING) !== 0 && (plan.yields === true || (flags & FLAG.YIELDS) === 0);

function isFailed(s: RunState, v: number): boolean {
  return s.result[v] === codeOf('failed') || s.result[v] === codeOf('cancelled');
}

/**
 * Why a flow may not be a root of a plan; null = it may. With `failed-downstream` a root of any state that needs no decision is allowed, as it
 * only says where the search begins. Codes: `rerun_pending`, `outcome_unknown`, `wrong_state`.
 */
export function rootRefusal(
  graph: Graph,
  s: RunState,
  v: number,
  scope: RerunScope,
): 'rerun_pending' | 'outcome_unknown' | 'wrong_state' | null {
  if (isOfAnother(s.flags[v]!, {})) return 'rerun_pending';
  const state = stateOf(s, graph, v);
  if (state === 'outcome_unknown') return 'outcome_unknown';
  return scope === 'failed-downstream' || VERBS.get('rerun')!.allowedIn.includes(state)
    ? null
    : 'wrong_state';
}

/** Carries a plan out, or refuses it and says what has changed since it was made. O(V + E). */
export function applyRerun(m: Machine, entry: OperationEntry): void {
  const { graph, s } = m;
  const plan = entry.request.plan;
  if (plan === null) {
    refuse(m, entry, { code: 'unknown_plan', detail: 'a rerun operation carries its plan' });
    return;
  }
  const outcomes: FlowOutcome[] = [];
  const members: number[] = [];
  for (const member of plan.members) {
    const v = vertexOf(graph, member.flow);
    if (v >= 0) m.expectAsKnown(v);
    const code = v < 0 ? 'unknown_flow' : refusalOf(m, v, member, plan);
    outcomes.push({ flow: member.flow, code, state: v < 0 ? null : stateOf(s, graph, v) });
    if (v >= 0) members.push(v);
  }
  const refused = outcomes.find((o) => o.code !== null);
  if (plan.agreed !== undefined && plan.graphVersion === graph.version) {
    // Flows that need a person's decision first are left as they are; they become stale like everything below what is redone.
    const able = members.filter((v) => !isUndecided(s, v, plan));
    carryOut(m, able, plan, entry.operation);
    awaitOthers(m, plan.agreed.awaits);
    answer(m, entry, 'applied', { flows: outcomes, code: null, detail: null });
    return;
  }
  if (refused !== undefined) {
    refuse(
      m,
      entry,
      { code: refused.code!, detail: `${refused.flow} is ${refused.state ?? 'unknown'} now` },
      outcomes.filter((o) => o.code !== null),
    );
    return;
  }
  carryOut(m, members, plan, entry.operation);
  answer(m, entry, 'applied', { flows: outcomes, code: null, detail: null });
}

const isUndecided = (s: RunState, v: number, plan: RerunPlan): boolean =>
  isOfAnother(s.flags[v]!, plan) || has(s, v, FLAG.RETIRED) || s.result[v] === codeOf('outcome_unknown');

/** Upstreams in other runs that are redone with this plan: their old results no longer count, although those runs have not reported it yet. */
function awaitOthers(m: Machine, awaits: readonly { readonly from: string; readonly run: string }[]): void {
  const { subscriptions } = m.s;
  for (const { from, run } of awaits)
    for (const i of subscribersTo(subscriptions, run, from)) {
      if (m.s.foreignMet[i] === 0) continue;
      takeBackUnclaimed(m, subscriptions.list[i]!.v);
      m.foreign(i, 0);
    }
}

function refusalOf(m: Machine, v: number, member: RerunMember, plan: RerunPlan): string | null {
  const { graph, s } = m;
  if (plan.graphVersion !== graph.version) return 'plan_stale';
  if (isOfAnother(s.flags[v]!, plan)) return 'rerun_pending';
  if (s.result[v] === codeOf('outcome_unknown')) return 'outcome_unknown';
  if (plan.agreed !== undefined) return has(s, v, FLAG.RETIRED) ? 'plan_stale' : null;
  const now = memberOf(graph, s, v);
  const same =
    now.generation === member.generation && now.result === member.result && now.started === member.started;
  return same && !has(s, v, FLAG.RETIRED) ? null : 'plan_stale';
}

function carryOut(m: Machine, members: readonly number[], plan: RerunPlan, operation: string): void {
  const { s, graph } = m;
  const roots = new Set(plan.roots.map((flow) => vertexOf(graph, flow)));
  const redone: number[] = [];
  for (const v of members) {
    const running = s.result[v] === 0 && hasStarted(s, v);
    m.setFlags(v, FLAG.MEMBER);
    const root = roots.has(v);
    if (running && plan.running === 'wait') {
      const flags = pendingFlags(plan, root);
      m.setFlags(v, flags, PENDING & ~flags);
      continue;
    }
    if (running) m.effect({ t: 'stop', v });
    if (running || s.result[v] !== 0) {
      beginGeneration(m, v, { root, keepWaives: plan.keepWaives, ending: running, operation });
      redone.push(v);
    } else {
      // It has not started: it waits again in the order of the plan.
      endOverrides(m, v, { flags: FLAG.STARTED_NOW }, operation);
      m.setFlags(v, 0, FLAG.STARTED_NOW | FLAG.TAINT_NEXT);
    }
  }
  markStale(m, redone);
}

function pendingFlags({ keepWaives, yields }: RerunPlan, root: boolean): number {
  let flags: number = FLAG.RERUN_PENDING;
  if (root) flags |= FLAG.PENDING_ROOT;
  if (keepWaives) flags |= FLAG.KEEP_WAIVES;
  if (yields === true) flags |= FLAG.YIELDS;
  return flags;
}
