/**
 * The state of one run as the coordinator holds it (protocol A2): a few numbers per flow in typed arrays, plus counters that follow
 * from them. Everything here is a function of the record: `store/record/run-state.ts` rebuilds it (protocol A9). No clock, no I/O.
 */
import type { Graph } from '../compiled/compact.ts';
import { isReleasing, PHASES, type Phase } from './status.ts';
import { type Subscription, type Subscriptions, subscriptionsOf } from './subscriptions.ts';

/** Bits of `run_flows.flags`. Databases store them: never give a bit another meaning. */
export const FLAG = {
  HELD: 1 << 0,
  SKIP: 1 << 1,
  EXPEDITE: 1 << 2,
  RETIRED: 1 << 3,
  /** This generation was triggered, by a person or by its event. */
  TRIGGERED: 1 << 4,
  /** start-now: unmet edges and the start time do not count. */
  STARTED_NOW: 1 << 5,
  /** A person confirmed it, perhaps before it was released; counts from the release on. */
  CONFIRMED: 1 << 6,
  /** An engine flow that succeeded before a rerun succeeds again without acting (`onRerun: keep`). */
  KEPT: 1 << 7,
  TAINTED: 1 << 8,
  STALE: 1 << 9,
  /** A running member of a plan with `running: wait` (protocol E3). */
  RERUN_PENDING: 1 << 10,
  /** With RERUN_PENDING: PENDING_ROOT = it is a root of the plan, KEEP_WAIVES = the plan keeps waives, YIELDS = it is a rule's (protocol F2). */
  PENDING_ROOT: 1 << 11,
  KEEP_WAIVES: 1 << 12,
  YIELDS: 1 << 20,
  /** Member of a rerun plan that has not been done again yet: members below it wait. */
  MEMBER: 1 << 13,
  /** An older attempt has not reported its end (protocol C7), so nothing is sent; when `due` is set, only until `due`. */
  ENDING: 1 << 14,
  /** An outbox row exists for (generation, attempt). */
  DISPATCHED: 1 << 15,
  /** The run was opened for other procedures only: waits for a trigger. */
  EXCLUDED: 1 << 16,
  /** A cancel was requested while it was sent or running. */
  STOPPING: 1 << 17,
  /** start-now has set aside an edge, or a member of a rerun plan: the result will be tainted. */
  TAINT_NEXT: 1 << 18,
  /** The catalogue leaves the flow out of rehearsals: it is skipped in every generation. */
  NOT_REHEARSED: 1 << 19,
} as const;

/** Kinds of failure with a retry budget each (protocol C4); position = byte in `used`. */
export const FAILURE_KINDS = ['program', 'infrastructure', 'timeout', 'lost'] as const;
export type FailureKind = (typeof FAILURE_KINDS)[number];

/** A moment at which people are notified about a flow that a person confirms. Fixed when the run is opened; lists are in order of time. */
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
  /** Everything due up to this instant has been handled. */
  timersAt: number;
  readonly openedAt: number;
  closed: boolean;
  /** Every flow is done or retired, so the coordinator may end its execution (protocol A8). */
  finished: boolean;
  /** Grace after a lost lease of a program that is not fenced (protocol C4). */
  readonly graceMs: number;
  readonly generation: Int32Array;
  readonly attempt: Int32Array;
  readonly result: Uint8Array;
  readonly flags: Int32Array;
  /** The engine looks at the flow again at this instant, ms; 0 = never. */
  readonly due: Float64Array;
  /** Start time from the catalogue; 0 = none. Constant. */
  readonly start: Float64Array;
  /** When this generation was released, ms; 0 = not yet. */
  readonly released: Float64Array;
  /** Retries used since the last answer, a byte for each of FAILURE_KINDS; for a flow of a person the number of moments that have passed. */
  readonly used: Int32Array;
  /** Time that counts towards `giveUpAfterMs` of a check in this generation, ms: its questions and the pauses after them (protocol D9). */
  readonly asked: Float64Array;
  readonly waived: Uint8Array;
  /** Edges to other runs (protocol A11). Constant. */
  readonly subscriptions: Subscriptions;
  /** Per invalid edge and per subscription: 1 = waived; per subscription: 1 = met, 2 = met by a tainted result. */
  readonly waivedInvalid: Uint8Array;
  readonly waivedForeign: Uint8Array;
  readonly foreignMet: Uint8Array;
  readonly moments: readonly PersonMoment[];
  /** Claims as the last exchange reported them: 0 not claimed or unknown, 1 sent, 2 started. The exchange verifies them before it writes. */
  readonly lease: Uint8Array;
  /** Index into PHASES as the record has it; a difference from the present phase has to be written (protocol D4). */
  readonly phase: Uint8Array;
  /** Derived: edges that are not met; open members of rerun plans among or above the upstream flows. */
  readonly unmet: Int32Array;
  readonly above: Int32Array;
  /** Flows that the next `decide` looks at. */
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

/** The state of a new run. To load a run, fill in its fields and call `derive` for the counters. */
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

/** Computes counters and phases from the stored fields, once after loading, and has `decide` look at every flow. O(V + E). */
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

/** Has the next `decide` look at every flow. O(V). */
export function lookAtAll(graph: Graph, s: RunState): void {
  s.dirty = Array.from({ length: graph.n }, (_, v) => v);
}

export function has(s: RunState, v: number, flag: number): boolean {
  return (s.flags[v]! & flag) !== 0;
}

/** Whether downstream flows may use the result. Never for a retired flow: it has left the graph, and its edges are invalid. */
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

/** Updates `above` of the flows below `from`, which became (+1), or is no longer (-1), an open member or a flow below one. */
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

/** Whether this generation may start as far as triggers go: `auto` and `time` need none, unless the run was opened for other procedures. */
export function isTriggered(graph: Graph, s: RunState, v: number): boolean {
  const flags = s.flags[v]!;
  if ((flags & (FLAG.TRIGGERED | FLAG.STARTED_NOW)) !== 0) return true;
  if ((flags & FLAG.EXCLUDED) !== 0) return false;
  const trigger = graph.attrOf(v).trigger;
  return trigger === 'auto' || trigger === 'time';
}

/** A member of a rerun plan waits for every open member above it in the full graph (protocol E3). */
export function waitsForMembers(s: RunState, v: number): boolean {
  return s.above[v]! > 0 && has(s, v, FLAG.MEMBER);
}

/** Whether an edge, or a member of a rerun plan above, is missing: what start-now would set aside. */
export function lacksUpstream(s: RunState, v: number): boolean {
  return s.unmet[v]! > 0 || waitsForMembers(s, v);
}

function upstreamMet(s: RunState, v: number): boolean {
  return has(s, v, FLAG.STARTED_NOW) || !lacksUpstream(s, v);
}

function timeReached(s: RunState, v: number): boolean {
  return s.due[v]! <= s.now && (s.start[v]! <= s.now || has(s, v, FLAG.STARTED_NOW));
}

/** Whether the flow may be released. By counters, in O(1); equivalent to 'blockers(v) is empty' (protocol D4). */
export function isReady(graph: Graph, s: RunState, v: number): boolean {
  return isSkippable(s, v) && isTriggered(graph, s, v);
}

/** Whether a flow with the override `skip` may be skipped now: it needs neither trigger nor person (docs/decisions/0003). */
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
 * The waiting state of a flow without result, or that it would have if no agent had claimed it (protocol D4). The first one that matches counts. An
 * attempt that never started goes back to the outbox only while this is `waiting_agent` (protocol C4).
 */
export function phaseOf(graph: Graph, s: RunState, v: number): Phase {
  if (!isTriggered(graph, s, v)) return 'not_triggered';
  if (has(s, v, FLAG.HELD)) return 'held';
  if (!upstreamMet(s, v) || has(s, v, FLAG.RERUN_PENDING)) return 'waiting_upstream';
  if (!timeReached(s, v)) return 'waiting_time';
  return graph.attrOf(v).runner === 'person' ? 'waiting_person' : 'waiting_agent';
}
