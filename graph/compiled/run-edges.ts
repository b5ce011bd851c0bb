/**
 * Lists the edges between and within runs, for the search for loops over several runs. Says for each edge the latest period that it leads to,
 * and how many periods forward it leads at most. Pure.
 */
import { countsOpenedPeriods, mappedCycle, mappingProblem, shiftOf } from '../calendar/calendar.ts';
import { holding, lastDayOf, lastHourOf, type Numbered, RANK } from '../calendar/numbered-periods.ts';
import type { Openers, Openings } from '../calendar/openings.ts';
import type { Cycle, Flow, PeriodMapping } from '../model.ts';
import { type Components, components, type Upstreams } from './loops.ts';

export interface RunEdge {
  /** Flow `v` waits for flow `u`. */
  readonly v: number;
  readonly u: number;
  /** Their contracted vertices, `waiting` that of `v` and `upstream` that of `u`: a loop within a run counts as one vertex. */
  readonly waiting: number;
  readonly upstream: number;
  readonly cycle: Cycle;
  readonly target: Cycle;
  readonly own: PeriodMapping;
  readonly period: PeriodMapping;
  readonly inRun: boolean;
  /** Schedules whose periods the edge counts; missing: every period. */
  readonly opened?: Openers;
}

/** Edges that may be part of a loop over several runs, those of later flows of a run first. Empty when no flow waits for another run. */
export function edgesOf(
  flows: readonly Flow[],
  { upOff, up }: Upstreams,
  { of, count }: Components,
  openings: Openings | null,
): RunEdge[] {
  const index = new Map(flows.map(({ id }, v) => [id, v]));
  const edges: RunEdge[] = [];
  flows.forEach((flow, v) => {
    for (const { from, period, cycle, calendar } of flow.after) {
      if (cycle === undefined && shiftOf(period) === 0) continue;
      const target = cycle ?? flow.cycle;
      const u = index.get(from);
      if (u === undefined || flows[u]!.cycle !== target) continue;
      const own = mappedCycle(flow.period, flow.cycle);
      if (mappingProblem(period, flow.cycle, own, target) !== null) continue;
      if (shiftOf(flow.period) === null && (flow.period !== 'lastDayOfMonth' || flow.cycle !== 'month'))
        continue;
      const ends = { v, u, waiting: of[v]!, upstream: of[u]! };
      const counts = openings !== null && calendar !== 'plain' && countsOpenedPeriods(period);
      const opened = counts ? openings.covering(target, flows[u]!.procedure) : null;
      edges.push({
        ...ends,
        cycle: flow.cycle,
        target,
        own: flow.period,
        period,
        inRun: false,
        ...(opened === null ? {} : { opened }),
      });
    }
  });
  if (edges.length === 0) return [];
  // Only knots can hold loops over runs. In most catalogues next to no edges are in knots.
  const knot = knotOf(edges, { upOff, up }, { count, of });
  const inKnots = edges.filter((edge) => knot[edge.waiting] === knot[edge.upstream]);
  for (let v = 0; v < flows.length; v++) {
    const waiting = of[v]!;
    const { cycle } = flows[v]!;
    for (let k = upOff[v]!; k < upOff[v + 1]!; k++) {
      const u = up[k]!;
      const upstream = of[u]!;
      if (upstream === waiting || knot[upstream] !== knot[waiting]) continue;
      inKnots.push({
        v,
        u,
        waiting,
        upstream,
        cycle,
        target: cycle,
        own: 'same',
        period: 'same',
        inRun: true,
      });
    }
  }
  // Within a run an upstream has the smaller number. Edges of the largest waiting vertex come first, so a search that goes over the edges once
  // carries a period through a whole run.
  return inKnots.sort((a, b) => b.waiting - a.waiting);
}

/** Contracted vertex -> number of its knot: the strongly connected part over edges within and between runs. */
function knotOf(
  edges: readonly RunEdge[],
  inRun: Upstreams,
  { count, of }: { readonly count: number; readonly of: Int32Array },
): Int32Array {
  const n = of.length;
  const upOff = new Int32Array(count + 1);
  for (let v = 0; v < n; v++) upOff[of[v]! + 1]! += inRun.upOff[v + 1]! - inRun.upOff[v]!;
  for (const { waiting } of edges) upOff[waiting + 1]!++;
  for (let i = 0; i < count; i++) upOff[i + 1]! += upOff[i]!;
  const up = new Int32Array(upOff[count]!);
  const next = upOff.slice(0, count);
  for (let v = 0; v < n; v++)
    for (let k = inRun.upOff[v]!; k < inRun.upOff[v + 1]!; k++) up[next[of[v]!]!++] = of[inRun.up[k]!]!;
  for (const { waiting, upstream } of edges) up[next[waiting]!++] = upstream;
  return components({ upOff, up }).of;
}

/** The coarsest of the edges' cycles: a month is coarser than a day, a day than an hour. */
export const coarsest = (edges: readonly RunEdge[]): Cycle =>
  edges.reduce<Cycle>((coarse, { cycle }) => (RANK[cycle] > RANK[coarse] ? cycle : coarse), 'hour');

/** An upper bound of the number of periods of `unit` by which an edge leads forward, for any period. */
export function largestShift({ cycle, own, period, target, inRun }: RunEdge, unit: Cycle): number {
  if (inRun) return 0;
  const seen = mappedCycle(own, cycle);
  const edgeShift = shiftOf(period);
  return (
    atMost(shiftOf(own) ?? 0, cycle, unit) + atMost(edgeShift ?? 0, edgeShift === null ? seen : target, unit)
  );
}

const LEAST: Record<Cycle, Record<Cycle, number>> = {
  hour: { hour: 1, day: 24, month: 28 * 24 },
  day: { hour: 0, day: 1, month: 28 },
  month: { hour: 0, day: 0, month: 1 },
};
const LONGEST: Record<Cycle, Record<Cycle, number>> = {
  hour: { hour: 1, day: 24, month: 31 * 24 },
  day: { hour: 0, day: 1, month: 31 },
  month: { hour: 0, day: 0, month: 1 },
};

const atMost = (n: number, of: Cycle, unit: Cycle): number =>
  n === 0 ? 0 : n > 0 ? Math.ceil(n / LEAST[of][unit]) : -Math.floor(-n / LONGEST[of][unit]);

/** The latest period that an edge means; it grows with the period that it is seen from. */
export function latest({ cycle, own, period, target, inRun }: RunEdge, at: Numbered): Numbered {
  if (inRun) return at;
  const ownShift = shiftOf(own);
  const seen = ownShift === null ? lastDayOf(at) : at + ownShift;
  const seenCycle = ownShift === null ? 'day' : cycle;
  const shift = shiftOf(period);
  if (shift !== null) return holding(seen, seenCycle, target) + shift;
  if (period === 'everyHourOfDay') return lastHourOf(seen);
  return lastDayOf(holding(seen, seenCycle, 'month'));
}

/** How many states a search for a shortest way may keep; bounds its memory. */
const KEPT_LIMIT = 500_000;

/** The shortest way from a vertex in a period back to it in the same or a later period; null when the search would need too much memory. */
export function shortWay(
  knot: readonly RunEdge[],
  start: number,
  period: Numbered,
  longest: number,
): RunEdge[] | null {
  const by = new Map<number, RunEdge[]>();
  for (const edge of knot) {
    const known = by.get(edge.waiting);
    if (known === undefined) by.set(edge.waiting, [edge]);
    else known.push(edge);
  }
  type Reached = { period: Numbered; edge: RunEdge | null; before: Reached | null };
  let level = new Map<number, Reached>([[start, { period, edge: null, before: null }]]);
  const best = new Map<number, Numbered>();
  let kept = 0;
  for (let length = 0; length < longest && level.size > 0; length++) {
    const next = new Map<number, Reached>();
    for (const [x, before] of level)
      for (const edge of by.get(x) ?? []) {
        const reached = latest(edge, before.period);
        if (reached <= (best.get(edge.upstream) ?? Number.NEGATIVE_INFINITY)) continue;
        if (reached <= (next.get(edge.upstream)?.period ?? Number.NEGATIVE_INFINITY)) continue;
        next.set(edge.upstream, { period: reached, edge, before });
      }
    const back = next.get(start);
    if (back !== undefined && back.period >= period) {
      const way: RunEdge[] = [];
      for (let at: Reached = back; at.edge !== null; at = at.before!) way.unshift(at.edge);
      return way;
    }
    for (const [x, { period: reached }] of next) best.set(x, reached);
    kept += next.size;
    if (kept > KEPT_LIMIT) return null;
    level = next;
  }
  return null;
}
