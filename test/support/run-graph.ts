/** Graphs of runs for tests of the rules: flows written down in a line each, without a catalogue. */
import { type CompactGraph, type FlowAttrs, type Graph, inflate } from '../../graph/compiled/compact.ts';
import type { PersonMoment } from '../../graph/run/state.ts';
import type { Subscription } from '../../graph/run/subscriptions.ts';

/** A flow in the order of the graph: upstreams before it, members of a loop side by side. What is left out is an ordinary job. */
export interface FlowSpec extends Partial<FlowAttrs> {
  readonly id: string;
  /** Ids; one that no flow has is an invalid edge. */
  readonly after?: readonly string[];
  /** Flows of other runs: `X` of an ordinary one, or `X@day-2026-10-31`. */
  readonly foreign?: readonly string[];
  readonly forcePassRequires?: readonly string[];
  /** Start time, 0 = none; the run was opened for other procedures only; reminders. */
  readonly start?: number;
  readonly excluded?: boolean;
  readonly moments?: readonly Omit<PersonMoment, 'v'>[];
}

export const OTHER_RUN = 'day-2026-10-31';

export function foreignOf(name: string): { from: string; run: string } {
  const [from, run] = name.split('@') as [string, string | undefined];
  return { from, run: run ?? OTHER_RUN };
}

/** In other runs what is called GATE is confirmed by a person. */
export const foreignRole = (from: string): string | null => (from.startsWith('GATE') ? 'gatekeeper' : null);

/** Edges to other runs as the opening of the run resolves them. */
export function subscriptionsIn(specs: readonly FlowSpec[]): Subscription[] {
  return specs.flatMap((spec, v) => (spec.foreign ?? []).map((name) => ({ v, ...foreignOf(name) })));
}

/** Attributes as the compiler fills them in. */
export function attrsOf(spec: FlowSpec): FlowAttrs {
  const kind = spec.kind ?? 'job';
  const runner = spec.runner ?? (kind === 'gate' ? 'person' : kind === 'notify' ? 'engine' : 'agent');
  return {
    kind,
    runner,
    trigger: 'auto',
    event: null,
    onRerun: kind === 'gate' || kind === 'notify' ? 'keep' : 'ask',
    onTrigger: false,
    key: false,
    procedure: null,
    platform: runner === 'agent' ? 'yt' : null,
    idempotent: false,
    fenced: false,
    retries: { program: 0, infrastructure: 0, timeout: 0, lost: 3, backoffMs: 1000 },
    timeoutMs: null,
    leaseMs: 60_000,
    orphanMs: 10_000,
    everyMs: 5000,
    giveUpAfterMs: null,
    role: runner === 'person' ? 'gatekeeper' : null,
    remindAt: [],
    escalateAt: null,
    escalateTo: null,
    startAt: null,
    deadline: null,
    calendar: null,
    period: 'same',
    ...definedOf(spec),
  };
}

const ATTRS = [
  'trigger event onRerun onTrigger key procedure platform idempotent fenced retries timeoutMs leaseMs orphanMs everyMs',
  'giveUpAfterMs role remindAt escalateAt escalateTo startAt deadline calendar period',
].flatMap((line) => line.split(' ')) as (keyof FlowAttrs)[];

function definedOf(spec: FlowSpec): Partial<FlowAttrs> {
  return Object.fromEntries(ATTRS.flatMap((key) => (spec[key] === undefined ? [] : [[key, spec[key]]])));
}

/** Groups of flows that wait for each other, found by looking from everywhere to everywhere. */
export function loopsOf(specs: readonly FlowSpec[]): string[][] {
  const upstreams = new Map(specs.map((spec) => [spec.id, spec.after ?? []]));
  const above = (id: string, seen = new Set<string>()): Set<string> => {
    for (const u of upstreams.get(id) ?? [])
      if (!seen.has(u)) {
        seen.add(u);
        above(u, seen);
      }
    return seen;
  };
  const reach = new Map(specs.map((spec) => [spec.id, above(spec.id)]));
  const loops: string[][] = [];
  for (const { id } of specs) {
    if (!reach.get(id)!.has(id) || loops.some((loop) => loop.includes(id))) continue;
    loops.push(
      specs.map((s) => s.id).filter((other) => reach.get(id)!.has(other) && reach.get(other)?.has(id)),
    );
  }
  return loops;
}

/** Large graphs, which are known to have no loops, pass `[]`: the obvious search for them is slow. */
export function graphOf(specs: readonly FlowSpec[], loops: readonly string[][] = loopsOf(specs)): Graph {
  const ids = specs.map((spec) => spec.id);
  const at = new Map(ids.map((id, v) => [id, v]));
  const inDegree: number[] = [];
  const upGaps: number[] = [];
  const loopEdges: number[] = [];
  const invalid: CompactGraph['invalid'][number][] = [];
  const foreign: CompactGraph['foreign'][number][] = [];
  specs.forEach((spec, v) => {
    const all = [...new Set(spec.after ?? [])];
    const sources = all.flatMap((id) => at.get(id) ?? []).sort((a, b) => a - b);
    inDegree.push(sources.length);
    sources.forEach((u, i) => {
      const loop = loops.some((members) => members.includes(ids[u]!) && members.includes(spec.id));
      if (u >= v && !loop) throw new Error(`${ids[u]} stands after ${spec.id}`);
      if (loop) loopEdges.push(upGaps.length);
      upGaps.push(i === 0 ? v - u : u - sources[i - 1]!);
    });
    for (const from of all.filter((id) => !at.has(id)).sort()) invalid.push({ v, from });
    for (const name of [...(spec.foreign ?? [])].sort()) {
      const { from } = foreignOf(name);
      const role = foreignRole(from);
      foreign.push({ v, from, cycle: 'day', period: 'previous', ...(role === null ? {} : { role }) });
    }
  });
  return inflate({
    version: 'test',
    cycle: 'month',
    ids,
    inDegree,
    upGaps,
    loopEdges,
    loops: loops.map((members) => members.map((id) => at.get(id)!)),
    invalid,
    foreign,
    attr: specs.map((_, v) => v),
    attrs: specs.map(attrsOf),
    forcePassRequires: specs.flatMap((spec, v) =>
      spec.forcePassRequires === undefined
        ? []
        : [[v, spec.forcePassRequires.map((id) => at.get(id) ?? -1)] as [number, number[]]],
    ),
  });
}
