/** Why flows of a run have not run: the answer for all of them, or for a selection, in one pass. The rules are those for one flow (why.ts). */

import type { Graph } from '../compiled/compact.ts';
import type { WhyFacts } from '../run/run-facts.ts';
import type { RunState } from '../run/state.ts';
import { stateOf } from '../run/state-of.ts';
import type { State } from '../run/status.ts';
import { isOpen, type Unmet, unmetOf } from '../run/unmet.ts';
import { walkUp } from '../run/unmet-walk.ts';
import type { Sentence } from '../text/sentence.ts';
import { countBlocked, firstCauses } from './blocked.ts';
import type { Cause } from './cause.ts';
import type { CauseCode } from './causes.ts';
import { compare, type Found, joined, type Others, type Remote } from './found-causes.ts';
import { Situation } from './situation.ts';
import { causeOf, causesReached, isAcross, ofRun, wayTo } from './why.ts';

export interface WhyRun {
  /** Number of flows that were asked about. */
  readonly asked: number;
  /** Number of open flows among them. */
  readonly open: number;
  readonly causes: readonly Cause[];
  readonly causeCount: number;
  /** Open flows in topological order. */
  readonly flows: readonly WhyLine[];
  readonly text: Sentence;
}

export interface WhyLine {
  readonly flow: string;
  readonly state: State;
  readonly causes: number;
  readonly first: { readonly flow: string | null; readonly code: CauseCode } | null;
}

export interface WhyRunAsked {
  /** Maximum number of causes in the answer. Default: 100. */
  readonly limit?: number;
  /** Vertices that are asked about; null = all. */
  readonly asked?: readonly number[] | null;
  /** Without `asked`: each cause gets a chain, which begins at the nearest flow for which no other flow waits. Default: no chains. */
  readonly chains?: boolean;
  /** Other runs: with them edges to other runs are replaced by the causes behind them. Default: the edges are causes. */
  readonly others?: Others | null;
}

/**
 * Answers for each open flow the number of its final causes and the first of them, and for each cause the number of open flows of the run that
 * it blocks. The chain of a cause begins at the nearest flow that was asked about. O(V + E), and 1/32 of that for each cause.
 */
export function whyRun(graph: Graph, s: RunState, facts: WhyFacts, how: WhyRunAsked = {}): WhyRun {
  const { limit = 100, asked = null, chains = false, others = null } = how;
  const at = others?.home.at ?? new Situation(graph, s, facts);
  const unmet = others?.home.unmet ?? unmetOf(graph, s);
  const targets = asked?.filter((v) => isOpen(s, v)) ?? (chains ? endsOf(graph, s, unmet) : null);
  const walk = targets === null ? null : walkUp(graph, unmet, targets);
  const found = causesReached(at, unmet, asked === null ? null : walk, others);
  const { order, counts } = ranked(at, unmet, found);
  const general = ofRun(at, unmet);
  const flows = linesOf(at, unmet, { order, counts, general }, asked);
  const ofAll = asked !== null && flows.length === 0 ? [] : general;
  const shown = order.slice(0, limit);
  const across = targets !== null && shown.some(isAcross) ? others!.chains(targets) : null;
  const chain = (entry: Found): readonly string[] => {
    if (walk !== null) return wayTo(at, unmet, { walk, across }, entry);
    return entry.remote === undefined ? [entry.flow] : [nameOf(entry.remote)];
  };
  const causes = [...ofAll, ...shown.map((entry) => causeOf(at, entry, unmet, chain(entry)))];
  const causeCount = ofAll.length + order.length;
  return {
    asked: asked?.length ?? graph.n,
    open: flows.length,
    causes,
    causeCount,
    flows,
    text: textOf(facts.run, { asked: asked?.length ?? null, open: flows.length, causes, causeCount }),
  };
}

const nameOf = ({ run, flow }: Remote): string => (flow === null ? run : `${run}/${flow}`);

const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

/** Open flows for which no other flow waits. O(V + E). */
function endsOf(graph: Graph, s: RunState, unmet: Unmet): number[] {
  const waitedFor = new Uint8Array(graph.n);
  for (let e = 0; e < graph.m; e++) if (unmet.edge[e] === 1) waitedFor[graph.up[e]!] = 1;
  const ends: number[] = [];
  for (let v = 0; v < graph.n; v++) if (waitedFor[v] === 0 && isOpen(s, v)) ends.push(v);
  return ends;
}

/** Counts the flows that each cause blocks, and sorts `found` in place (`compare`). `counts`: per vertex the number of its final causes. */
function ranked(at: Situation, unmet: Unmet, found: Found[]): { order: Found[]; counts: Int32Array } {
  const sources = joined(found);
  const counted = countBlocked(at.graph, at.s, unmet, sources);
  found.forEach((found, i) => {
    found.blocks = counted.flows[sources.of[i]!]!;
  });
  return { order: found.sort((a, b) => compare(at, a, b)), counts: counted.causes };
}

function linesOf(
  at: Situation,
  unmet: Unmet,
  { order, counts, general }: { order: readonly Found[]; counts: Int32Array; general: readonly Cause[] },
  asked: readonly number[] | null,
): WhyLine[] {
  const { graph, s } = at;
  const first = firstCauses(graph, unmet, order);
  const top = general[0];
  const line = (v: number): WhyLine => {
    const mine = order[first[v]!];
    const cause = top ?? (mine === undefined ? undefined : placeOf(mine));
    return {
      flow: graph.ids[v]!,
      state: stateOf(s, graph, v),
      causes: counts[v]! + general.length,
      first: cause === undefined ? null : { flow: cause.flow, code: cause.code },
    };
  };
  const lines: WhyLine[] = [];
  if (asked === null) {
    for (let v = 0; v < graph.n; v++) if (isOpen(s, v)) lines.push(line(v));
  } else for (const v of asked.toSorted((a, b) => a - b)) if (isOpen(s, v)) lines.push(line(v));
  return lines;
}

const placeOf = ({ remote, flow, condition }: Found): { flow: string | null; code: CauseCode } =>
  remote === undefined ? { flow, code: condition.code } : { flow: remote.flow, code: remote.code };

/** One sentence about all flows that were asked about: how many are open, how many final causes there are, and the first cause. */
function textOf(
  run: string,
  {
    asked,
    open,
    causes,
    causeCount,
  }: Pick<WhyRun, 'open' | 'causes' | 'causeCount'> & { asked: number | null },
): Sentence {
  const of = asked === null ? `of ${run}` : `of the ${asked} asked about in ${run}`;
  const among = asked === null ? `${run} ` : `${run} 所查询的 ${asked} 个流程中`;
  if (asked === 0)
    return { en: `No flow of ${run} is among those asked about.`, zh: `${run} 中没有符合查询条件的流程。` };
  if (open === 0)
    return {
      en: `Every flow ${of} is done or retired.`,
      zh: `${run} ${asked === null ? '的全部' : `所查询的 ${asked} 个`}流程均已完成或下线。`,
    };
  const first = causes[0]?.text;
  return {
    en: `${counted(open, 'flow')} ${of} ${open === 1 ? 'is' : 'are'} open, by ${counted(causeCount, 'final cause')}. ${first?.en ?? ''}`.trim(),
    zh: `${among}有 ${open} 个流程未完成，最终原因 ${causeCount} 个。${first?.zh ?? ''}`,
  };
}
