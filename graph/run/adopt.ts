/** Moves a run to another catalogue version (protocol D8): maps its state by flow id and says what that changes. Pure. */

import { edgeId, type Graph } from '../compiled/compact.ts';
import { type Blocker, blockers } from './blockers.ts';
import { derive, emptyState, FLAG, has, type RunState } from './state.ts';
import { isClaimed } from './state-of.ts';
import { type Subscription, subscribersTo } from './subscriptions.ts';

export interface Target {
  readonly graph: Graph;
  readonly subscriptions: readonly Subscription[];
  /** Start times by vertex, 0 = none. */
  readonly starts: Float64Array;
  /** Flags of a flow that is new to the run, as the opening of a run would set them. */
  readonly flagsOf: (v: number) => number;
}

export interface NewBlocker {
  readonly flow: string;
  readonly code: Blocker['code'];
  readonly from: string | null;
  readonly run: string | null;
}

export interface Adoption {
  readonly state: RunState;
  /** Blockers that a flow has afterwards and did not have before; only flows that are in both versions. */
  readonly newBlockers: readonly NewBlocker[];
  /** Flows that were blocked before and are not afterwards. */
  readonly freed: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Those of `removed` that have started: the run must keep them. */
  readonly started: readonly string[];
  /** Waives that are in force on edges that the new version lacks. */
  readonly lapsed: readonly { readonly from: string; readonly run: string | null; readonly to: string }[];
}

/**
 * The state of the run by the new version. A flow that an agent has claimed stays with the agent; a release that nobody has claimed is made
 * again. O(V + E).
 */
export function adopt(old: Graph, before: RunState, target: Target): Adoption {
  const { graph } = target;
  const s = emptyState(graph, {
    openedAt: before.openedAt,
    now: before.now,
    graceMs: before.graceMs,
    subscriptions: target.subscriptions,
  });
  s.closed = before.closed;
  s.finished = before.finished;
  s.start.set(target.starts);
  const oldIndex = old.index;
  const { index } = graph;
  const added: string[] = [];
  graph.ids.forEach((id, v) => {
    const u = oldIndex.get(id);
    if (u === undefined) {
      added.push(id);
      s.flags[v] = target.flagsOf(v);
    } else copyFlow(before, u, s, v);
  });
  const lapsed = copyEdges({ graph: old, s: before }, { graph, s });
  derive(graph, s);
  const removed = old.ids.filter((id) => !index.has(id));
  const changes = blockerChanges({ graph: old, s: before }, { graph, s });
  const started = removed.filter((id) => hasHistory(before, oldIndex.get(id)!));
  return { state: s, ...changes, added, removed, started, lapsed };
}

function copyFlow(before: RunState, u: number, s: RunState, v: number): void {
  s.generation[v] = before.generation[u]!;
  s.attempt[v] = before.attempt[u]!;
  s.result[v] = before.result[u]!;
  s.flags[v] = before.flags[u]!;
  s.due[v] = before.due[u]!;
  s.used[v] = before.used[u]!;
  s.asked[v] = before.asked[u]!;
  s.released[v] = before.released[u]!;
  s.lease[v] = before.lease[u]!;
  if (!has(s, v, FLAG.DISPATCHED) || isClaimed(s, v)) return;
  // Its definition may differ now: the release is taken back, and made again from the new one.
  s.flags[v]! &= ~(FLAG.DISPATCHED | FLAG.TAINTED | FLAG.STALE);
  s.released[v] = 0;
}

function hasHistory(s: RunState, u: number): boolean {
  return s.result[u] !== 0 || isClaimed(s, u) || s.generation[u]! > 1 || s.attempt[u]! > 1;
}

/** A run by one of the two catalogue versions. */
interface Side {
  readonly graph: Graph;
  readonly s: RunState;
}

/** Copies waives and the state of subscriptions to the edges that are in both versions. Returns the waives whose edge is gone. */
function copyEdges(from: Side, to: Side): Adoption['lapsed'] {
  const { graph: old, s: before } = from;
  const { graph, s } = to;
  const { index } = graph;
  const lapsed: { from: string; run: string | null; to: string }[] = [];
  const place = (from: string, to: string): void => {
    const [u, v] = [index.get(from), index.get(to)];
    const edge = u === undefined || v === undefined ? -1 : edgeId(graph, u, v);
    const invalid = edge >= 0 ? -1 : graph.invalid.findIndex((entry) => entry.v === v && entry.from === from);
    if (edge >= 0) s.waived[edge] = 1;
    else if (invalid >= 0) s.waivedInvalid[invalid] = 1;
    else lapsed.push({ from, run: null, to });
  };
  before.waived.forEach((on, e) => {
    if (on === 1) place(old.ids[old.up[e]!]!, old.ids[old.edgeTo[e]!]!);
  });
  before.waivedInvalid.forEach((on, i) => {
    if (on === 1) place(old.invalid[i]!.from, old.ids[old.invalid[i]!.v]!);
  });
  before.subscriptions.list.forEach(({ v: u, from, run }, i) => {
    const to = old.ids[u]!;
    const v = index.get(to);
    const same = subscribersTo(s.subscriptions, run, from).find(
      (entry) => s.subscriptions.list[entry]!.v === v,
    );
    if (same !== undefined) {
      s.foreignMet[same] = before.foreignMet[i]!;
      s.waivedForeign[same] = before.waivedForeign[i]!;
    } else if (before.waivedForeign[i] === 1) lapsed.push({ from, run, to });
  });
  return lapsed;
}

const keyOf = (blocker: Blocker): string =>
  `${blocker.code} ${'from' in blocker ? blocker.from : ''} ${'run' in blocker ? blocker.run : ''}`;

function blockerChanges(from: Side, to: Side): Pick<Adoption, 'newBlockers' | 'freed'> {
  const { graph: old, s: before } = from;
  const { graph, s } = to;
  const newBlockers: NewBlocker[] = [];
  const freed: string[] = [];
  graph.ids.forEach((flow, v) => {
    const u = old.index.get(flow);
    if (u === undefined || s.result[v] !== 0 || isClaimed(s, v)) return;
    const known = blockers(old, before, u);
    const keys = new Set(known.map(keyOf));
    const now = blockers(graph, s, v);
    for (const blocker of now)
      if (!keys.has(keyOf(blocker)))
        newBlockers.push({
          flow,
          code: blocker.code,
          from: 'from' in blocker ? blocker.from : null,
          run: 'run' in blocker ? blocker.run : null,
        });
    if (now.length === 0 && known.length > 0) freed.push(flow);
  });
  return { newBlockers, freed };
}
