/** Flows of a catalogue version -> the compact graph of the runs of one cycle (graph/compiled/compact.ts says what is in it). */
import { countsOpenedPeriods, mappedCycle, mappingProblem, shiftOf } from '../calendar/calendar.ts';
import type { Openings } from '../calendar/openings.ts';
import type { Cycle, EdgeSpec, Flow } from '../model.ts';
import type { CompactGraph, FlowAttrs, ForeignEdge, InvalidEdge } from './compact.ts';
import { canonicalJson, fingerprint } from './hash.ts';
import { components, type Upstreams } from './loops.ts';

/** Default of `leaseMs`: a lease ends after this time in ms without contact with its agent (protocol C4). */
const LEASE_MS = 60_000;
/** Default of `everyMs`: a check whose answer is no is asked again after this time, ms (protocol D9). */
const EVERY_MS = 60_000;

/** Defaults of an installation, for flows that do not say it themselves. Not part of the version of a graph. */
export interface Defaults {
  /** How long a program may go on after its agent has lost contact (protocol C4, C5), ms. */
  readonly orphanMs: number;
}

const PROTOCOL: Defaults = { orphanMs: 30 * 60_000 };

/** Fields that people read and no decision depends on: another wording does not make another version of a graph. */
type Descriptive = 'names' | 'note' | 'owner' | 'sourceLevel';

/**
 * Compiles the flows of one cycle. Of flows of other cycles it only needs who confirms them and which schedules open them, for edges to them.
 * Loops and broken edges are accepted (protocol D7): an edge whose upstream does not exist, or whose period mapping leads nowhere, becomes `invalid`.
 * `openings` null: edges count every period, as in versions from before protocol D10. O(V + E) after sorting.
 */
export function compact(
  flows: readonly Flow[],
  cycle: Cycle,
  defaults: Defaults = PROTOCOL,
  openings: Openings | null = null,
): CompactGraph {
  const members = flows.filter((flow) => flow.cycle === cycle).sort((a, b) => compare(a.id, b.id));
  const byId = new Map(members.map((flow, i) => [flow.id, i]));
  const upstreams = inRunEdges(members, byId);
  const { of, loops } = components(upstreams);
  const order = topologicalOrder(members, upstreams, of);
  const vertexOf = new Int32Array(order.length);
  order.forEach((i, v) => {
    vertexOf[i] = v;
  });

  const inDegree: number[] = [];
  const upGaps: number[] = [];
  const loopEdges: number[] = [];
  order.forEach((i, v) => {
    const from = upstreams.upOff[i]!;
    const to = upstreams.upOff[i + 1]!;
    const sources = Array.from(upstreams.up.subarray(from, to), (u) => vertexOf[u]!).sort((a, b) => a - b);
    sources.forEach((u, k) => {
      if (of[order[u]!] === of[i]) loopEdges.push(upGaps.length);
      upGaps.push(k === 0 ? v - u : u - sources[k - 1]!);
    });
    inDegree.push(sources.length);
  });

  const { attr, attrs } = tabulate(
    order.map((i) => members[i]!),
    defaults,
  );
  const requires = order.flatMap((i, v): [number, number[]][] => {
    const { forcePassRequires: names } = members[i]!;
    return names.length === 0 ? [] : [[v, names.map((name) => at(byId, vertexOf, name))]];
  });
  return {
    version: versionOf(members),
    cycle,
    ids: order.map((i) => members[i]!.id),
    inDegree,
    upGaps,
    loopEdges,
    loops: loops
      .map((loop) => loop.map((i) => vertexOf[i]!).sort((a, b) => a - b))
      .sort((a, b) => a[0]! - b[0]!),
    ...outsideEdges(
      order.map((i) => members[i]!),
      byId,
      { roles: rolesOf(flows), beginnings: beginningsOf(flows), openers: openersOf(flows, openings) },
    ),
    attr,
    attrs,
    forcePassRequires: requires,
  };
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const at = (byId: ReadonlyMap<string, number>, vertexOf: Int32Array, id: string): number => {
  const i = byId.get(id);
  return i === undefined ? -1 : vertexOf[i]!;
};

const isOwnRun = (edge: EdgeSpec): boolean => edge.cycle === undefined && shiftOf(edge.period) === 0;

function inRunEdges(members: readonly Flow[], byId: ReadonlyMap<string, number>): Upstreams {
  const upOff = new Int32Array(members.length + 1);
  const up: number[] = [];
  members.forEach((flow, i) => {
    const first = up.length;
    for (const edge of flow.after) {
      const u = isOwnRun(edge) ? byId.get(edge.from) : undefined;
      if (u !== undefined && !up.includes(u, first)) up.push(u);
    }
    upOff[i + 1] = up.length;
  });
  return { upOff, up: Int32Array.from(up) };
}

/** Order by depth (a loop counts as one vertex), then by loop, then by id, so that it depends on the graph alone. */
function topologicalOrder(members: readonly Flow[], { upOff, up }: Upstreams, of: Int32Array): number[] {
  const n = members.length;
  const inComponent: number[][] = [];
  for (let i = 0; i < n; i++) {
    const component = of[i]!;
    const vertices = inComponent[component];
    if (vertices === undefined) inComponent[component] = [i];
    else vertices.push(i);
  }
  // Components are numbered upstream first, so one pass in that order finds every depth.
  const depth = new Int32Array(inComponent.length);
  const first = new Int32Array(inComponent.length);
  inComponent.forEach((vertices, c) => {
    first[c] = vertices[0]!;
    for (const v of vertices)
      for (let e = upOff[v]!; e < upOff[v + 1]!; e++) {
        const u = of[up[e]!]!;
        if (u !== c && depth[u]! + 1 > depth[c]!) depth[c] = depth[u]! + 1;
      }
  });
  return Array.from({ length: n }, (_, i) => i).sort(
    (a, b) => depth[of[a]!]! - depth[of[b]!]! || first[of[a]!]! - first[of[b]!]! || a - b,
  );
}

/** Flow -> role that confirms it; only flows that a person confirms. */
const rolesOf = (flows: readonly Flow[]): Map<string, string> =>
  new Map(
    flows.flatMap(({ id, runner, person }) =>
      runner === 'person' && person !== undefined ? [[id, person.role] as const] : [],
    ),
  );

const beginningsOf = (flows: readonly Flow[]): Map<string, string> =>
  new Map(flows.flatMap(({ id, begins }) => (begins === undefined ? [] : [[id, begins] as const])));

/** Flow -> schedules that open it. Flows of which every period counts are left out. */
function openersOf(flows: readonly Flow[], openings: Openings | null): Map<string, readonly string[]> {
  if (openings === null) return new Map();
  return new Map(
    flows.flatMap(({ id, cycle, procedure }) => {
      const by = openings.covering(cycle, procedure);
      return by === null ? [] : [[id, by] as const];
    }),
  );
}

/** By flow: the role that confirms it, its first period, the schedules that open it. */
interface UpstreamFacts {
  readonly roles: ReadonlyMap<string, string>;
  readonly beginnings: ReadonlyMap<string, string>;
  readonly openers: ReadonlyMap<string, readonly string[]>;
}

/** Edges to other runs, and edges that lead nowhere. */
function outsideEdges(
  ordered: readonly Flow[],
  byId: ReadonlyMap<string, number>,
  { roles, beginnings, openers }: UpstreamFacts,
): { invalid: InvalidEdge[]; foreign: ForeignEdge[] } {
  const invalid: InvalidEdge[] = [];
  const foreign: ForeignEdge[] = [];
  ordered.forEach((flow, v) => {
    const own = mappedCycle(flow.period, flow.cycle);
    const edges = [...flow.after].sort((a, b) => compare(a.from, b.from));
    for (const edge of edges) {
      const missing = edge.cycle === undefined && !byId.has(edge.from);
      if (!missing && isOwnRun(edge)) continue;
      const cycle = edge.cycle ?? flow.cycle;
      if (missing || mappingProblem(edge.period, flow.cycle, own, cycle) !== null) {
        // An upstream that is named several times is one edge, so that one waive is enough.
        if (invalid.at(-1)?.v !== v || invalid.at(-1)?.from !== edge.from)
          invalid.push({ v, from: edge.from });
      } else {
        const role = roles.get(edge.from);
        const begins = beginnings.get(edge.from);
        const counts = edge.calendar !== 'plain' && countsOpenedPeriods(edge.period);
        const opened = counts ? openers.get(edge.from) : undefined;
        foreign.push({
          v,
          from: edge.from,
          cycle,
          period: edge.period,
          ...(role === undefined ? {} : { role }),
          ...(begins === undefined ? {} : { begins }),
          ...(opened === undefined ? {} : { opened }),
        });
      }
    }
  });
  return { invalid, foreign };
}

function tabulate(flows: readonly Flow[], defaults: Defaults): { attr: number[]; attrs: FlowAttrs[] } {
  const known = new Map<string, number>();
  const attrs: FlowAttrs[] = [];
  const attr = flows.map((flow) => {
    const value = attrsOf(flow, defaults);
    const key = JSON.stringify(value);
    let index = known.get(key);
    if (index === undefined) {
      index = attrs.length;
      known.set(key, index);
      attrs.push(value);
    }
    return index;
  });
  return { attr, attrs };
}

/** Whether a second attempt cannot repeat an effect: its transaction has a fence, or it has no effect (`noop`). */
const harmlessTwice = (program: NonNullable<Flow['program']>): boolean =>
  program.type !== 'shell' && !(program.type === 'sql' && program.transaction === 'none');

/** The attributes of a flow, with defaults. */
function attrsOf(flow: Flow, defaults: Defaults): FlowAttrs {
  const { runner, person, program } = flow;
  return {
    kind: flow.kind,
    runner,
    trigger: flow.trigger,
    event: flow.event ?? null,
    onRerun: flow.onRerun ?? 'keep',
    onTrigger: flow.onTrigger === 'downstream',
    key: flow.key,
    procedure: flow.procedure ?? null,
    platform: runner === 'agent' ? (flow.platform ?? null) : null,
    idempotent: flow.idempotent,
    fenced: runner === 'agent' && program !== undefined && harmlessTwice(program),
    retries: flow.retries,
    timeoutMs: flow.timeoutMs ?? null,
    leaseMs: flow.leaseMs ?? LEASE_MS,
    orphanMs: flow.orphanMs ?? defaults.orphanMs,
    everyMs: flow.everyMs ?? EVERY_MS,
    giveUpAfterMs: flow.giveUpAfterMs ?? null,
    role: person?.role ?? null,
    remindAt: person?.remindAt ?? [],
    escalateAt: person?.escalateAt ?? null,
    escalateTo: person?.escalateTo ?? null,
    startAt: flow.startAt ?? null,
    deadline: flow.deadline ?? null,
    calendar: flow.calendar ?? null,
    period: flow.period,
  };
}

/** Hash over the flows of a cycle without descriptive fields; does not depend on the order of files, flows and edges. */
function versionOf(members: readonly Flow[]): string {
  return fingerprint(
    members
      .map((flow) => {
        const {
          names: _,
          note: __,
          owner: ___,
          sourceLevel: ____,
          ...decisive
        }: Flow & Partial<Pick<Flow, Descriptive>> = flow;
        const after = flow.after.map((edge) => canonicalJson(edge)).sort();
        return canonicalJson({ ...decisive, after });
      })
      .join('\n'),
  );
}
