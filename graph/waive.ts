/** waive 豁免 an edge: it counts as met for this generation of its target, whose result will be tainted (protocol E, D6). */
import { edgeId } from './compact.ts';
import type { Machine } from './machine.ts';
import { vertexOf } from './outcome.ts';
import { releaseAnew } from './settle.ts';
import { stateOf } from './state-of.ts';
import type { State } from './status.ts';
import type { VerbRule } from './verbs.ts';

/** An edge found in one of the three lists; `u` is null when the upstream is no vertex of this run. */
export interface FoundEdge {
  readonly v: number;
  readonly u: number | null;
  readonly list: 'edge' | 'invalid' | 'foreign';
  readonly edge: number;
  readonly from: string;
  readonly code: string | null;
  readonly state: State | null;
  readonly detail?: string;
}

const missing = (from: string, code: string, detail: string): FoundEdge => ({
  v: -1,
  u: null,
  list: 'edge',
  edge: -1,
  from,
  code,
  state: null,
  detail,
});

export function checkEdge(m: Machine, rule: VerbRule, from: string, to: string): FoundEdge {
  const { graph, s } = m;
  const v = vertexOf(graph, to);
  if (v < 0) return missing(from, 'unknown_flow', `${to} is not a flow of this run`);
  const found = findEdge(m, v, from);
  if (found === null) return missing(from, 'unknown_edge', `${to} does not depend on ${from}`);
  m.expectAsKnown(v);
  const state = stateOf(s, graph, v);
  if (!rule.allowedIn.includes(state))
    return {
      ...found,
      code: 'wrong_state',
      state,
      detail: `${rule.verb} is not possible while ${to} is ${state}`,
    };
  const on = isWaived(m, found);
  if (rule.verb === 'waive' && on) return { ...found, code: 'already_waived', state };
  if (rule.verb === 'unwaive' && !on) return { ...found, code: 'not_waived', state };
  return { ...found, state };
}

function findEdge(m: Machine, v: number, from: string): FoundEdge | null {
  const { graph } = m;
  const base = { v, from, code: null, state: null };
  const u = vertexOf(graph, from);
  const edge = u < 0 ? -1 : edgeId(graph, u, v);
  if (edge >= 0) return { ...base, u, list: 'edge', edge };
  for (let i = graph.invalidOff[v]!; i < graph.invalidOff[v + 1]!; i++)
    if (graph.invalid[i]!.from === from) return { ...base, u: null, list: 'invalid', edge: i };
  for (let i = graph.foreignOff[v]!; i < graph.foreignOff[v + 1]!; i++)
    if (graph.foreign[i]!.from === from) return { ...base, u: null, list: 'foreign', edge: i };
  return null;
}

function isWaived(m: Machine, { list, edge }: FoundEdge): boolean {
  const { s } = m;
  if (list === 'edge') return s.waived[edge] === 1;
  return (list === 'invalid' ? s.waivedInvalid : s.waivedForeign)[edge] === 1;
}

export function waive(m: Machine, { v, list, edge, from }: FoundEdge, operation: string): void {
  releaseAnew(m, v);
  m.waive(list, edge, true);
  m.effect({ t: 'override', v, kind: 'waive', from, operation });
}

export function unwaive(m: Machine, found: FoundEdge, operation: string): void {
  const { v, list, edge, from } = found;
  releaseAnew(m, v);
  m.waive(list, edge, false);
  m.effect({ t: 'end_override', v, kinds: ['waive'], from, operation });
}
