/** What follows from a state without further news: ready flows are released, and releases of flows that are not ready any more are taken back. */
import { reachOf } from '../compiled/reach.ts';
import type { Machine } from './machine.ts';
import {
  edgeMet,
  FLAG,
  has,
  isDone,
  isReady,
  isSkippable,
  lacksUpstream,
  phaseOf,
  type RunState,
} from './state.ts';
import { isClaimed } from './state-of.ts';
import { codeOf, isReleasing, PHASES, type Result } from './status.ts';

const SUCCEEDED = codeOf('succeeded');
const FORCE_PASSED = codeOf('force_passed');

/** Overrides that are in force while a flag is set. */
const OVERRIDES: readonly (readonly [number, string])[] = [
  [FLAG.SKIP, 'skip'],
  [FLAG.EXPEDITE, 'expedite'],
  [FLAG.STARTED_NOW, 'start-now'],
  [FLAG.CONFIRMED, 'confirm'],
];

/** Notes that overrides of the flow are no longer in force: those whose flag is set and among `flags`, and `kinds`. */
export function endOverrides(
  m: Machine,
  v: number,
  ended: { readonly flags: number; readonly kinds?: readonly string[] },
  operation: string | null,
): void {
  const gone = m.s.flags[v]! & ended.flags;
  const byFlag = OVERRIDES.flatMap(([flag, kind]) => ((gone & flag) === 0 ? [] : [kind]));
  const kinds = [...byFlag, ...(ended.kinds ?? [])];
  if (kinds.length > 0) m.effect({ t: 'end_override', v, kinds, from: null, operation });
}

/**
 * Looks at every dirty flow until nothing follows any more. First it takes back releases of flows that are not ready, even when they will be
 * ready again at once: such a release rested on something that is gone. Then it releases what is ready, in any order, as a release only
 * makes further flows ready. O(changed flows and their edges).
 */
export function settle(m: Machine): void {
  const queue = m.s.dirty;
  for (let i = queue.length - 1; i >= 0; i--) {
    noteSetAside(m, queue[i]!);
    takeBackUnready(m, queue[i]!);
  }
  for (let head = 0; head < queue.length; head++) releaseReady(m, queue[head]!);
  for (const v of new Set(queue)) notePhase(m, v);
  m.s.dirty.length = 0;
}

/**
 * start-now sets unmet edges aside, also one that becomes unmet after it. Then the flow's result will be tainted (protocol D6): a release that nobody
 * has claimed is taken back, so that the flow is released again with the taint.
 */
function noteSetAside(m: Machine, v: number): void {
  const { s } = m;
  if (s.result[v] !== 0 || !has(s, v, FLAG.STARTED_NOW) || has(s, v, FLAG.TAINT_NEXT)) return;
  if (!lacksUpstream(s, v)) return;
  takeBackUnclaimed(m, v);
  m.setFlags(v, FLAG.TAINT_NEXT);
}

function takeBackUnready(m: Machine, v: number): void {
  const { s, graph } = m;
  if (s.closed || s.result[v] !== 0 || isClaimed(s, v)) return;
  if (isReady(graph, s, v) && !has(s, v, FLAG.SKIP)) return;
  if (has(s, v, FLAG.DISPATCHED)) {
    m.undispatch(v);
    dropPending(m, v);
  } else if (s.released[v] !== 0 && graph.attrOf(v).runner === 'person') m.markReleased(v, false);
}

function releaseReady(m: Machine, v: number): void {
  const { s, graph } = m;
  if (has(s, v, FLAG.DISPATCHED)) return;
  if (has(s, v, FLAG.SKIP)) {
    if (isSkippable(s, v)) finish(m, v, 'skipped', true);
  } else if (isReady(graph, s, v)) release(m, v);
}

/** Takes back a release that no agent has claimed, because something that it rests on changes. `settle` releases the flow again. */
export function takeBackUnclaimed(m: Machine, v: number): void {
  m.expectAsKnown(v);
  if (has(m.s, v, FLAG.DISPATCHED) && !isClaimed(m.s, v)) m.undispatch(v);
}

/** Notes a move from one waiting state to another. For a claimed flow it holds only while the flow is still claimed (protocol C4). */
function notePhase(m: Machine, v: number): void {
  const { s, graph } = m;
  if (s.result[v] !== 0 || s.phase[v] === PHASES.indexOf(phaseOf(graph, s, v))) return;
  m.touch(v);
  if (isClaimed(s, v)) m.expect(v, 2);
}

/** Releases the flow: agents find it in the outbox, a person is waited for, the engine acts at once. */
function release(m: Machine, v: number): void {
  const { s, graph } = m;
  const attrs = graph.attrOf(v);
  if (s.released[v] === 0) m.markReleased(v, true);
  const tainted = inheritsTaint(m, v);
  switch (attrs.runner) {
    case 'agent':
      m.setFlags(v, FLAG.DISPATCHED | (tainted ? FLAG.TAINTED : 0));
      return;
    case 'person':
      if (has(s, v, FLAG.CONFIRMED)) finish(m, v, 'succeeded', tainted);
      return;
    case 'engine':
      if (!has(s, v, FLAG.KEPT)) m.effect({ t: 'notice', v, kind: 'notify', recipient: null });
      finish(m, v, 'succeeded', tainted);
      return;
    default:
      attrs.runner satisfies never;
  }
}

/** Whether a flow that is released now is tainted (protocol D6): an edge is set aside, or it uses a tainted result. O(in-degree). */
export function inheritsTaint(m: Machine, v: number): boolean {
  const { s, graph } = m;
  if (has(s, v, FLAG.TAINT_NEXT)) return true;
  for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++) {
    const u = graph.up[e]!;
    if (s.waived[e] === 1 || (isDone(s, u) && has(s, u, FLAG.TAINTED))) return true;
  }
  for (let i = graph.invalidOff[v]!; i < graph.invalidOff[v + 1]!; i++)
    if (s.waivedInvalid[i] === 1) return true;
  for (let i = s.subscriptions.off[v]!; i < s.subscriptions.off[v + 1]!; i++)
    if (s.waivedForeign[i] === 1 || s.foreignMet[i] === 2) return true;
  return false;
}

/** Ends the generation with a result. A releasing result ends its membership in a rerun plan and frees downstream flows. */
export function finish(m: Machine, v: number, result: Result, tainted: boolean): void {
  const { s } = m;
  const code = codeOf(result);
  const off =
    FLAG.DISPATCHED |
    FLAG.STOPPING |
    FLAG.TAINTED |
    FLAG.EXPEDITE |
    (isReleasing(code) ? FLAG.MEMBER : 0) |
    (result === 'skipped' ? 0 : FLAG.SKIP);
  const on = tainted ? FLAG.TAINTED : 0;
  endOverrides(m, v, { flags: off }, null);
  const ending = has(s, v, FLAG.ENDING);
  m.set(v, { result: code, flags: (s.flags[v]! & ~off) | on, due: ending ? s.due[v]! : 0 });
  s.lease[v] = 0;
}

/**
 * Begins the next generation of a flow that has a result or is in progress (protocol E1, column 'at a new generation').
 * `ending`: an attempt of the old generation is still open; the new one waits for its end or its grace (protocol C7).
 */
export function beginGeneration(
  m: Machine,
  v: number,
  options: {
    root: boolean;
    keepWaives: boolean;
    ending: boolean;
    operation: string | null;
  },
): void {
  const { s, graph } = m;
  const before = m.row(v);
  const attrs = graph.attrOf(v);
  m.effect({
    t: 'generation',
    v,
    generation: before.generation,
    result: before.result,
    flags: before.flags,
    operation: options.operation,
  });
  const succeeded = before.result === SUCCEEDED;
  const keeps = attrs.onRerun === 'keep';
  let flags = before.flags & (FLAG.HELD | FLAG.RETIRED | FLAG.EXCLUDED | FLAG.MEMBER | FLAG.NOT_REHEARSED);
  if (has(s, v, FLAG.NOT_REHEARSED)) flags |= FLAG.SKIP;
  if (keeps) flags |= before.flags & FLAG.TRIGGERED;
  if (keeps && succeeded && !options.root) {
    if (attrs.runner === 'person') flags |= FLAG.CONFIRMED;
    if (attrs.runner === 'engine') flags |= FLAG.KEPT;
  }
  if (options.ending || has(s, v, FLAG.ENDING)) flags |= FLAG.ENDING;
  const due = has(s, v, FLAG.ENDING) ? before.due : 0;
  const kinds = before.result === FORCE_PASSED ? ['force-pass'] : [];
  endOverrides(m, v, { flags: ~flags, kinds }, options.operation);
  if (!options.keepWaives) lapseWaives(m, v, options.operation);
  const used = attrs.runner === 'person' ? before.used : 0;
  m.set(v, { generation: before.generation + 1, attempt: 1, result: 0, flags, due, used, asked: 0 });
  m.markReleased(v, false);
  s.lease[v] = 0;
}

/** A rerun that waits for the present attempt, and how it goes on. */
export const PENDING = FLAG.RERUN_PENDING | FLAG.PENDING_ROOT | FLAG.KEEP_WAIVES | FLAG.YIELDS;

/** An edge of one of the three lists, with its upstream; `run` is given when the upstream is in another run. */
export interface ListedEdge {
  readonly list: 'edge' | 'invalid' | 'foreign';
  readonly edge: number;
  readonly from: string;
  readonly run?: string;
}

function waivesOf(m: Machine, v: number): ListedEdge[] {
  const { s, graph } = m;
  const found: ListedEdge[] = [];
  for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++)
    if (s.waived[e] === 1) found.push({ list: 'edge', edge: e, from: graph.ids[graph.up[e]!]! });
  for (let i = graph.invalidOff[v]!; i < graph.invalidOff[v + 1]!; i++)
    if (s.waivedInvalid[i] === 1) found.push({ list: 'invalid', edge: i, from: graph.invalid[i]!.from });
  for (let i = s.subscriptions.off[v]!; i < s.subscriptions.off[v + 1]!; i++) {
    const { from, run } = s.subscriptions.list[i]!;
    if (s.waivedForeign[i] === 1) found.push({ list: 'foreign', edge: i, from, run });
  }
  return found;
}

function lapseWaives(m: Machine, v: number, operation: string | null): void {
  for (const { list, edge, ...from } of waivesOf(m, v)) {
    m.waive(list, edge, false);
    m.effect({ t: 'end_override', v, kinds: ['waive'], ...from, operation });
  }
}

/**
 * Marks as stale every flow below `roots` that has a result or is in progress: it has used an older effect of them (protocol D6). Flows that are
 * about to be redone are left out, and so are flows that have not started. The group expects each flow to be claimed, or not, as it is known here
 * (protocol A5). The exchange reports it to other runs (protocol A11); `via` are the runs through which the news came. O(V + E).
 */
export function markStale(m: Machine, roots: readonly number[], via: readonly string[] = []): void {
  if (roots.length === 0) return;
  m.effect({ t: 'redone', roots, via });
  const { order, distance } = reachOf(m.graph, roots);
  for (const v of order) if (distance[v]! > 0) becomeStale(m, v);
}

function becomeStale(m: Machine, v: number): void {
  const { s } = m;
  if (has(s, v, FLAG.RERUN_PENDING)) return;
  m.expectAsKnown(v);
  if (hasStarted(s, v) && !has(s, v, FLAG.STALE)) m.setFlags(v, FLAG.STALE);
}

/** Something that these flows used of another run was redone, or has another effect: they and started flows below them become stale. */
export function markStaleFrom(m: Machine, flows: readonly number[], via: readonly string[]): void {
  for (const v of flows) becomeStale(m, v);
  markStale(m, flows, via);
}

/** Whether the flow has a result, or an agent has claimed it. */
export function hasStarted(s: RunState, v: number): boolean {
  return s.result[v] !== 0 || isClaimed(s, v);
}

/**
 * Ends the wait of a rerun (`running: wait`) for the present attempt of the flow: it has ended without having started, its release was taken back,
 * or the flow is force-passed. The rerun then begins no generation: the flow is a member of the plan that has not started (protocol E3).
 */
export function dropPending(m: Machine, v: number): void {
  if (!has(m.s, v, FLAG.RERUN_PENDING)) return;
  m.setFlags(v, 0, PENDING | FLAG.STOPPING);
}

/** Upstream flows whose edges are not met: what start-now and force-pass set aside. O(in-degree). */
export function unmetUpstreams(m: Machine, v: number): number[] {
  const { s, graph } = m;
  const list: number[] = [];
  for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++) {
    const u = graph.up[e]!;
    if (!edgeMet(s, e, u)) list.push(u);
  }
  return list;
}
