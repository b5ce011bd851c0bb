/** What a rerun, a force-pass or a retirement would do to the flows of a run, flow by flow (Q27). Nothing is changed. */

import { reachOf } from '../../graph/compiled/reach.ts';
import type { OperationRequest } from '../../graph/run/decisions.ts';
import { hasStarted } from '../../graph/run/settle.ts';
import { FLAG, has, isDone, type RunState } from '../../graph/run/state.ts';
import { stateOf } from '../../graph/run/state-of.ts';
import { codeOf, type State } from '../../graph/run/status.ts';
import type { Sentence } from '../../graph/text/sentence.ts';
import { isOfAnother, planMembers, rootRefusal } from '../../graph/verbs/rerun.ts';
import { holdersOf } from '../../store/operations/rerun-plans.ts';
import type { RunContext } from '../../store/record/run-context.ts';
import { readState } from '../../store/record/run-state.ts';
import type { ServiceDeps } from '../deps.ts';
import { knownFlows, openContext } from '../runs/find.ts';
import { previewRequest } from './request-operation.ts';

export const VERBS_PREVIEWED = ['rerun', 'force-pass', 'retire'] as const;
export type PreviewedVerb = (typeof VERBS_PREVIEWED)[number];

const EFFECTS = {
  redone: { en: 'done again', zh: '重做' },
  waits: { en: 'waits for it', zh: '等待其完成' },
  passed: { en: 'force-passed', zh: '强制通过' },
  starts: { en: 'starts at once', zh: '立即放行' },
  tainted: { en: 'waits on; its result will be tainted', zh: '继续等待；结果将受影响' },
  retired: { en: 'leaves the run', zh: '退出运行' },
  blocked: { en: 'blocked: its dependency is invalid', zh: '阻塞：依赖失效' },
  blocked_below: { en: 'waits for what is blocked', zh: '等待被阻塞的流程' },
} as const;

export interface PreviewRow {
  readonly flowId: string;
  readonly name: Sentence;
  readonly state: State;
  readonly effect: Sentence;
  readonly key: boolean;
  /** ms; null = none. */
  readonly deadline: number | null;
  readonly conflict: string | null;
}

type Effect = readonly [v: number, effect: Sentence];

/** In the order in which it would happen: upstream first. Throws `unknown_run`, `unknown_flow`. O(V + E). */
export async function previewOf(
  deps: ServiceDeps,
  run: string,
  verb: PreviewedVerb,
  given: readonly string[],
): Promise<PreviewRow[]> {
  const context = await openContext(deps, run);
  const { graph } = context;
  const ids = [...new Set(knownFlows(context, given, false))];
  const state = await readState(deps.pool, context, deps.graceMs);
  const roots = ids.map((id) => context.index.get(id)!).sort((a, b) => a - b);
  const effects = verb === 'rerun' ? ofRerun(context, state, roots) : ofVerb(context, state, roots, verb);
  const elsewhere =
    verb === 'rerun' ? await heldElsewhere(deps, context, effects) : new Map<number, string>();
  return effects.map(([v, effect]) => {
    const { id, names, key } = context.flow(graph.ids[v]!);
    return {
      flowId: id,
      name: names,
      state: stateOf(state, graph, v),
      effect,
      key,
      deadline: context.deadlines[v] === 0 ? null : context.deadlines[v]!,
      conflict: conflictAt(state, v) ?? elsewhere.get(v) ?? null,
    };
  });
}

function ofRerun({ graph }: RunContext, state: RunState, roots: readonly number[]): Effect[] {
  const isRoot = new Set(roots);
  return planMembers(graph, state, roots, 'downstream').map((v) => {
    const refused = isRoot.has(v) ? rootRefusal(graph, state, v, 'downstream') : null;
    return [v, refused === null ? EFFECTS[hasStarted(state, v) ? 'redone' : 'waits'] : refusal(refused)];
  });
}

const refusal = (code: string): Sentence => ({ en: `refused: ${code}`, zh: `将被拒绝：${code}` });

function ofVerb(
  context: RunContext,
  state: RunState,
  roots: readonly number[],
  verb: 'force-pass' | 'retire',
): Effect[] {
  const { graph } = context;
  const request: OperationRequest = {
    verb,
    flows: roots.map((v) => graph.ids[v]!),
    edges: [],
    reason: 'preview',
    evidence: 'preview',
    partial: true,
    supersede: false,
    ran: null,
    plan: null,
  };
  const by = { actor: 'preview', roles: [], approvedBy: 'preview' };
  const { outcome, freed } = previewRequest(context, state, request, by);
  const codes = new Map(outcome.flows.map(({ flow, code }) => [flow, code]));
  const done = roots.filter((v) => (codes.get(graph.ids[v]!) ?? outcome.code) === null);
  const effects = new Map<number, Sentence>();
  for (const v of roots) {
    const code = codes.get(graph.ids[v]!) ?? outcome.code;
    effects.set(v, code === null ? EFFECTS[verb === 'retire' ? 'retired' : 'passed'] : refusal(code));
  }
  const starts = new Set(freed);
  const reach = reachOf(graph, done);
  for (const v of reach.order.slice(done.length)) {
    if (hasStarted(state, v) || isDone(state, v) || has(state, v, FLAG.RETIRED)) continue;
    if (verb === 'retire') effects.set(v, EFFECTS[reach.distance[v] === 1 ? 'blocked' : 'blocked_below']);
    else effects.set(v, EFFECTS[starts.has(graph.ids[v]!) ? 'starts' : 'tainted']);
  }
  return [...effects].sort(([a], [b]) => a - b);
}

function conflictAt(state: RunState, v: number): string | null {
  if (isOfAnother(state.flags[v]!, {})) return 'rerun_pending';
  if (state.result[v] === codeOf('outcome_unknown')) return 'outcome_unknown';
  return state.result[v] === 0 && hasStarted(state, v) ? 'running' : null;
}

/** Flows of other runs that run the same program for the same period. */
async function heldElsewhere(
  deps: ServiceDeps,
  context: RunContext,
  effects: readonly Effect[],
): Promise<Map<number, string>> {
  const keys = new Map<number, string[]>();
  for (const [v] of effects) {
    const flow = context.flow(context.graph.ids[v]!);
    keys.set(v, context.locksOf(flow));
  }
  const holders = await holdersOf(deps.pool, context.run.id, [...keys.values()].flat());
  const found = new Map<number, string>();
  for (const { run, flow, keys: held } of holders)
    for (const [v, list] of keys) if (list.some((key) => held.includes(key))) found.set(v, `${run} ${flow}`);
  return found;
}
