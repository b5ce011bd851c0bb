/** Finds the final causes, what each of them blocks, and their order (docs/answers.md). graph/why/why.ts puts them into words. */

import { FLAG, has, isDone, isTriggered } from '../run/state.ts';
import { type Unmet, waitsForOthers } from '../run/unmet.ts';
import { type CauseSource, countBlocked } from './blocked.ts';
import type { Cause } from './cause.ts';
import type { CauseCode } from './causes.ts';
import type { Condition } from './condition.ts';
import { conditionsOf } from './conditions.ts';
import type { Situation } from './situation.ts';

/** A final cause before it is put into words: where it is, and what it blocks. */
export interface Found extends CauseSource {
  readonly flow: string;
  readonly condition: Condition;
  /** A flow that waits for it over an edge, for verbs about edges; null = none. */
  readonly to: string | null;
  blocks: number;
  /** The cause lies in another run, or that run is not there; `at`: the flows that wait for it. */
  readonly remote?: Remote;
  /** A cause of the asked run to which ways through other runs lead, too. */
  through?: Remote;
}

/** A final cause as other runs see it. */
export interface Remote {
  /** The same for the same cause, wherever it is met. */
  readonly id: string;
  readonly run: string;
  readonly flow: string | null;
  readonly code: CauseCode;
  readonly since: number | null;
  readonly key: boolean;
  /** It is left out of answers: that nothing begins in a closed run is a cause of the run. */
  readonly silent: boolean;
  /** As its own run found it; null: that run, or the flow, is not there, or the cause is the whole run. */
  readonly found: Found | null;
  /** Where ways to it end: at one of the flows `at` of `run`, and then at `last`, which is no flow of that run. */
  readonly ends: { readonly run: string; readonly at: readonly number[]; readonly last: string | null }[];
  readonly make: (chain: readonly string[], blocks: number) => Cause;
}

/** Other runs, for causes that lie there. */
export interface Others {
  /** The run that is asked about. */
  readonly home: {
    readonly at: Situation;
    readonly unmet: Unmet;
    /** Its flows that other runs wait for. */
    readonly targets: ReadonlySet<number>;
  };
  /** Replaces edges to other runs by the causes behind them. */
  expand(found: readonly Found[]): Found[];
  chains(targets: readonly number[]): ChainTo;
}

/** Ids from the nearest flow that was asked about to the cause; of flows in other runs `RUN/FLOW`. */
export type ChainTo = (remote: Remote) => string[];

/** Whether the cause is an edge to a flow of another run; its own earlier period is one. */
export const isEdge = ({ own, remote, condition: { code, by } }: Found): boolean =>
  own < 0 && remote === undefined && (code === 'other_run' || code === 'backlog') && by !== null;

/** The causes: conditions of final vertices, and what the visited vertices wait for outside the graph of the run. O(visited and their edges). */
export function finalCauses(
  at: Situation,
  unmet: Unmet,
  finals: readonly number[],
  visited: Iterable<number>,
  silentToo = false,
): Found[] {
  const { graph } = at;
  const found: Found[] = [];
  for (const v of finals) {
    const flow = graph.ids[v]!;
    if (unmet.loops.has(v)) {
      found.push(loopAt(at, unmet, v));
      continue;
    }
    for (const condition of conditionsOf(at, v, true)) {
      if (isSilent(at, condition) && !silentToo) continue;
      found.push({ flow, condition, own: v, at: [v], to: waitingFor(at, unmet, v), blocks: 0 });
    }
  }
  if (unmet.missing.size + unmet.foreign.size > 0) found.push(...outside(at, unmet, visited));
  return found;
}

/** Nothing begins in a closed run, and the answer says so of the run. */
export const isSilent = ({ s }: Situation, { code }: Condition): boolean =>
  s.closed && code === 'engine_pending';

function loopAt({ graph, facts }: Situation, unmet: Unmet, v: number): Found {
  const since = unmet.loops.get(v)!.reduce((last, u) => Math.max(last, facts.generationAt[u]!), 0);
  const condition: Condition = { code: 'loop', since, until: null, by: null, reason: null };
  return { flow: graph.ids[v]!, condition, own: v, at: [v], to: null, blocks: 0 };
}

function waitingFor({ graph }: Situation, unmet: Unmet, v: number): string | null {
  for (let k = graph.downOff[v]!; k < graph.downOff[v + 1]!; k++)
    if (unmet.edge[graph.downEdge[k]!] === 1) return graph.ids[graph.down[k]!]!;
  return null;
}

/**
 * Flows that do not exist, or are in another run: each is one cause for all flows that wait for it. Only what a visited flow waits for is a cause,
 * but all flows that it blocks are counted.
 */
function outside(at: Situation, unmet: Unmet, visited: Iterable<number>): Found[] {
  const { graph, facts } = at;
  const causes = new Map<string, Found & { at: number[]; condition: Condition }>();
  const add = (v: number, flow: string, code: CauseCode, by: string | null): void => {
    const id = `${flow} ${by ?? ''}`;
    const known = causes.get(id);
    if (known !== undefined) {
      known.at.push(v);
      if (code === 'backlog') known.condition = { ...known.condition, code };
      return;
    }
    const since = facts.generationAt[v]!;
    const condition: Condition = { code, since, until: null, by, reason: null };
    causes.set(id, { flow, condition, own: -1, at: [v], to: graph.ids[v]!, blocks: 0 });
  };
  for (const [v, list] of unmet.missing)
    for (const i of list) add(v, graph.invalid[i]!.from, 'dependency_invalid', null);
  for (const [v, list] of unmet.foreign)
    for (const i of list) {
      const { from, run } = at.s.subscriptions.list[i]!;
      // The same flow in an earlier period: a backlog (Q19).
      add(v, from, from === graph.ids[v] ? 'backlog' : 'other_run', run);
    }
  const reached = new Set(visited);
  return [...causes.values()].filter((cause) => cause.at.some((v) => reached.has(v)));
}

/** Conditions that a flow, or a loop by its first member, will still have when the flows that it waits for are done. */
export function localConditions(at: Situation, unmet: Unmet, v: number): Found[] {
  if (unmet.loops.has(v)) return [loopAt(at, unmet, v), ...flowConditions(at, v)];
  return flowConditions(at, v);
}

function flowConditions(at: Situation, v: number): Found[] {
  const { graph, s } = at;
  const own = FLAG.HELD | FLAG.ENDING | FLAG.RERUN_PENDING;
  const clear =
    (s.flags[v]! & own) === 0 &&
    isTriggered(graph, s, v) &&
    s.start[v]! <= s.now &&
    s.due[v]! <= s.now &&
    graph.attrOf(v).runner !== 'person';
  // Most flows have none of these, and computing all blockers takes longer than these comparisons.
  if (clear) return [];
  return conditionsOf(at, v, false).map((condition) => ({
    flow: graph.ids[v]!,
    condition,
    own: v,
    at: [v],
    to: null,
    blocks: 0,
  }));
}

/** One source for each vertex: all conditions of a vertex block the same flows. O(found). */
export function joined(found: readonly Found[]): { list: CauseSource[]; weights: number[]; of: number[] } {
  const list: CauseSource[] = [];
  const weights: number[] = [];
  const places = new Map<number, number>();
  const of = found.map((found) => {
    const known = found.own < 0 ? undefined : places.get(found.own);
    if (known !== undefined) {
      weights[known]!++;
      return known;
    }
    places.set(found.own, list.length);
    list.push(found);
    weights.push(1);
    return list.length - 1;
  });
  return { list, weights, of };
}

/** Sets how many flows each cause blocks, and sorts the causes in place. O((V + E) x causes / 32). */
export function sorted(at: Situation, found: Found[], unmet: Unmet): Found[] {
  if (found.length === 0) return found;
  const sources = joined(found);
  const { flows } = countBlocked(at.graph, at.s, unmet, { list: sources.list, weights: null });
  found.forEach((found, i) => {
    found.blocks = flows[sources.of[i]!]!;
  });
  return found.sort((a, b) => compare(at, a, b));
}

/** Order of causes: key flows first, then the longest open, then the one that blocks most flows. */
export function compare({ graph }: Situation, a: Found, b: Found): number {
  const key = ({ remote, own }: Found): number =>
    (remote === undefined ? own >= 0 && graph.attrOf(own).key : remote.key) ? 0 : 1;
  const since = ({ remote, condition }: Found): number =>
    remote === undefined ? condition.since : (remote.since ?? Number.MAX_VALUE);
  const place = ({ remote, flow }: Found): string => (remote === undefined ? flow : remote.id);
  const edge = ({ own, condition }: Found): string => (own < 0 ? `${condition.code} ${condition.by}` : '');
  return (
    key(a) - key(b) ||
    since(a) - since(b) ||
    b.blocks - a.blocks ||
    ordered(place(a), place(b)) ||
    ordered(edge(a), edge(b))
  );
}

const ordered = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Whether another flow waits for this one over an unmet edge. O(out-degree). */
export function isWaitedFor({ graph }: Situation, unmet: Unmet, v: number): boolean {
  for (let k = graph.downOff[v]!; k < graph.downOff[v + 1]!; k++)
    if (unmet.edge[graph.downEdge[k]!] === 1) return true;
  return false;
}

/** `visited`: flows that are not done, and retired flows for which others wait. `finals`: those of them that wait for no other flow. O(V + E). */
export function allOf(at: Situation, unmet: Unmet): { visited: number[]; finals: number[] } {
  const { graph, s } = at;
  const visited: number[] = [];
  const finals: number[] = [];
  for (let v = 0; v < graph.n; v++) {
    if (isDone(s, v) || (has(s, v, FLAG.RETIRED) && !isWaitedFor(at, unmet, v))) continue;
    visited.push(v);
    if (unmet.rep[v] === v && !waitsForOthers(graph, unmet, v)) finals.push(v);
  }
  return { visited, finals };
}
