/**
 * The state of one run as the coordinator holds it (protocol A2): a few numbers per flow in typed arrays, plus counters that follow
 * from them. Everything here is a function of the record: `store/record/run-state.ts` rebuilds it (A9). No clock, no I/O.
 */
import type { Graph } from '../compiled/compact.ts';
import { isReleasing, PHASES, type Phase } from './status.ts';
import { type Subscription, type Subscriptions, subscriptionsOf } from './subscriptions.ts';

/** Bits of `run_flows.flags`. A bit's number is in databases: never reuse one. */
export const FLAG = {
  HELD: 1 << 0,
  SKIP: 1 << 1,
  EXPEDITE: 1 << 2,
  RETIRED: 1 << 3,
  /** The manual trigger, or the event, of this generation was given. */
  TRIGGERED: 1 << 4,
  /** start-now: unmet edges and start time are set aside. */
  STARTED_NOW: 1 << 5,
  /** A person confirmed; counts when its turn comes. */
  CONFIRMED: 1 << 6,
  /** An engine flow that succeeded before a rerun succeeds again at its turn without acting (`onRerun: keep`). */
  KEPT: 1 << 7,
  TAINTED: 1 << 8,
  STALE: 1 << 9,
  /** A running member of a plan with `running: wait` (protocol E). */
  RERUN_PENDING: 1 << 10,
  /** With RERUN_PENDING: it is a root of the plan / the plan keeps waives. */
  PENDING_ROOT: 1 << 11,
  KEEP_WAIVES: 1 << 12,
  /** Member of a rerun plan, not done again yet: members below it wait. */
  MEMBER: 1 << 13,
  /** An older attempt has not reported its end (C7): nothing is sent. With `due`, only until then. */
  ENDING: 1 << 14,
  /** An outbox row exists for (generation, attempt). */
  DISPATCHED: 1 << 15,
  /** The run was opened for other procedures only: waits for a trigger. */
  EXCLUDED: 1 << 16,
  /** Cancel was asked while it was sent or running. */
  STOPPING: 1 << 17,
  /** start-now set an edge, or the wait for a rerun plan, aside: the result will be tainted. */
  TAINT_NEXT: 1 << 18,
  /** The catalogue leaves the flow out of rehearsals: it is skipped in every generation. */
  NOT_REHEARSED: 1 << 19,
} as const;

/** Kinds of failure with a retry budget each (C4); position = byte in `used`. */
export const FAILURE_KINDS = ['program', 'infrastructure', 'timeout', 'lost'] as const;
export type FailureKind = (typeof FAILURE_KINDS)[number];

/** A moment at which a person's flow wants attention: remind, escalate, deadline. Fixed when the run is opened. */
export interface PersonMoment {
  readonly v: number;
  readonly at: number;
  readonly kind: 'gate_reminder' | 'gate_escalation' | 'gate_deadline';
  readonly recipient: string;
}

export interface RunState {
  /** Number of the last exchange applied, last log row read, the record's clock then (ms). */
  exchange: number;
  cursor: number;
  now: number;
  /** Timers up to here have been looked at. */
  timersAt: number;
  readonly openedAt: number;
  closed: boolean;
  /** Every flow is done or retired: the run parks (A8). */
  finished: boolean;
  /** Grace after a lost lease of a program that is not fenced (C4). */
  readonly graceMs: number;
  readonly generation: Int32Array;
  readonly attempt: Int32Array;
  readonly result: Uint8Array;
  readonly flags: Int32Array;
  /** Engine looks again at this instant; 0 = never. */
  readonly due: Float64Array;
  /** Start time from the catalogue; 0 = none. Constant. */
  readonly start: Float64Array;
  /** When its turn came in this generation; 0 = not yet. */
  readonly released: Float64Array;
  /** Retry budget used since the last answer, a byte per kind of FAILURE_KINDS; for a person's flow the number of moments that have passed. */
  readonly used: Int32Array;
  /** Patience of a check used in this generation, ms: its questions, sent to answer, and the pauses after them (D9). */
  readonly asked: Float64Array;
  readonly waived: Uint8Array;
  /** Edges to other runs (A11). Constant. */
  readonly subscriptions: Subscriptions;
  /** Per invalid edge and per subscription: 1 = waived; per subscription: 1 = met, 2 = met by a tainted result. */
  readonly waivedInvalid: Uint8Array;
  readonly waivedForeign: Uint8Array;
  readonly foreignMet: Uint8Array;
  /** In order of time. */
  readonly moments: readonly PersonMoment[];
  /** What the last exchange said of claims: 0 not claimed or unknown, 1 sent, 2 started. Verified by the exchange before use. */
  readonly lease: Uint8Array;
  /** Index into PHASES as the record has it, so that a move among the waiting states is written (D4). */
  readonly phase: Uint8Array;
  /** Derived: edges that are not met; open members of rerun plans among or above the upstream flows. */
  readonly unmet: Int32Array;
  readonly above: Int32Array;
  /** To be evaluated by the next `decide`. */
  dirty: number[];
}

/** The stored fields of one flow. */
export interface FlowRow {
  generation: number;
  attempt: number;
  result: number;
  flags: number;
  due: number;
  used: number;
  asked: number;
}

/** What a fresh run or `loadRun` fills in; derived counters by `derive`. */
export function emptyState(
  graph: Graph,
  given: {
    openedAt: number;
    now: number;
    graceMs: number;
    subscriptions?: readonly Subscription[];
  },
): RunState {
  const { n, m } = graph;
  const subscriptions = subscriptionsOf(n, given.subscriptions ?? []);
  return {
    exchange: 0,
    cursor: 0,
    now: given.now,
    timersAt: 0,
    openedAt: given.openedAt,
    closed: false,
    finished: false,
    graceMs: given.graceMs,
    generation: new Int32Array(n).fill(1),
    attempt: new Int32Array(n).fill(1),
    result: new Uint8Array(n),
    flags: new Int32Array(n),
    due: new Float64Array(n),
    start: new Float64Array(n),
    released: new Float64Array(n),
    used: new Int32Array(n),
    asked: new Float64Array(n),
    waived: new Uint8Array(m),
    waivedInvalid: new Uint8Array(graph.invalid.length),
    subscriptions,
    waivedForeign: new Uint8Array(subscriptions.list.length),
    foreignMet: new Uint8Array(subscriptions.list.length),
    moments: [],
    lease: new Uint8Array(n),
    phase: new Uint8Array(n),
    unmet: new Int32Array(n),
    above: new Int32Array(n),
    dirty: [],
  };
}

/** A copy that may be changed freely; constants are shared. O(V + E), a memory copy. */
export function cloneState(s: RunState): RunState {
  return {
    ...s,
    generation: s.generation.slice(),
    attempt: s.attempt.slice(),
    result: s.result.slice(),
    flags: s.flags.slice(),
    due: s.due.slice(),
    released: s.released.slice(),
    used: s.used.slice(),
    asked: s.asked.slice(),
    waived: s.waived.slice(),
    waivedInvalid: s.waivedInvalid.slice(),
    waivedForeign: s.waivedForeign.slice(),
    foreignMet: s.foreignMet.slice(),
    lease: s.lease.slice(),
    phase: s.phase.slice(),
    unmet: s.unmet.slice(),
    above: s.above.slice(),
    dirty: s.dirty.slice(),
  };
}

/** Fills counters and phases from the stored fields, once after loading, and asks for every flow to be looked at. O(V + E). */
export function derive(graph: Graph, s: RunState): void {
  s.unmet.fill(0);
  s.above.fill(0);
  for (let v = 0; v < graph.n; v++) {
    for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++) {
      const u = graph.up[e]!;
      if (!edgeMet(s, e, u)) s.unmet[v]!++;
      if (graph.loopEdge[e] === 0 && isAbove(s, u)) s.above[v]!++;
    }
    for (let i = graph.invalidOff[v]!; i < graph.invalidOff[v + 1]!; i++)
      if (s.waivedInvalid[i] === 0) s.unmet[v]!++;
    for (let i = s.subscriptions.off[v]!; i < s.subscriptions.off[v + 1]!; i++)
      if (s.foreignMet[i] === 0 && s.waivedForeign[i] === 0) s.unmet[v]!++;
  }
  for (let v = 0; v < graph.n; v++) s.phase[v] = PHASES.indexOf(phaseOf(graph, s, v));
  lookAtAll(graph, s);
}

/** Asks `decide` to evaluate every flow. */
export function lookAtAll(graph: Graph, s: RunState): void {
  s.dirty = Array.from({ length: graph.n }, (_, v) => v);
}

export function has(s: RunState, v: number, flag: number): boolean {
  return (s.flags[v]! & flag) !== 0;
}

/** A result that downstream may use; a retired flow has left the graph, its edges are invalid. */
export function isDone(s: RunState, v: number): boolean {
  return isReleasing(s.result[v]!) && (s.flags[v]! & FLAG.RETIRED) === 0;
}

export function edgeMet(s: RunState, e: number, from: number): boolean {
  return s.waived[e] === 1 || isDone(s, from);
}

function isAbove(s: RunState, u: number): boolean {
  return (s.flags[u]! & FLAG.MEMBER) !== 0 || s.above[u]! > 0;
}

/**
 * The only way a flow's stored fields change. Keeps `unmet` and `above` of what lies downstream, and marks as dirty what may have
 * become ready or unready. O(out-degree), plus the flows below when membership in a rerun plan changes.
 */
export function assignFlow(graph: Graph, s: RunState, v: number, row: FlowRow): void {
  const wasDone = isDone(s, v);
  const wasAbove = isAbove(s, v);
  s.generation[v] = row.generation;
  s.attempt[v] = row.attempt;
  s.result[v] = row.result;
  s.flags[v] = row.flags;
  s.due[v] = row.due;
  s.used[v] = row.used;
  s.asked[v] = row.asked;
  s.dirty.push(v);
  const done = isDone(s, v);
  if (done !== wasDone) {
    for (let k = graph.downOff[v]!; k < graph.downOff[v + 1]!; k++) {
      if (s.waived[graph.downEdge[k]!] === 1) continue;
      const d = graph.down[k]!;
      s.unmet[d]! += done ? -1 : 1;
      s.dirty.push(d);
    }
  }
  if (isAbove(s, v) !== wasAbove) spreadAbove(graph, s, v, wasAbove ? -1 : 1);
}

/** Passes on that `from` began (+1) or ceased (-1) to stand for an open member above. */
function spreadAbove(graph: Graph, s: RunState, from: number, by: 1 | -1): void {
  const stack = [from];
  while (stack.length > 0) {
    const u = stack.pop()!;
    for (let k = graph.downOff[u]!; k < graph.downOff[u + 1]!; k++) {
      if (graph.loopEdge[graph.downEdge[k]!] === 1) continue;
      const d = graph.down[k]!;
      const before = isAbove(s, d);
      s.above[d]! += by;
      s.dirty.push(d);
      if (isAbove(s, d) !== before) stack.push(d);
    }
  }
}

export function assignWaive(graph: Graph, s: RunState, e: number, on: boolean): void {
  if ((s.waived[e] === 1) === on) return;
  const v = graph.edgeTo[e]!;
  const before = edgeMet(s, e, graph.up[e]!);
  s.waived[e] = on ? 1 : 0;
  const after = edgeMet(s, e, graph.up[e]!);
  if (before !== after) s.unmet[v]! += after ? -1 : 1;
  s.dirty.push(v);
}

export function assignWaiveInvalid(graph: Graph, s: RunState, i: number, on: boolean): void {
  if ((s.waivedInvalid[i] === 1) === on) return;
  s.waivedInvalid[i] = on ? 1 : 0;
  const v = graph.invalid[i]!.v;
  s.unmet[v]! += on ? -1 : 1;
  s.dirty.push(v);
}

export function assignForeign(s: RunState, i: number, met: number, waived: number): void {
  const before = s.foreignMet[i] !== 0 || s.waivedForeign[i] === 1;
  s.foreignMet[i] = met;
  s.waivedForeign[i] = waived;
  const after = met !== 0 || waived === 1;
  const { v } = s.subscriptions.list[i]!;
  if (before !== after) s.unmet[v]! += after ? -1 : 1;
  s.dirty.push(v);
}

/** Whether the trigger of this generation is there (auto and time need none; a run opened for other procedures needs one). */
export function isTriggered(graph: Graph, s: RunState, v: number): boolean {
  const flags = s.flags[v]!;
  if ((flags & (FLAG.TRIGGERED | FLAG.STARTED_NOW)) !== 0) return true;
  if ((flags & FLAG.EXCLUDED) !== 0) return false;
  const trigger = graph.attrOf(v).trigger;
  return trigger === 'auto' || trigger === 'time';
}

/** A member of a rerun plan waits for every open member above it in the full graph (protocol E, rerun plans). */
export function waitsForMembers(s: RunState, v: number): boolean {
  return s.above[v]! > 0 && has(s, v, FLAG.MEMBER);
}

/** Something above is missing that start-now would set aside: an edge, or a member of a rerun plan. */
export function lacksUpstream(s: RunState, v: number): boolean {
  return s.unmet[v]! > 0 || waitsForMembers(s, v);
}

function upstreamMet(s: RunState, v: number): boolean {
  return has(s, v, FLAG.STARTED_NOW) || !lacksUpstream(s, v);
}

function timeReached(s: RunState, v: number): boolean {
  return s.due[v]! <= s.now && (s.start[v]! <= s.now || has(s, v, FLAG.STARTED_NOW));
}

/** Nothing stands in the way but who carries it out. The counters' twin of 'blockers(v) is empty' (protocol D4). */
export function isReady(graph: Graph, s: RunState, v: number): boolean {
  return isSkippable(s, v) && isTriggered(graph, s, v);
}

/** A skipped flow needs neither trigger nor person: its decision was the operator's (docs/decisions/0003). */
export function isSkippable(s: RunState, v: number): boolean {
  return (
    !s.closed &&
    s.result[v] === 0 &&
    (s.flags[v]! & (FLAG.RETIRED | FLAG.HELD | FLAG.ENDING | FLAG.RERUN_PENDING)) === 0 &&
    upstreamMet(s, v) &&
    timeReached(s, v)
  );
}

/**
 * Where a flow without result waits, or would wait if its attempt were gone (D4): the first that matches wins. A claim that never
 * started goes back to the outbox only while this is `waiting_agent` (C4).
 */
export function phaseOf(graph: Graph, s: RunState, v: number): Phase {
  if (!isTriggered(graph, s, v)) return 'not_triggered';
  if (has(s, v, FLAG.HELD)) return 'held';
  if (!upstreamMet(s, v) || has(s, v, FLAG.RERUN_PENDING)) return 'waiting_upstream';
  if (!timeReached(s, v)) return 'waiting_time';
  return graph.attrOf(v).runner === 'person' ? 'waiting_person' : 'waiting_agent';
}
