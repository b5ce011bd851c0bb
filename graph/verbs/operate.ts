/** Carries out operations, in the order of the log (protocol B, E). Each verb has its own function; all are pure. */

import { vertexOf } from '../compiled/compact.ts';
import { below } from '../compiled/reach.ts';
import { beginPending } from '../run/completion.ts';
import type { EdgeName, FlowOutcome, OperationEntry } from '../run/decisions.ts';
import type { Machine } from '../run/machine.ts';
import { beginGeneration, dropPending, finish, type ListedEdge, markStale } from '../run/settle.ts';
import { FLAG, has, lacksUpstream, lookAtAll } from '../run/state.ts';
import { stateOf } from '../run/state-of.ts';
import { codeOf } from '../run/status.ts';
import { confirm, reject, withdraw } from './confirm.ts';
import { forcePass } from './force-pass.ts';
import { isEntitled, neededRoles } from './needed-roles.ts';
import { answer, askApproval, refuse } from './outcome.ts';
import { applyRerun, isOfAnother } from './rerun.ts';
import { VERBS } from './verbs.ts';
import { checkEdge, unwaive, waive } from './waive.ts';

/**
 * Decides one operation: for all of its flows or for none, unless it is `partial` (protocol B3). The outcome is an effect of the same group
 * (protocol B2). O(flows that it names and what changes).
 */
export function operate(m: Machine, entry: OperationEntry): void {
  const { request } = entry;
  if (m.s.closed && request.verb !== 'reopen') {
    refuse(m, entry, { code: 'run_closed', detail: 'the run is closed; reopen it first' });
    return;
  }
  const rule = VERBS.get(request.verb);
  if (rule === undefined) {
    // A log row that cannot be carried out must not stop the run, so it is refused.
    refuse(m, entry, { code: 'unknown_verb', detail: `there is no verb ${request.verb}` });
    return;
  }
  switch (rule.target) {
    case 'run':
      m.effect({ t: 'run', verb: request.verb as 'pause', operation: entry.operation });
      if (request.verb === 'close') m.s.closed = true;
      if (request.verb === 'reopen') {
        m.s.closed = false;
        lookAtAll(m.graph, m.s);
      }
      answer(m, entry, 'applied', { flows: [], code: null, detail: null });
      return;
    case 'plan':
      applyRerun(m, entry);
      return;
    case 'edge':
      onEdges(m, entry);
      return;
    case 'flow':
      onFlows(m, entry);
      return;
    default:
      rule.target satisfies never;
  }
}

function onFlows(m: Machine, entry: OperationEntry): void {
  const { request } = entry;
  const outcomes: FlowOutcome[] = [];
  const accepted: number[] = [];
  const together = new Set<number>();
  const roles = new Set<string>();
  for (const flow of new Set(request.flows)) {
    const v = vertexOf(m.graph, flow);
    // The answer rests on whether the flow is claimed, also when it is no.
    if (v >= 0) m.expectAsKnown(v);
    const checked = v < 0 ? { code: 'unknown_flow' } : checkFlow(m, entry, v, together);
    outcomes.push({ flow, state: v < 0 ? null : stateOf(m.s, m.graph, v), ...checked });
    if (checked.code !== null) continue;
    accepted.push(v);
    together.add(v);
    for (const role of neededRoles(m, request.verb, v)) roles.add(role);
  }
  const refused = outcomes.find((o) => o.code !== null);
  if (refused !== undefined && (!request.partial || accepted.length === 0)) {
    refuse(m, entry, { code: refused.code!, detail: refused.detail ?? null }, outcomes);
    return;
  }
  if (!isEntitled(entry, [...roles])) {
    askApproval(m, entry, [...roles], outcomes);
    return;
  }
  for (const v of accepted) perform(m, entry, v);
  answer(m, entry, 'applied', { flows: outcomes, code: null, detail: null });
}

/** Why the verb is refused for this flow now; `code` null = it is allowed. `together`: flows of the same operation that were accepted before. */
function checkFlow(
  m: Machine,
  entry: OperationEntry,
  v: number,
  together: ReadonlySet<number>,
): { code: string | null; detail?: string } {
  const { request } = entry;
  const rule = VERBS.get(request.verb)!;
  const { s, graph } = m;
  const state = stateOf(s, graph, v);
  const attrs = graph.attrOf(v);
  if (rule.onlyPerson && attrs.runner !== 'person')
    return { code: 'not_a_gate', detail: `${graph.ids[v]} is not confirmed by a person` };
  if (rule.onlyPerson && attrs.role !== null && !entry.roles.includes(attrs.role))
    return { code: 'role_required', detail: `${graph.ids[v]} is confirmed by role ${attrs.role}` };
  if (request.verb === 'cancel' && request.forceEnd === true && isAwaited(m, v)) return { code: null };
  if (request.verb === 'cancel' && isOfAnother(s.flags[v]!, {}))
    return {
      code: 'rerun_pending',
      detail: `${graph.ids[v]} is about to be rerun; its running attempt is awaited`,
    };
  if (request.verb === 'confirm' && has(s, v, FLAG.CONFIRMED)) return { code: 'already_confirmed' };
  const allowed = rule.allowedIn.includes(state) || (request.supersede && rule.withSupersede.includes(state));
  if (!allowed)
    return {
      code: 'wrong_state',
      detail: `${request.verb} is not possible while ${graph.ids[v]} is ${state}`,
    };
  if (request.verb === 'withdraw' && !has(s, v, FLAG.CONFIRMED)) return { code: 'not_confirmed' };
  if (request.verb === 'force-pass') {
    const missing = (graph.forcePassRequires.get(v) ?? []).find(
      (u) => u < 0 || !isDoneOrAmong(m, u, together),
    );
    if (missing !== undefined)
      return {
        code: 'force_pass_requires',
        detail: `${graph.ids[v]} may be force-passed only after ${missing < 0 ? 'a flow that does not exist' : graph.ids[missing]} is done`,
      };
  }
  return { code: null };
}

/**
 * Whether the flow waits for the end of an old attempt: one that a rerun waits for, or a superseded one that has not reported its end. A
 * person may end that wait in any state.
 */
function isAwaited({ s }: Machine, v: number): boolean {
  return has(s, v, FLAG.ENDING) ? s.due[v] === 0 : has(s, v, FLAG.RERUN_PENDING) && s.result[v] === 0;
}

function isDoneOrAmong(m: Machine, u: number, together: ReadonlySet<number>): boolean {
  const state = stateOf(m.s, m.graph, u);
  return state === 'succeeded' || state === 'skipped' || state === 'force_passed' || together.has(u);
}

function perform(m: Machine, entry: OperationEntry, v: number): void {
  const verb = entry.request.verb;
  const { s } = m;
  const noted = (): void =>
    m.effect({ t: 'override', v, kind: verb, from: null, operation: entry.operation });
  const ended = (kind: string): void =>
    m.effect({ t: 'end_override', v, kinds: [kind], from: null, operation: entry.operation });
  switch (verb) {
    case 'force-pass':
      noted();
      forcePass(m, v);
      return;
    case 'skip':
      noted();
      m.setFlags(v, FLAG.SKIP);
      return;
    case 'unskip':
      ended('skip');
      m.setFlags(v, 0, FLAG.SKIP);
      return;
    case 'start-now':
      noted();
      m.effect({ t: 'triggered', v });
      m.setFlags(v, FLAG.TRIGGERED | FLAG.STARTED_NOW | (lacksUpstream(s, v) ? FLAG.TAINT_NEXT : 0));
      if (!has(s, v, FLAG.ENDING)) m.set(v, { due: 0 });
      return;
    case 'trigger':
      noted();
      trigger(m, v, entry.operation);
      return;
    case 'hold':
      noted();
      m.setFlags(v, FLAG.HELD);
      return;
    case 'unhold':
      ended('hold');
      m.setFlags(v, 0, FLAG.HELD);
      return;
    case 'expedite':
      noted();
      m.setFlags(v, FLAG.EXPEDITE);
      return;
    case 'cancel':
      // The result of a superseded attempt counts no more: nothing about the flow changes.
      if (!has(s, v, FLAG.ENDING)) {
        noted();
        if (has(s, v, FLAG.YIELDS)) dropPending(m, v);
        m.setFlags(v, FLAG.STOPPING);
      }
      m.effect(entry.request.forceEnd === true ? { t: 'stop', v, force: true } : { t: 'stop', v });
      return;
    case 'confirm':
      noted();
      confirm(m, v);
      return;
    case 'reject':
      noted();
      reject(m, v, entry.operation);
      return;
    case 'withdraw':
      ended('confirm');
      withdraw(m, v);
      return;
    case 'resolve':
      noted();
      resolve(m, v, entry.request.ran === true, entry.operation);
      return;
    case 'retire':
      noted();
      m.setFlags(v, FLAG.RETIRED, FLAG.MEMBER);
      return;
    case 'unretire':
      ended('retire');
      m.setFlags(v, 0, FLAG.RETIRED);
      return;
    default:
      throw new Error(`no flow verb: ${verb}`);
  }
}

/**
 * Triggers the flow. With `onTrigger: downstream` (protocol D3) flows below it that have a result get a new generation; those whose outcome is
 * unknown do not, as a person has to resolve them first. O(1), else O(V + E).
 */
export function trigger(m: Machine, v: number, operation: string | null): void {
  m.effect({ t: 'triggered', v });
  m.setFlags(v, FLAG.TRIGGERED);
  if (!m.graph.attrOf(v).onTrigger) return;
  const unknown = codeOf('outcome_unknown');
  const again = below(m.graph, [v]).filter(
    (d) => m.s.result[d] !== 0 && m.s.result[d] !== unknown && !has(m.s, d, FLAG.RETIRED),
  );
  m.setFlags(v, FLAG.MEMBER);
  for (const d of again) {
    m.setFlags(d, FLAG.MEMBER);
    beginGeneration(m, d, { root: false, keepWaives: false, ending: false, operation });
  }
  markStale(m, [v]);
}

/**
 * resolve: the program ran -> succeeded, tainted; it did not run -> the next attempt, which uses no retry. In both cases the person says that
 * the old attempt has ended. A rerun that waited for it begins now.
 */
function resolve(m: Machine, v: number, ran: boolean, operation: string): void {
  m.setFlags(v, 0, FLAG.ENDING);
  if (has(m.s, v, FLAG.RERUN_PENDING)) {
    if (ran) m.set(v, { result: codeOf('succeeded'), flags: m.s.flags[v]! | FLAG.TAINTED });
    m.set(v, { due: 0 });
    beginPending(m, v, operation);
  } else if (ran) finish(m, v, 'succeeded', true);
  else m.set(v, { result: 0, attempt: m.s.attempt[v]! + 1, flags: m.s.flags[v]! & ~FLAG.STALE, due: 0 });
}

/** Numbers of those edges that are subscriptions to other runs. */
const runsOf = (edges: readonly ListedEdge[]): number[] =>
  edges.flatMap((edge) => (edge.list === 'foreign' ? [edge.edge] : []));

const edgeName = ({ from, to, run }: EdgeName): string =>
  `${from}${run === undefined ? '' : ` (${run})`} -> ${to}`;

function onEdges(m: Machine, entry: OperationEntry): void {
  const { request } = entry;
  const rule = VERBS.get(request.verb)!;
  const checked = request.edges.map((edge) => checkEdge(m, rule, edge));
  const outcomes: FlowOutcome[] = checked.map((c, i) => ({
    flow: edgeName(request.edges[i]!),
    code: c.code,
    state: c.state,
    ...(c.detail === undefined ? {} : { detail: c.detail }),
  }));
  const good = checked.filter((c) => c.code === null);
  const bad = outcomes.find((o) => o.code !== null);
  if (bad !== undefined && (!request.partial || good.length === 0)) {
    refuse(m, entry, { code: bad.code!, detail: bad.detail ?? null }, outcomes);
    return;
  }
  const roles = new Set(
    good.flatMap((c) => neededRoles(m, request.verb, c.v, { from: c.u, runs: runsOf(c.edges) })),
  );
  if (!isEntitled(entry, [...roles])) {
    askApproval(m, entry, [...roles], outcomes);
    return;
  }
  for (const edge of good) {
    if (request.verb === 'waive') waive(m, edge, entry.operation);
    else unwaive(m, edge, entry.operation);
  }
  answer(m, entry, 'applied', { flows: outcomes, code: null, detail: null });
}
