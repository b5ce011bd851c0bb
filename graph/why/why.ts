/**
 * Why a flow has not run (docs/answers.md). The walk goes upwards from it over unmet conditions only; a flow without an unmet upstream is a final
 * cause, and a loop counts as one vertex. Pure; `facts.now` is the clock. graph/why/why-run.ts answers for many flows of a run at once.
 */

import { edgeId, type Graph, vertexOf } from '../compiled/compact.ts';
import { shortestWayRound } from '../compiled/loops.ts';
import { blockers } from '../run/blockers.ts';
import type { WhyFacts } from '../run/run-facts.ts';
import { FLAG, has, isDone, type RunState } from '../run/state.ts';
import { isClaimed, stateOf } from '../run/state-of.ts';
import type { State } from '../run/status.ts';
import { innerEdges, isOpen, type Unmet, unmetOf } from '../run/unmet.ts';
import { chainOf, type Walk, walkUp } from '../run/unmet-walk.ts';
import type { Sentence } from '../text/sentence.ts';
import { isOfAnother } from '../verbs/rerun.ts';
import type { Cause } from './cause.ts';
import { sentenceOf } from './cause-text.ts';
import type { CauseCode } from './causes.ts';
import { claimSide } from './claim-conditions.ts';
import type { Condition } from './condition.ts';
import {
  allOf,
  type ChainTo,
  type Found,
  finalCauses,
  localConditions,
  type Others,
  sorted,
} from './found-causes.ts';
import { remedyOf } from './remedies.ts';
import { Situation } from './situation.ts';

export interface OwnBlocker {
  readonly code: string;
  readonly from?: string;
  readonly until?: number;
  readonly members?: readonly string[];
  readonly by?: string;
}

export interface WhyFlow {
  readonly flow: string;
  readonly state: State;
  readonly blockers: readonly OwnBlocker[];
  readonly causes: readonly Cause[];
  readonly causeCount: number;
  /** Conditions of flows on the chains that will still hold when all final causes are gone. */
  readonly next: readonly Cause[];
  readonly nextCount: number;
  readonly text: Sentence;
}

/** A run whose flows are asked about. */
export interface AskedRun {
  readonly graph: Graph;
  readonly s: RunState;
  readonly facts: WhyFacts;
}

/**
 * Why flow `v` of a run has not run, with at most `limit` causes. With `others` edges to other runs are replaced by the causes behind them. O(V + E)
 * and a little for each of its final causes; a few ms for 13,000 flows.
 */
export function whyFlow(run: AskedRun, v: number, limit = 100, others: Others | null = null): WhyFlow {
  return whyAsker(run, others)(v, limit);
}

/** `whyFlow` for several flows of one state: what is unmet is computed once for all of them, at the first call that needs it. */
export function whyAsker(
  { graph, s, facts }: AskedRun,
  others: Others | null = null,
): (v: number, limit: number) => WhyFlow {
  const at = others?.home.at ?? new Situation(graph, s, facts);
  let unmet: Unmet | null = others?.home.unmet ?? null;
  return (v, limit) => {
    const state = stateOf(s, graph, v);
    if (isDone(s, v)) return done(at, v, state);
    unmet ??= unmetOf(graph, s);
    return waiting(at, unmet, { v, state }, { limit, others });
  };
}

function waiting(
  at: Situation,
  unmet: Unmet,
  { v, state }: { readonly v: number; readonly state: State },
  { limit, others }: { readonly limit: number; readonly others: Others | null },
): WhyFlow {
  const { graph } = at;
  const flow = graph.ids[v]!;
  const walk = walkUp(graph, unmet, [v]);
  const found = sorted(at, causesReached(at, unmet, walk, others), unmet);
  const next = walk.symptoms.flatMap((u) => localConditions(at, unmet, u));
  const later = sorted(at, next, unmet);
  const general = ofRun(at, unmet);
  const shown = found.slice(0, limit);
  const across = others !== null && shown.some(isAcross) ? others.chains([v]) : null;
  const causes = [
    ...general.map((entry) => ({ ...entry, chain: [flow] })),
    ...shown.map((entry) => causeOf(at, entry, unmet, wayTo(at, unmet, { walk, across }, entry))),
  ];
  return {
    flow,
    state,
    blockers: ownBlockers(at, v),
    causes,
    causeCount: general.length + found.length,
    next: later.slice(0, limit).map((entry) => causeOf(at, entry, unmet, chainOf(graph, unmet, walk, entry))),
    nextCount: later.length,
    text: summaryOf(flow, causes, general.length + found.length),
  };
}

/**
 * Final causes of the visited flows; without a walk those of the whole run. What is behind edges to other runs is found for all flows of the run,
 * because a cause there blocks all that wait for it, over whatever edges.
 */
export function causesReached(
  at: Situation,
  unmet: Unmet,
  walk: Walk | null,
  others: Others | null,
): Found[] {
  const across = unmet.foreign.size === 0 ? null : others;
  if (walk === null) {
    const all = allOf(at, unmet);
    const found = finalCauses(at, unmet, all.finals, all.visited);
    return across === null ? found : across.expand(found);
  }
  // Ways through other runs begin at the flows that were visited, or lead back to this run.
  if (across === null || !(isCrossing(unmet, walk) || across.home.targets.size > 0))
    return finalCauses(at, unmet, walk.finals, walk.visited);
  const reached = new Set(walk.visited);
  const found = finalCauses(at, unmet, walk.finals, new Set([...reached, ...unmet.foreign.keys()]));
  return across.expand(found).filter((entry) => entry.at.some((v) => reached.has(v)));
}

/** Whether a walk met a flow that waits for another run. O(visited). */
export const isCrossing = ({ foreign }: Unmet, { visited }: Walk): boolean =>
  visited.some((v) => foreign.has(v));

/** Whether a way to it leads through another run. */
export const isAcross = ({ remote, through }: Found): boolean => (remote ?? through) !== undefined;

/** The way to a cause, also to one in another run. */
export function wayTo(
  { graph }: Situation,
  unmet: Unmet,
  { walk, across }: { readonly walk: Walk; readonly across: ChainTo | null },
  found: Found,
): readonly string[] {
  const remote = found.remote ?? found.through;
  return remote === undefined || across === null ? chainOf(graph, unmet, walk, found) : across(remote);
}

function done(at: Situation, v: number, state: State): WhyFlow {
  const { graph, facts } = at;
  const flow = graph.ids[v]!;
  const condition: Condition = {
    code: 'already_ran',
    since: facts.resultAt[v]!,
    until: null,
    by: state,
    reason: has(at.s, v, FLAG.STALE) ? 'stale' : has(at.s, v, FLAG.TAINTED) ? 'tainted' : null,
  };
  const found: Found = { flow, condition, own: v, at: [v], to: null, blocks: 0 };
  const cause = causeOf(at, found, null, [flow]);
  return {
    flow,
    state,
    blockers: [],
    causes: [cause],
    causeCount: 1,
    next: [],
    nextCount: 0,
    text: cause.text,
  };
}

/** Causes of the whole run, which come before all others. O(V). */
export function ofRun(at: Situation, unmet: Unmet): Cause[] {
  const { facts, s, graph } = at;
  let open = 0;
  for (let v = 0; v < graph.n; v++) if (isOpen(s, v)) open++;
  const cause = (code: CauseCode, since: number | null, reason: string | null): Cause => {
    const subject = { en: `The run ${facts.run}`, zh: `运行 ${facts.run}` };
    const rest = { since, until: null, by: null, reason };
    return {
      ...rest,
      flow: null,
      run: facts.run,
      code,
      names: null,
      state: null,
      key: false,
      owner: null,
      chain: [],
      members: [],
      blocks: open,
      remedy: remedyOf({
        code,
        run: facts.run,
        flow: null,
        to: null,
        state: null,
        procedure: null,
        scope: null,
      }),
      text: sentenceOf(code, { ...rest, subject, members: [], now: facts.now }),
    };
  };
  const list: Cause[] = [];
  if (s.closed) list.push(cause('run_closed', facts.closedAt, null));
  if (facts.frozen !== null) list.push(cause('run_frozen', null, facts.frozen));
  const { rows, since } = facts.unread;
  if (rows > 0 && facts.now - since > UNREAD_MS && !s.closed)
    list.push(cause('engine_pending', since, `${rows} log rows are not read`));
  return unmet.order.length === 0 ? [] : list;
}

/** A log row that is unread for longer than this means that no coordinator is at work, ms. A coordinator reads a row within milliseconds. */
const UNREAD_MS = 2_000;

/** Puts a found cause into words, with its remedy. `chain` leads to it from the flow that was asked about. O(in-degree). */
export function causeOf(at: Situation, found: Found, unmet: Unmet | null, chain: readonly string[]): Cause {
  if (found.remote !== undefined) {
    const cause = found.remote.make(chain, found.blocks);
    // A member of a rerun plan waits for all members above it, whatever edges are waived.
    return found.at.every((v) => unmet?.above[v] === 1) ? cause : withWaive(cause);
  }
  const { graph, s, facts } = at;
  const { condition, own } = found;
  const flow = own < 0 ? null : facts.flowOf(own);
  const person = own >= 0 && graph.attrOf(own).runner === 'person';
  const members = condition.code === 'loop' && unmet !== null ? wayRound(graph, unmet, own) : [];
  const keeper = flow ?? (found.at[0] === undefined ? null : facts.flowOf(found.at[0]));
  const owner =
    keeper?.owner ?? (keeper?.procedure === undefined ? null : facts.procedureOwner(keeper.procedure));
  const state = own < 0 ? null : stateOf(s, graph, own);
  const to = condition.code === 'loop' ? (members[1] ?? members[0]!) : waiter(at, found, unmet, chain);
  const scope = scopeOf(condition);
  const subject = {
    en: flow === null || flow.names.en === flow.id ? found.flow : `${flow.id} (${flow.names.en})`,
    zh: flow === null || flow.names.zh === flow.id ? found.flow : `${flow.id}（${flow.names.zh}）`,
  };
  const { skips: _, ...said } = condition;
  return {
    ...said,
    flow: found.flow,
    run: facts.run,
    names: flow?.names ?? null,
    state,
    key: own >= 0 && graph.attrOf(own).key,
    owner: owner ?? (person ? graph.attrOf(own).role : null),
    chain,
    blocks: found.blocks,
    members,
    remedy: remedyOf({
      code: condition.code,
      run: facts.run,
      flow: condition.code === 'loop' ? members[0]! : found.flow,
      to,
      upstreamRun: condition.code === 'other_run' || condition.code === 'backlog' ? condition.by : null,
      state,
      procedure: flow?.procedure ?? null,
      scope,
      isAwaited: own >= 0 && isOfAnother(s.flags[own]!, {}),
      waitsForMembers: to !== null && unmet?.above[vertexOf(graph, to)] === 1,
    }),
    text: sentenceOf(condition.code, { ...condition, subject, members, now: facts.now }),
  };
}

/** A flow that waits for another run can also go on without it. */
function withWaive(cause: Cause): Cause {
  const { remedy } = cause;
  if (remedy.verb === 'waive' || remedy.otherwise.includes('waive')) return cause;
  return { ...cause, remedy: { ...remedy, otherwise: [...remedy.otherwise, 'waive'] } };
}

/** What the command of a remedy names when it is not a flow: the scope of a pause, a drained agent. */
function scopeOf({ code, by }: Condition): string | null {
  if (code === 'paused') return by!.split(' ')[0]!;
  return code === 'agents_drained' ? by!.split(', ')[0]! : null;
}

/** A flow that waits for the cause over an edge that a verb can name; on the chain from the flow that was asked about, if possible. */
function waiter(
  { graph }: Situation,
  found: Found,
  unmet: Unmet | null,
  chain: readonly string[],
): string | null {
  const before = chain.at(-2);
  if (before === undefined || unmet === null || found.own < 0) return before ?? found.to;
  const edge = edgeId(graph, found.own, vertexOf(graph, before));
  return edge >= 0 && unmet.edge[edge] === 1 ? before : found.to;
}

function wayRound(graph: Graph, unmet: Unmet, v: number): string[] {
  const members = unmet.loops.get(v)!;
  const { upOff, up } = innerEdges(graph, unmet.edge, members);
  const places = members.map((_, i) => i);
  return shortestWayRound({ upOff, up }, places).map((i) => graph.ids[members[i]!]!);
}

/** Blockers of the flow that was asked about: those of blockers.ts, and those that a claim would meet. */
function ownBlockers(at: Situation, v: number): OwnBlocker[] {
  const { graph, s, facts } = at;
  if (s.result[v] !== 0 || isClaimed(s, v)) return [];
  const skips = has(s, v, FLAG.SKIP);
  const list: OwnBlocker[] = blockers(graph, s, v).filter(({ code }) => !(skips && code === 'not_triggered'));
  if (list.length > 0 || skips) return list;
  const attrs = graph.attrOf(v);
  if (attrs.runner === 'person') return [{ code: 'gate_unconfirmed', by: attrs.role ?? '' }];
  const claim = facts.claimOf(v);
  if (claim === undefined) return [];
  return claimSide(at, v, claim).map(({ code, by }) => ({ code, ...(by === null ? {} : { by }) }));
}

/** One sentence: the first cause, and how many more there are. */
export function summaryOf(flow: string, causes: readonly Cause[], count: number): Sentence {
  const first = causes[0];
  if (first === undefined)
    return { en: `Nothing is in the way of ${flow}.`, zh: `${flow} 前面没有未满足的条件。` };
  const more =
    count > 1
      ? {
          en: ` And ${count - 1} more final ${count === 2 ? 'cause' : 'causes'}.`,
          zh: `另有 ${count - 1} 个最终原因。`,
        }
      : null;
  return { en: `${first.text.en}${more?.en ?? ''}`, zh: `${first.text.zh}${more?.zh ?? ''}` };
}
