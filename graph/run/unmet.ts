/**
 * Which edges and other conditions of a run are unmet: the part of the graph over which `why` walks. Members of a loop that wait for one
 * another count as one vertex, known by its first member.
 */
import type { Graph } from '../compiled/compact.ts';
import { components } from '../compiled/loops.ts';
import { edgeMet, FLAG, has, isDone, type RunState, waitsForMembers } from './state.ts';
import { isClaimed } from './state-of.ts';

export interface Unmet {
  /** Per edge: 1 when its target waits for it. */
  readonly edge: Uint8Array;
  /** Per vertex: 1 when it waits for members of a rerun plan above it (protocol E3), whatever lies between. */
  readonly above: Uint8Array;
  /** Whether any vertex does. */
  readonly anyAbove: boolean;
  /** Per vertex: 1 for an open member of a rerun plan. */
  readonly member: Uint8Array;
  /** Per vertex: the first member of the loop it waits in, else itself. */
  readonly rep: Int32Array;
  /** The members of every such loop, by its first one. */
  readonly loops: ReadonlyMap<number, readonly number[]>;
  /** All vertices, upstream first, members of one loop next to each other. */
  readonly order: Int32Array;
  /** Per vertex: unmet edges to flows that do not exist, and unmet subscriptions to other runs; absent when none. */
  readonly missing: ReadonlyMap<number, readonly number[]>;
  readonly foreign: ReadonlyMap<number, readonly number[]>;
}

/** Whether the flow has no result, is not retired and not claimed by an agent. */
export function isWaiting(s: RunState, v: number): boolean {
  return s.result[v] === 0 && !has(s, v, FLAG.RETIRED) && !isClaimed(s, v);
}

/** Whether the flow is neither done nor retired. */
export function isOpen(s: RunState, v: number): boolean {
  return !isDone(s, v) && !has(s, v, FLAG.RETIRED);
}

/** Finds what is unmet, by the rule of graph/run/blockers.ts; a property test holds the two together. O(V + E). */
export function unmetOf(graph: Graph, s: RunState): Unmet {
  const { n, m, upOff, up } = graph;
  const edge = new Uint8Array(m);
  const above = new Uint8Array(n);
  const member = new Uint8Array(n);
  let anyAbove = false;
  const missing = new Map<number, number[]>();
  const foreign = new Map<number, number[]>();
  const inLoops = new Set<number>();
  for (let v = 0; v < n; v++) {
    if (has(s, v, FLAG.MEMBER)) member[v] = 1;
    if (!isWaiting(s, v) || has(s, v, FLAG.STARTED_NOW)) continue;
    if (s.unmet[v]! > 0) {
      for (let e = upOff[v]!; e < upOff[v + 1]!; e++) {
        if (edgeMet(s, e, up[e]!)) continue;
        edge[e] = 1;
        if (graph.loopEdge[e] === 1) inLoops.add(graph.loopOf[v]!);
      }
      for (let i = graph.invalidOff[v]!; i < graph.invalidOff[v + 1]!; i++)
        if (s.waivedInvalid[i] === 0) push(missing, v, i);
      for (let i = s.subscriptions.off[v]!; i < s.subscriptions.off[v + 1]!; i++)
        if (s.foreignMet[i] === 0 && s.waivedForeign[i] === 0) push(foreign, v, i);
    }
    if (waitsForMembers(s, v)) {
      above[v] = 1;
      anyAbove = true;
    }
  }
  const rep = Int32Array.from({ length: n }, (_, v) => v);
  const order = rep.slice();
  const loops = new Map<number, readonly number[]>();
  for (const loop of inLoops) resolveLoop(graph, edge, graph.loops[loop]!, { rep, order, loops });
  return { edge, above, anyAbove, member, rep, loops, order, missing, foreign };
}

function push(map: Map<number, number[]>, v: number, i: number): void {
  const list = map.get(v);
  if (list === undefined) map.set(v, [i]);
  else list.push(i);
}

/**
 * A loop of the catalogue need not be a loop now: an edge may be waived, a member done. Only members that really wait for one another become
 * one vertex; the others are put in the order in which they wait. Members have neighbouring places in the order of the graph.
 */
function resolveLoop(
  graph: Graph,
  edge: Uint8Array,
  members: readonly number[],
  { rep, order, loops }: { rep: Int32Array; order: Int32Array; loops: Map<number, readonly number[]> },
): void {
  const { of, loops: closed } = components(innerEdges(graph, edge, members));
  for (const loop of closed) {
    const vertices = loop.map((i) => members[i]!);
    loops.set(vertices[0]!, vertices);
    for (const v of vertices) rep[v] = vertices[0]!;
  }
  const first = members[0]!;
  const sorted = members.map((_, i) => i).sort((a, b) => of[a]! - of[b]! || a - b);
  sorted.forEach((i, place) => {
    order[first + place] = members[i]!;
  });
}

/** The unmet edges among some vertices, numbered by their places in the list. */
export function innerEdges(
  graph: Graph,
  edge: Uint8Array,
  members: readonly number[],
): { upOff: Int32Array; up: Int32Array } {
  const place = new Map(members.map((v, i) => [v, i]));
  const upOff = new Int32Array(members.length + 1);
  const up: number[] = [];
  members.forEach((v, i) => {
    for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++) {
      const u = edge[e] === 1 ? place.get(graph.up[e]!) : undefined;
      if (u !== undefined) up.push(u);
    }
    upOff[i + 1] = up.length;
  });
  return { upOff, up: Int32Array.from(up) };
}

/** Whether the flow, or a member of the loop that it stands for, waits for something outside. O(edges into it). */
export function waitsForOthers(graph: Graph, unmet: Unmet, v: number): boolean {
  const r = unmet.rep[v]!;
  for (const member of unmet.loops.get(r) ?? [v]) {
    if (unmet.above[member] === 1 || unmet.missing.has(member) || unmet.foreign.has(member)) return true;
    for (let e = graph.upOff[member]!; e < graph.upOff[member + 1]!; e++)
      if (unmet.edge[e] === 1 && unmet.rep[graph.up[e]!] !== r) return true;
  }
  return false;
}
