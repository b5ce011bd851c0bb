/**
 * waive 豁免: an edge counts as met for this generation of its target, whose result will be tainted (protocol E2, D6).
 * graph/verbs/operate.ts calls `checkEdge` for each edge, checks roles, and then calls `waive` or `unwaive` for the edges that are allowed.
 */
import { edgeId, vertexOf } from '../compiled/compact.ts';
import type { EdgeName } from '../run/decisions.ts';
import type { Machine } from '../run/machine.ts';
import { type ListedEdge, takeBackUnclaimed } from '../run/settle.ts';
import { stateOf } from '../run/state-of.ts';
import type { State } from '../run/status.ts';
import type { VerbRule } from './verbs.ts';

/**
 * The edges that a name means: one edge of one of the three lists; or, for an upstream in other runs when no run is named, one edge for each
 * of those runs. `u` is null when the upstream is not in this run.
 */
export interface FoundEdge {
  readonly v: number;
  readonly u: number | null;
  readonly edges: readonly ListedEdge[];
  readonly code: string | null;
  readonly state: State | null;
  readonly detail?: string;
}

const missing = (code: string, detail: string): FoundEdge => ({
  v: -1,
  u: null,
  edges: [],
  code,
  state: null,
  detail,
});

/** Finds and checks an edge; `code` says what is wrong. Without a run in the name, an edge within this run is preferred. O(in-degree). */
export function checkEdge(m: Machine, rule: VerbRule, { from, to, run }: EdgeName): FoundEdge {
  const { graph, s } = m;
  const v = vertexOf(graph, to);
  if (v < 0) return missing('unknown_flow', `${to} is not a flow of this run`);
  const { u, edges } = edgesOf(m, v, from, run);
  if (edges.length === 0)
    return missing(
      'unknown_edge',
      `${to} does not depend on ${from}${run === undefined ? '' : ` of ${run}`}`,
    );
  m.expectAsKnown(v);
  const state = stateOf(s, graph, v);
  const found = { v, u, edges, code: null, state };
  if (!rule.allowedIn.includes(state))
    return { ...found, code: 'wrong_state', detail: `${rule.verb} is not possible while ${to} is ${state}` };
  const on = rule.verb === 'waive';
  const left = edges.filter((edge) => isWaived(m, edge) !== on);
  if (left.length === 0) return { ...found, code: on ? 'already_waived' : 'not_waived' };
  return { ...found, edges: left };
}

function edgesOf(
  { graph, s }: Machine,
  v: number,
  from: string,
  run: string | undefined,
): { u: number | null; edges: ListedEdge[] } {
  const u = vertexOf(graph, from);
  const edge = u < 0 || run !== undefined ? -1 : edgeId(graph, u, v);
  if (edge >= 0) return { u, edges: [{ list: 'edge', edge, from }] };
  if (run === undefined)
    for (let i = graph.invalidOff[v]!; i < graph.invalidOff[v + 1]!; i++)
      if (graph.invalid[i]!.from === from) return { u: null, edges: [{ list: 'invalid', edge: i, from }] };
  const edges: ListedEdge[] = [];
  for (let i = s.subscriptions.off[v]!; i < s.subscriptions.off[v + 1]!; i++) {
    const subscription = s.subscriptions.list[i]!;
    if (subscription.from === from && (run === undefined || subscription.run === run))
      edges.push({ list: 'foreign', edge: i, from, run: subscription.run });
  }
  return { u: null, edges };
}

function isWaived(m: Machine, { list, edge }: ListedEdge): boolean {
  const { s } = m;
  if (list === 'edge') return s.waived[edge] === 1;
  return (list === 'invalid' ? s.waivedInvalid : s.waivedForeign)[edge] === 1;
}

/** Waives the edges; one that is waived already is left as it is. */
export function waive(m: Machine, { v, edges }: FoundEdge, operation: string): void {
  takeBackUnclaimed(m, v);
  for (const found of edges) {
    if (isWaived(m, found)) continue;
    const { list, edge, ...from } = found;
    m.waive(list, edge, true);
    m.effect({ t: 'override', v, kind: 'waive', ...from, operation });
  }
}

/** Ends the waives of the edges; one that is not waived is left as it is. */
export function unwaive(m: Machine, { v, edges }: FoundEdge, operation: string): void {
  takeBackUnclaimed(m, v);
  for (const found of edges) {
    if (!isWaived(m, found)) continue;
    const { list, edge, ...from } = found;
    m.waive(list, edge, false);
    m.effect({ t: 'end_override', v, kinds: ['waive'], ...from, operation });
  }
}
