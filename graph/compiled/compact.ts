/**
 * The flows of one run as typed arrays, on which the run's workflow, the answers and the simulations compute.
 *
 * There are two forms. `CompactGraph` is plain JSON, made by graph/compiled/compile.ts: the result of an activity. `Graph` is made from it by
 * `inflate`: typed arrays in both directions. This file runs inside the workflow, so it imports neither zod nor graphology.
 *
 * Vertices are numbered in topological order, ties by id, so `for (v = 0; v < n; v++)` sees every upstream before its downstream.
 * Members of a loop have neighbouring places in that order; only the edges inside the loop break it (protocol D7).
 */

import type { Openings } from '../calendar/openings.ts';
import type { Cycle, FlowKind, PeriodMapping, Runner } from '../model.ts';

/** What the definition of a flow decides. Many flows have the same attributes, so they share one entry of `attrs`. */
export interface FlowAttrs {
  readonly kind: FlowKind;
  readonly runner: Runner;
  readonly trigger: 'auto' | 'manual' | 'time' | 'event';
  /** With trigger `event`, the name of the event. */
  readonly event: string | null;
  /** Whether a rerun keeps a confirmation, a notice and a trigger, or asks for them again (protocol E1). Default: `keep`. */
  readonly onRerun: 'keep' | 'ask';
  /** A trigger gives flows below that have a result a new generation (protocol D3). */
  readonly onTrigger: boolean;
  readonly key: boolean;
  readonly procedure: string | null;
  /** Platform whose agents run it; null unless runner is `agent`. */
  readonly platform: string | null;
  readonly idempotent: boolean;
  /**
   * A second attempt does no harm while the first may still run (protocol C4): it is fenced on its database (protocol C6), or has no effect, so it
   * is true for `noop`, too. The name says less than that and stays, because catalogue versions are stored with it.
   */
  readonly fenced: boolean;
  readonly retries: {
    readonly program: number;
    readonly infrastructure: number;
    readonly timeout: number;
    readonly lost: number;
    readonly backoffMs: number;
  };
  readonly timeoutMs: number | null;
  readonly leaseMs: number;
  readonly orphanMs: number;
  /** A check that agents run: asked every `everyMs` until the answer is yes, at most for `giveUpAfterMs` of questions and pauses (protocol D9). */
  readonly everyMs: number;
  readonly giveUpAfterMs: number | null;
  /** With runner `person`: the role that confirms it, and the moments (graph/calendar/moment.ts) at which people are reminded. */
  readonly role: string | null;
  readonly remindAt: readonly string[];
  readonly escalateAt: string | null;
  readonly escalateTo: string | null;
  /** Moments seen from the period of the run; resolved to instants when the run is opened. */
  readonly startAt: string | null;
  readonly deadline: string | null;
  readonly calendar: string | null;
  /** The flow's own period, seen from the period of its run (protocol D2). */
  readonly period: PeriodMapping;
}

/** An edge whose upstream does not exist: loaded by `import`, blocks as `dependency_invalid` (protocol D7). */
export interface InvalidEdge {
  readonly v: number;
  readonly from: string;
}

/** An edge to another run (protocol A11). `cycle` is that of the upstream's run, `period` its period seen from the own period of flow `v`. */
export interface ForeignEdge {
  readonly v: number;
  readonly from: string;
  readonly cycle: Cycle;
  readonly period: PeriodMapping;
  /** The role that confirms the upstream, when it is a gate: setting it aside needs this role (protocol B4). */
  readonly role?: string;
  /** The first period of the upstream; earlier ones are not waited for. Missing: it has every period. */
  readonly begins?: string;
  /** Schedules that open the upstream: only their periods count (protocol D10, graph/calendar/openings.ts). Missing: every period counts. */
  readonly opened?: readonly string[];
}

/** The JSON form. About 45 bytes a flow with 4 to 5 edges, plus its id. */
export interface CompactGraph {
  /** Hash of 106 bits, 27 hex digits, over everything in the flows that decides about a run; names, notes and owners do not. */
  readonly version: string;
  readonly cycle: Cycle;
  readonly ids: readonly string[];
  /** Number of edges within the run into each vertex. */
  readonly inDegree: readonly number[];
  /**
   * Upstreams of the edges, vertex after vertex, ascending for each: the first as `v - upstream` (negative inside a loop), the others as the
   * distance to the one before. Takes half the digits of plain indices.
   */
  readonly upGaps: readonly number[];
  /** Ids of the edges inside a loop, ascending. */
  readonly loopEdges: readonly number[];
  /** The loops, each the ascending list of its members. */
  readonly loops: readonly (readonly number[])[];
  /** Both ascending by `v`, then `from`. */
  readonly invalid: readonly InvalidEdge[];
  readonly foreign: readonly ForeignEdge[];
  readonly attr: readonly number[];
  readonly attrs: readonly FlowAttrs[];
  /** `[v, flows that must be done before v may be force-passed]`; -1 stands for a flow that does not exist, so is never done. */
  readonly forcePassRequires: readonly (readonly [number, readonly number[]])[];
}

/** The form to compute on. An edge is known by its position: edges into `v` are `upOff[v] .. upOff[v + 1] - 1`, upstreams ascending. */
export interface Graph {
  readonly version: string;
  readonly cycle: Cycle;
  /** Number of vertices and of in-run edges. */
  readonly n: number;
  readonly m: number;
  readonly ids: readonly string[];
  /** Flow id -> vertex. */
  readonly index: ReadonlyMap<string, number>;
  /** Edge `e` runs from `up[e]` to `edgeTo[e]`. */
  readonly upOff: Int32Array;
  readonly up: Int32Array;
  readonly edgeTo: Int32Array;
  /** Downstream vertices of `v` are `down[k]` for k in `downOff[v] .. downOff[v + 1] - 1`, over edge `downEdge[k]`. */
  readonly downOff: Int32Array;
  readonly down: Int32Array;
  readonly downEdge: Int32Array;
  /** Per edge: 1 inside a loop. Per vertex: number of its loop in `loops`, or -1. */
  readonly loopEdge: Uint8Array;
  readonly loopOf: Int32Array;
  readonly loops: readonly (readonly number[])[];
  /** Invalid edges of `v` are `invalid[invalidOff[v] .. invalidOff[v + 1] - 1]`; foreign ones likewise. */
  readonly invalidOff: Int32Array;
  readonly invalid: readonly InvalidEdge[];
  readonly invalidCount: Int32Array;
  readonly foreignOff: Int32Array;
  readonly foreign: readonly ForeignEdge[];
  readonly attr: Int32Array;
  readonly attrs: readonly FlowAttrs[];
  /** v -> flows that must be done before v may be force-passed; -1 is never done. */
  readonly forcePassRequires: ReadonlyMap<number, readonly number[]>;
  /** Which periods schedules open; null inside the workflow, which maps no periods, and for versions from before protocol D10. */
  readonly openings: Openings | null;
  attrOf(v: number): FlowAttrs;
}

/** Turns the JSON form into typed arrays. O(V + E); 13,000 flows with 60,000 edges take a few ms. */
export function inflate(json: CompactGraph, openings: Openings | null = null): Graph {
  const n = json.ids.length;
  const m = json.upGaps.length;
  const upOff = new Int32Array(n + 1);
  const up = new Int32Array(m);
  const edgeTo = new Int32Array(m);
  const downOff = new Int32Array(n + 1);
  let e = 0;
  for (let v = 0; v < n; v++) {
    upOff[v] = e;
    const end = e + json.inDegree[v]!;
    let source = v;
    for (let first = true; e < end; e++, first = false) {
      source = first ? v - json.upGaps[e]! : source + json.upGaps[e]!;
      up[e] = source;
      edgeTo[e] = v;
      downOff[source + 1]!++;
    }
  }
  upOff[n] = e;
  for (let v = 0; v < n; v++) downOff[v + 1]! += downOff[v]!;
  const down = new Int32Array(m);
  const downEdge = new Int32Array(m);
  const next = downOff.slice(0, n);
  for (e = 0; e < m; e++) {
    const k = next[up[e]!]!++;
    down[k] = edgeTo[e]!;
    downEdge[k] = e;
  }
  const loopEdge = new Uint8Array(m);
  for (const edge of json.loopEdges) loopEdge[edge] = 1;
  const loopOf = new Int32Array(n).fill(-1);
  json.loops.forEach((members, loop) => {
    for (const v of members) loopOf[v] = loop;
  });
  const invalidOff = offsets(n, json.invalid);
  const invalidCount = new Int32Array(n);
  for (let v = 0; v < n; v++) invalidCount[v] = invalidOff[v + 1]! - invalidOff[v]!;
  const attrs = json.attrs;
  const attr = Int32Array.from(json.attr);
  return {
    version: json.version,
    cycle: json.cycle,
    n,
    m,
    ids: json.ids,
    index: new Map(json.ids.map((id, v) => [id, v])),
    upOff,
    up,
    edgeTo,
    downOff,
    down,
    downEdge,
    loopEdge,
    loopOf,
    loops: json.loops,
    invalidOff,
    invalid: json.invalid,
    invalidCount,
    foreignOff: offsets(n, json.foreign),
    foreign: json.foreign,
    attr,
    attrs,
    forcePassRequires: new Map(json.forcePassRequires),
    openings,
    attrOf: (v) => attrs[attr[v]!]!,
  };
}

/** Vertex of a flow id; -1 when the run has no such flow. */
export const vertexOf = ({ index }: Graph, flow: string): number => index.get(flow) ?? -1;

/** Position of the edge within the run from `from` to `to`, or -1. O(log in-degree). */
export function edgeId(graph: Graph, from: number, to: number): number {
  let low = graph.upOff[to]!;
  let high = graph.upOff[to + 1]! - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const source = graph.up[middle]!;
    if (source === from) return middle;
    if (source < from) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** Start positions per vertex of a list sorted by `v`. */
function offsets(n: number, rows: readonly { readonly v: number }[]): Int32Array {
  const off = new Int32Array(n + 1);
  for (const row of rows) off[row.v + 1]!++;
  for (let v = 0; v < n; v++) off[v + 1]! += off[v]!;
  return off;
}
