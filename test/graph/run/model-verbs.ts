/** What people may ask for, and what it does: the table of protocol E1 and the rules B3, B4, for the slow model of test/graph/run/model.ts. */

import { foreignRole } from '../../support/run-graph.ts';
import type { Model } from './model.ts';
import { beginPending, markStale, newGeneration } from './model-attempts.ts';

export interface Ask {
  readonly verb: string;
  readonly flows: readonly string[];
  readonly edges: readonly { readonly from: string; readonly to: string; readonly run?: string }[];
  readonly partial: boolean;
  readonly supersede: boolean;
  readonly forceEnd?: boolean;
  readonly ran: boolean | null;
  readonly plan: AskedPlan | null;
  readonly roles: readonly string[];
  readonly approvedBy: string | null;
}

export interface AskedPlan {
  readonly members: readonly {
    readonly flow: string;
    readonly generation: number;
    readonly result: number;
    readonly started: boolean;
  }[];
  readonly roots: readonly string[];
  readonly running: 'supersede' | 'wait';
  readonly keepWaives: boolean;
  readonly yields?: true;
  readonly agreed?: { readonly awaits: readonly { readonly from: string; readonly run: string }[] };
}

export interface Answer {
  readonly state: 'applied' | 'refused' | 'approval_required';
  readonly code: string | null;
  /** Per flow or edge, in the order asked. */
  readonly codes: readonly (string | null)[];
}

const NS = ['not_triggered', 'held', 'waiting_upstream', 'waiting_time', 'waiting_agent', 'waiting_person'];

/** Protocol E, second column. Sent and running are one state here. */
export const ALLOWED: Record<string, readonly string[]> = {
  'force-pass': [...NS, 'failed', 'cancelled', 'outcome_unknown'],
  skip: NS,
  unskip: NS,
  waive: NS,
  unwaive: NS,
  'start-now': ['not_triggered', 'waiting_upstream', 'waiting_time'],
  trigger: ['not_triggered'],
  hold: NS,
  unhold: NS,
  expedite: NS,
  cancel: ['running'],
  confirm: NS,
  reject: NS,
  withdraw: NS,
  resolve: ['outcome_unknown'],
  retire: [...NS, 'failed', 'cancelled'],
  unretire: ['retired'],
};

const GATE_VERBS = ['confirm', 'reject', 'withdraw'];

export function ask(m: Model, it: Ask): Answer {
  if (m.closed && it.verb !== 'reopen') return refused('run_closed', []);
  if (['pause', 'resume', 'close', 'reopen'].includes(it.verb)) {
    if (it.verb === 'close') m.closed = true;
    if (it.verb === 'reopen') m.closed = false;
    return { state: 'applied', code: null, codes: [] };
  }
  if (it.verb === 'rerun') return rerun(m, it.plan!);
  return it.verb === 'waive' || it.verb === 'unwaive' ? onEdges(m, it) : onFlows(m, it);
}

const refused = (code: string, codes: readonly (string | null)[]): Answer => ({
  state: 'refused',
  code,
  codes,
});

/** Protocol B3 and B4 for a list of targets. */
function decide<T>(
  it: Ask,
  targets: readonly T[],
  how: {
    check: (target: T, before: readonly T[]) => string | null;
    roles: (target: T) => string[];
    act: (target: T) => void;
  },
): Answer {
  const good: T[] = [];
  const codes = targets.map((target) => {
    const code = how.check(target, good);
    if (code === null) good.push(target);
    return code;
  });
  const bad = codes.find((code) => code !== null);
  if (bad != null && (!it.partial || good.length === 0)) return refused(bad, codes);
  const needed = good.flatMap(how.roles);
  if (it.approvedBy === null && !needed.every((role) => it.roles.includes(role)))
    return { state: 'approval_required', code: 'approval_required', codes };
  for (const target of good) how.act(target);
  return { state: 'applied', code: null, codes };
}

function onFlows(m: Model, it: Ask): Answer {
  return decide(it, [...new Set(it.flows)], {
    check: (id, before) => checkFlow(m, it, id, before),
    roles: (id) => gatesOverridden(m, it.verb, id),
    act: (id) => act(m, it, id),
  });
}

function checkFlow(m: Model, it: Ask, id: string, before: readonly string[]): string | null {
  const { verb } = it;
  if (!m.specs.has(id)) return 'unknown_flow';
  const f = m.of(id);
  const { runner, role } = m.attrs(id);
  if (GATE_VERBS.includes(verb)) {
    if (runner !== 'person') return 'not_a_gate';
    if (role !== null && !it.roles.includes(role)) return 'role_required';
  }
  const state = m.state(id);
  const awaited = (f.pending !== null && m.inHand(id)) || f.previous?.until === null;
  if (verb === 'cancel' && it.forceEnd === true && awaited) return null;
  // A rule's plan yields to persons.
  if (verb === 'cancel' && f.pending !== null && !f.pending.yields) return 'rerun_pending';
  if (verb === 'confirm' && (f.confirmed || state === 'succeeded')) return 'already_confirmed';
  const superseding = verb === 'force-pass' && it.supersede && state === 'running';
  if (!ALLOWED[verb]!.includes(state) && !superseding) return 'wrong_state';
  if (verb === 'withdraw' && !f.confirmed) return 'not_confirmed';
  if (verb === 'force-pass')
    for (const needed of m.spec(id).forcePassRequires ?? [])
      if (!m.isDone(needed) && !before.includes(needed)) return 'force_pass_requires';
  return null;
}

/** Protocol B4: the target is an undone gate, or has an unmet edge from one; key flows for a force-pass. */
function gatesOverridden(m: Model, verb: string, id: string): string[] {
  if (!['force-pass', 'skip', 'start-now'].includes(verb)) return [];
  const gates = verb === 'skip' ? [id] : [id, ...m.unmet(id)];
  return [
    ...gates.flatMap((g) => undoneGate(m, g)),
    ...(verb === 'force-pass' && m.attrs(id).key ? ['key'] : []),
  ];
}

function undoneGate(m: Model, id: string): string[] {
  const [from, run] = id.split('@') as [string, string | undefined];
  if (run !== undefined) return [foreignRole(from) ?? []].flat();
  if (!m.specs.has(id) || m.isDone(id)) return [];
  const { runner, role } = m.attrs(id);
  return runner === 'person' && role !== null ? [role] : [];
}

function act(m: Model, it: Ask, id: string): void {
  const f = m.of(id);
  switch (it.verb) {
    case 'force-pass':
      f.pending = null;
      if (m.inHand(id)) f.previous = { until: null };
      m.end(id, 'force_passed', true);
      break;
    case 'skip':
      f.skip = true;
      break;
    case 'unskip':
      f.skip = false;
      break;
    case 'start-now':
      Object.assign(f, { triggered: true, startedNow: true, notBefore: 0 });
      break;
    case 'trigger':
      trigger(m, id);
      break;
    case 'hold':
      f.held = true;
      break;
    case 'unhold':
      f.held = false;
      break;
    case 'expedite':
      f.expedite = true;
      break;
    case 'cancel':
      if (f.previous === null) {
        if (f.pending?.yields === true) f.pending = null;
        f.stopping = true;
      }
      break;
    case 'confirm':
      f.confirmed = true;
      break;
    case 'withdraw':
      f.confirmed = false;
      break;
    case 'reject':
      f.confirmed = false;
      m.end(id, 'failed', false);
      break;
    case 'resolve':
      resolve(m, id, it.ran === true);
      break;
    case 'retire':
      Object.assign(f, { retired: true, member: false });
      break;
    case 'unretire':
      f.retired = false;
      break;
    default:
      throw new Error(it.verb);
  }
}

/** Protocol D3: with `onTrigger: downstream`, descendants that have a result get a new generation. */
export function trigger(m: Model, id: string): void {
  m.of(id).triggered = true;
  if (!m.attrs(id).onTrigger) return;
  m.of(id).member = true;
  for (const d of m.below(id)) {
    const f = m.of(d);
    if (d === id || f.retired || f.outcome === null || f.outcome === 'outcome_unknown') continue;
    f.member = true;
    newGeneration(m, d, { root: false, keepWaives: false });
  }
  markStale(m, [id]);
}

/** A named event (protocol D1): the trigger of flows that wait for it. */
export function happen(m: Model, event: string): void {
  for (const id of m.ids) {
    const f = m.of(id);
    const attrs = m.attrs(id);
    if (attrs.trigger !== 'event' || attrs.event !== event || f.triggered || m.spec(id).excluded === true)
      continue;
    if (f.outcome === null && !f.retired) trigger(m, id);
    else f.triggered = true;
  }
}

function resolve(m: Model, id: string, ran: boolean): void {
  const f = m.of(id);
  f.previous = null;
  if (f.pending !== null) beginPending(m, id, ran ? 'succeeded' : 'outcome_unknown');
  else if (ran) m.end(id, 'succeeded', true);
  else {
    Object.assign(f, { outcome: null, stale: false, notBefore: 0 });
    f.attempt++;
  }
}

function onEdges(m: Model, it: Ask): Answer {
  const on = it.verb === 'waive';
  /** Within the run, or in the named run, or in every run that it waits for. */
  const meant = ({ from, to, run }: Ask['edges'][number]): string[] => {
    if (run === undefined && m.upstreams(to).includes(from)) return [from];
    return m
      .foreign(to)
      .filter((name) => (run === undefined ? name.split('@')[0] === from : name === `${from}@${run}`));
  };
  return decide(it, it.edges, {
    check: (edge) => {
      const { to } = edge;
      if (!m.specs.has(to)) return 'unknown_flow';
      if (meant(edge).length === 0) return 'unknown_edge';
      if (!ALLOWED[it.verb]!.includes(m.state(to))) return 'wrong_state';
      if (meant(edge).every((u) => m.of(to).waived.has(u) === on))
        return on ? 'already_waived' : 'not_waived';
      return null;
    },
    roles: (edge) => {
      const { waived } = m.of(edge.to);
      const undone = (u: string): boolean =>
        !u.includes('@') || (m.other.get(`${edge.to} <- ${u}`) ?? 0) === 0;
      return on ? meant(edge).flatMap((u) => (waived.has(u) || !undone(u) ? [] : undoneGate(m, u))) : [];
    },
    act: (edge) => {
      m.releaseAnew(edge.to);
      for (const u of meant(edge))
        if (on) m.of(edge.to).waived.add(u);
        else m.of(edge.to).waived.delete(u);
    },
  });
}

const CODES = [null, 'succeeded', 'failed', 'cancelled', 'skipped', 'force_passed', 'outcome_unknown'];

/** E, rerun plans: refused when anything that it rests on has changed. */
function rerun(m: Model, plan: AskedPlan): Answer {
  const codes = plan.members.map((member) => {
    if (!m.specs.has(member.flow)) return 'unknown_flow';
    const f = m.of(member.flow);
    const mayTakeOver = f.pending?.yields === true && plan.yields !== true;
    if (f.pending !== null && !mayTakeOver) return 'rerun_pending';
    if (f.outcome === 'outcome_unknown') return 'outcome_unknown';
    if (plan.agreed !== undefined) return f.retired ? 'plan_stale' : null;
    const same =
      f.generation === member.generation &&
      f.outcome === CODES[member.result] &&
      m.inHand(member.flow) === member.started &&
      !f.retired;
    return same ? null : 'plan_stale';
  });
  const bad = codes.find((code) => code !== null);
  if (bad != null && plan.agreed === undefined)
    return refused(
      bad,
      codes.filter((code) => code !== null),
    );
  const redone: string[] = [];
  const able = plan.members.filter((_, i) => codes[i] === null);
  for (const { flow } of able) {
    const f = m.of(flow);
    const how = {
      root: plan.roots.includes(flow),
      keepWaives: plan.keepWaives,
      yields: plan.yields === true,
    };
    f.member = true;
    if (m.inHand(flow) && plan.running === 'wait') f.pending = how;
    else if (m.inHand(flow) || f.outcome !== null) {
      newGeneration(m, flow, how);
      redone.push(flow);
    } else Object.assign(f, { startedNow: false, setAside: false });
  }
  markStale(m, redone);
  // What is redone with it in other runs is not done until they say so.
  for (const { from, run } of plan.agreed?.awaits ?? [])
    for (const id of m.ids)
      if ((m.other.get(`${id} <- ${from}@${run}`) ?? 0) !== 0) {
        m.releaseAnew(id);
        m.other.set(`${id} <- ${from}@${run}`, 0);
      }
  return { state: 'applied', code: null, codes };
}

/** Members of a plan, from the scope's words. */
export function membersOf(m: Model, roots: readonly string[], scope: string): string[] {
  const within = (from: readonly string[]): Set<string> =>
    new Set([...from, ...from.flatMap((id) => [...m.below(id)])]);
  const failed = (id: string): boolean => m.of(id).outcome === 'failed' || m.of(id).outcome === 'cancelled';
  let members = new Set(roots);
  if (scope === 'downstream') members = within(roots);
  if (scope === 'failed-downstream') {
    const broken = [...within(roots)].filter((id) => failed(id) && !m.of(id).retired);
    const waiting = [...within(broken)].filter((id) => m.of(id).outcome === null && !m.inHand(id));
    members = new Set([...broken, ...waiting]);
  }
  return m.ids.filter((id) => members.has(id) && !m.of(id).retired);
}
