/**
 * Everything that keeps a flow from starting (protocol D4). A flow without blockers is ready: this is the definition. A property test holds
 * the engine's counters (`isReady` of state.ts) to it, so that `why` cannot contradict the engine.
 */
import type { Graph } from '../compiled/compact.ts';
import { edgeMet, FLAG, has, isTriggered, type RunState } from './state.ts';

export type Blocker =
  | { readonly code: 'not_triggered' }
  | { readonly code: 'retired' }
  /** The run is closed: running attempts end, no flow starts. */
  | { readonly code: 'run_closed' }
  | { readonly code: 'held' }
  /** An edge whose upstream is not done; `loop` when the edge lies inside a loop, `dependency_invalid` when the upstream is gone. */
  | { readonly code: 'upstream' | 'loop' | 'dependency_invalid'; readonly from: string }
  | { readonly code: 'other_run'; readonly from: string; readonly run: string }
  /** Members of a rerun plan above it have not been done again yet. */
  | { readonly code: 'rerun_above'; readonly members: readonly string[] }
  | { readonly code: 'start_time' | 'retry_backoff'; readonly until: number }
  | { readonly code: 'previous_attempt_ending'; readonly until: number }
  | { readonly code: 'rerun_pending' };

/**
 * All blockers that the engine knows, for a flow without result. What a claim may still lack (slot, pool, lock, pause) is in the record.
 * O(in-degree); O(V + E) for a member of a rerun plan.
 */
export function blockers(graph: Graph, s: RunState, v: number): Blocker[] {
  const list: Blocker[] = [];
  if (s.closed) list.push({ code: 'run_closed' });
  if (has(s, v, FLAG.RETIRED)) list.push({ code: 'retired' });
  if (!isTriggered(graph, s, v)) list.push({ code: 'not_triggered' });
  if (has(s, v, FLAG.HELD)) list.push({ code: 'held' });
  if (has(s, v, FLAG.RERUN_PENDING)) list.push({ code: 'rerun_pending' });
  if (has(s, v, FLAG.ENDING)) list.push({ code: 'previous_attempt_ending', until: s.due[v]! });
  const setAside = has(s, v, FLAG.STARTED_NOW);
  if (!setAside) {
    for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++) {
      const u = graph.up[e]!;
      if (edgeMet(s, e, u)) continue;
      const code = has(s, u, FLAG.RETIRED)
        ? 'dependency_invalid'
        : graph.loopEdge[e] === 1
          ? 'loop'
          : 'upstream';
      list.push({ code, from: graph.ids[u]! });
    }
    for (let i = graph.invalidOff[v]!; i < graph.invalidOff[v + 1]!; i++)
      if (s.waivedInvalid[i] === 0) list.push({ code: 'dependency_invalid', from: graph.invalid[i]!.from });
    for (let i = s.subscriptions.off[v]!; i < s.subscriptions.off[v + 1]!; i++) {
      const { from, run } = s.subscriptions.list[i]!;
      if (s.foreignMet[i] === 0 && s.waivedForeign[i] === 0) list.push({ code: 'other_run', from, run });
    }
    if (s.start[v]! > s.now) list.push({ code: 'start_time', until: s.start[v]! });
    if (has(s, v, FLAG.MEMBER)) {
      const members = openMembersAbove(graph, s, v);
      if (members.length > 0) list.push({ code: 'rerun_above', members });
    }
  }
  if (!has(s, v, FLAG.ENDING) && s.due[v]! > s.now) list.push({ code: 'retry_backoff', until: s.due[v]! });
  return list;
}

/** Open members of rerun plans from which `v` is reachable without going through a loop's inner edges. O(V + E) at worst. */
export function openMembersAbove(graph: Graph, s: RunState, v: number): string[] {
  const seen = new Set<number>([v]);
  const stack = [v];
  const members: number[] = [];
  while (stack.length > 0) {
    const d = stack.pop()!;
    for (let e = graph.upOff[d]!; e < graph.upOff[d + 1]!; e++) {
      const u = graph.up[e]!;
      if (graph.loopEdge[e] === 1 || seen.has(u)) continue;
      seen.add(u);
      if (has(s, u, FLAG.MEMBER)) members.push(u);
      stack.push(u);
    }
  }
  return members.sort((a, b) => a - b).map((u) => graph.ids[u]!);
}
