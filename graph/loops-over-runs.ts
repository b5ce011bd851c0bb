/**
 * Loops over several runs: flows that wait for one another by edges with period mappings. Pure, for the check of a catalogue.
 *
 * The rule. A flow of a run waits for flows of the same and of other runs, these for others, and so on. When such a way comes back to the
 * flow, in the same period or a later one, it never can start: in the same period it waits for itself, in a later one for ever later ones.
 * Only a way round that always ends in an earlier period is sound. So for each way round, over all periods: where does it end at the latest?
 *
 * Each edge is a function from a period to the latest one that it asks for (`everyDayOfMonth`: the last day; a day's month: the month that
 * holds it; then the shift). These functions are monotone: who starts later ends no earlier. Two things follow. The latest way is made of
 * the latest steps, so one period for each step is enough. And if every simple way round is strictly backwards, all of them are: cutting one
 * simple round out of a longer way makes its end later, never earlier. Shifts cannot simply be added: a month waits for its last day, that
 * for the day before, and this one for the month that holds it: a loop, although one of the edges is `previous`.
 */
import { mappedCycle, mappingProblem, shiftOf } from './calendar.ts';
import { type Components, components, type Upstreams } from './loops.ts';
import type { Cycle, Flow, PeriodMapping } from './model.ts';
import {
  FIRST_MONTH,
  holding,
  lastDayOf,
  lastHourOf,
  MONTHS,
  type Numbered,
  periodOf,
  RANK,
} from './numbered-periods.ts';

/** A step of a way round: flow `v` of `period` waits for `u` of `waitsFor`. */
export interface Step {
  readonly v: number;
  readonly period: string;
  readonly u: number;
  readonly waitsFor: string;
  /** The period mapping of its edge. */
  readonly mapping: PeriodMapping;
}

export interface LoopOverRuns {
  /** Short way round, in the direction of waiting; the last step ends at the flow of the first, in its period or a later one. */
  readonly steps: readonly Step[];
  /** The step whose edge is the one to mend: without the closing edges of all loops that are found there is none. */
  readonly closing: Step;
}

/** More are not looked for: the first ones are to be mended before anybody reads on. */
const MOST = 100;
/** Edges looked at for the sake of further loops of a knot, after its first one. */
const MOST_WORK = 300_000;

interface Edge {
  /** Flows. */
  readonly v: number;
  readonly u: number;
  /** What they are contracted to: their loop within a run, or themselves. */
  readonly from: number;
  readonly to: number;
  readonly cycle: Cycle;
  readonly target: Cycle;
  readonly own: PeriodMapping;
  readonly period: PeriodMapping;
  readonly inRun: boolean;
}

/**
 * Loops that the edges within one run (`inRun`, `within`: its components, whose loops are told elsewhere) do not make alone; of each knot of
 * flows at least one. O(V + E) where flows wait for earlier periods only; where a knot mixes cycles or has edges to later periods, a search
 * from each of its months, or a few.
 */
export function loopsOverRuns(flows: readonly Flow[], inRun: Upstreams, within: Components): LoopOverRuns[] {
  const edges = edgesOf(flows, inRun, within);
  if (edges.length === 0) return [];
  const search = new Search(within.count);
  const cycleOf = (v: number): Cycle => flows[v]!.cycle;
  const found: LoopOverRuns[] = [];
  const queue = search.knots(edges).map((knot) => ({ knot, first: true }));
  let work = 0;
  for (let next = queue.pop(); next !== undefined && found.length < MOST; next = queue.pop()) {
    const { knot, first } = next;
    if (!first) work += knot.length;
    if (work > MOST_WORK && !first) continue;
    const round = search.badRound(knot);
    if (round === null) continue;
    const { loop, closing } = search.told(round, knot, cycleOf);
    found.push(loop);
    const rest = knot.filter((it) => it !== closing);
    queue.push(...search.knots(rest).map((it) => ({ knot: it, first: false })));
  }
  return found.sort((a, b) => a.closing.v - b.closing.v || a.closing.u - b.closing.u);
}

/** Edges that may be part of such a loop, those of later flows of a run first; none when no flow waits for another run. */
function edgesOf(flows: readonly Flow[], { upOff, up }: Upstreams, { of, count }: Components): Edge[] {
  const index = new Map(flows.map(({ id }, v) => [id, v]));
  const edges: Edge[] = [];
  flows.forEach((flow, v) => {
    for (const { from, period, cycle } of flow.after) {
      if (cycle === undefined && shiftOf(period) === 0) continue;
      const target = cycle ?? flow.cycle;
      const u = index.get(from);
      if (u === undefined || flows[u]!.cycle !== target) continue;
      const own = mappedCycle(flow.period, flow.cycle);
      if (mappingProblem(period, flow.cycle, own, target) !== null) continue;
      if (shiftOf(flow.period) === null && (flow.period !== 'lastDayOfMonth' || flow.cycle !== 'month'))
        continue;
      const ends = { v, u, from: of[v]!, to: of[u]! };
      edges.push({ ...ends, cycle: flow.cycle, target, own: flow.period, period, inRun: false });
    }
  });
  if (edges.length === 0) return [];
  // Only what hangs together over all edges is looked at closer: in most estates next to nothing.
  const knot = knotOf(flows.length, count, edges, { upOff, up }, of);
  const plain = edges.filter((it) => knot[it.from] === knot[it.to]);
  for (let v = 0; v < flows.length; v++) {
    const from = of[v]!;
    const { cycle } = flows[v]!;
    for (let k = upOff[v]!; k < upOff[v + 1]!; k++) {
      const u = up[k]!;
      const to = of[u]!;
      if (to === from || knot[to] !== knot[from]) continue;
      plain.push({ v, u, from, to, cycle, target: cycle, own: 'same', period: 'same', inRun: true });
    }
  }
  // Upstreams have smaller numbers within a run: in this order one pass of a search carries a period through a whole run.
  return plain.sort((a, b) => b.from - a.from);
}

/** By contracted vertex the strongly connected part that it belongs to, over edges of both kinds. */
function knotOf(n: number, count: number, edges: readonly Edge[], inRun: Upstreams, of: Int32Array): Int32Array {
  const upOff = new Int32Array(count + 1);
  for (let v = 0; v < n; v++) upOff[of[v]! + 1]! += inRun.upOff[v + 1]! - inRun.upOff[v]!;
  for (const { from } of edges) upOff[from + 1]!++;
  for (let i = 0; i < count; i++) upOff[i + 1]! += upOff[i]!;
  const up = new Int32Array(upOff[count]!);
  const next = upOff.slice(0, count);
  for (let v = 0; v < n; v++)
    for (let k = inRun.upOff[v]!; k < inRun.upOff[v + 1]!; k++) up[next[of[v]!]!++] = of[inRun.up[k]!]!;
  for (const { from, to } of edges) up[next[from]!++] = to;
  return components({ upOff, up }).of;
}

const MONTH_STARTS = Array.from({ length: MONTHS }, (_, i) => FIRST_MONTH + i);
/** A period to begin with where all are alike: days and hours know no months here. */
const FIRST: Record<Cycle, Numbered> = {
  month: FIRST_MONTH,
  day: lastDayOf(FIRST_MONTH - 1) + 1,
  hour: lastHourOf(lastDayOf(FIRST_MONTH - 1)) + 1,
};

function first<A, B>(list: readonly A[], of: (it: A) => B | null): B | null {
  for (const it of list) {
    const found = of(it);
    if (found !== null) return found;
  }
  return null;
}

const coarsest = (edges: readonly Edge[]): Cycle =>
  edges.reduce<Cycle>((most, { cycle }) => (RANK[cycle] > RANK[most] ? cycle : most), 'hour');

/** How many periods of `unit` an edge leads forward at the most, whatever the period; never too few. */
function mostShift({ cycle, own, period, target, inRun }: Edge, unit: Cycle): number {
  if (inRun) return 0;
  const seen = mappedCycle(own, cycle);
  const edgeShift = shiftOf(period);
  return most(shiftOf(own) ?? 0, cycle, unit) + most(edgeShift ?? 0, edgeShift === null ? seen : target, unit);
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

const most = (n: number, of: Cycle, unit: Cycle): number =>
  n === 0 ? 0 : n > 0 ? Math.ceil(n / LEAST[of][unit]) : -Math.floor(-n / LONGEST[of][unit]);

/** The latest period that an edge asks for. Monotone. */
function latest({ cycle, own, period, target, inRun }: Edge, at: Numbered): Numbered {
  if (inRun) return at;
  const ownShift = shiftOf(own);
  const seen = ownShift === null ? lastDayOf(at) : at + ownShift;
  const seenCycle = ownShift === null ? 'day' : cycle;
  const shift = shiftOf(period);
  if (shift !== null) return holding(seen, seenCycle, target) + shift;
  if (period === 'everyHourOfDay') return lastHourOf(seen);
  return lastDayOf(holding(seen, seenCycle, 'month'));
}

/** What a search by length may keep. */
const MOST_KEPT = 500_000;

class Search {
  /** Of contracted vertices, while a knot is looked at: its place among those of the knot. */
  readonly #place: Int32Array;

  constructor(vertices: number) {
    this.#place = new Int32Array(vertices).fill(-1);
  }

  /** Gives the vertices of the edges places from 0; answers how many there are. `#forget` comes after. */
  #number(edges: readonly Edge[]): number {
    let n = 0;
    const place = this.#place;
    for (const { from, to } of edges) {
      if (place[from]! < 0) place[from] = n++;
      if (place[to]! < 0) place[to] = n++;
    }
    return n;
  }

  #forget(edges: readonly Edge[]): void {
    for (const { from, to } of edges) this.#place[from] = this.#place[to] = -1;
  }

  /** The edges of each strongly connected part, in their order. O(E). */
  knots(edges: readonly Edge[]): Edge[][] {
    const n = this.#number(edges);
    const place = this.#place;
    const upOff = new Int32Array(n + 1);
    for (const { from } of edges) upOff[place[from]! + 1]!++;
    for (let i = 0; i < n; i++) upOff[i + 1]! += upOff[i]!;
    const up = new Int32Array(edges.length);
    const next = upOff.slice(0, n);
    for (const { from, to } of edges) up[next[place[from]!]!++] = place[to]!;
    const { of } = components({ upOff, up });
    const lists = new Map<number, Edge[]>();
    for (const edge of edges) {
      const component = of[place[edge.from]!]!;
      if (component !== of[place[edge.to]!]!) continue;
      const list = lists.get(component);
      if (list === undefined) lists.set(component, [edge]);
      else list.push(edge);
    }
    this.#forget(edges);
    return [...lists.values()];
  }

  /** A way round that is not strictly backwards, in the direction of waiting; null = there is none in this knot. */
  badRound(knot: readonly Edge[]): Edge[] | null {
    const unit = coarsest(knot);
    const mixed = knot.some(({ cycle }) => cycle !== unit);
    const shift = knot.map((edge) => mostShift(edge, unit));
    // Without steps forward a step backward is never made good: whoever takes one ends in an earlier period.
    const forward = knot.filter((_, i) => shift[i]! > 0);
    const inParts = (parts: readonly Edge[][]) => first(parts, (it) => this.badRound(it));
    if (forward.length === 0) {
      const level = knot.filter((_, i) => shift[i] === 0);
      if (level.length < knot.length) return inParts(this.knots(level));
      // All steps stay in the period, and a knot has a way round.
      if (!mixed) return this.#wayRound(knot, [knot[0]!.from], [FIRST[unit]]);
    }
    // A round either lies in a part of the knot, among the coarsest periods or without them, without steps forward; or it has what joins the
    // parts: a step to the coarser period that holds a finer one, a step forward.
    const parts = mixed
      ? [
          ...this.knots(knot.filter((it) => it.cycle === unit && it.target === unit)),
          ...this.knots(knot.filter((it) => it.cycle !== unit && it.target !== unit)),
        ]
      : this.knots(knot.filter((_, i) => shift[i]! <= 0));
    const inPart = inParts(parts);
    if (inPart !== null) return inPart;
    const joining = mixed ? knot.filter((it) => it.cycle !== unit && it.target === unit) : forward;
    const starts = [...new Set(joining.map(({ to }) => to))];
    return this.#wayRound(knot, starts, mixed && unit === 'month' ? MONTH_STARTS : [FIRST[unit]]);
  }

  /**
   * Searches from each start in each period, over the latest periods and, where these are equal, the longer way: a round that does not end
   * earlier then always improves on itself, and shows as a round of the edges over which the vertices were reached.
   */
  #wayRound(
    edges: readonly Edge[],
    starts: readonly number[],
    periods: readonly Numbered[],
  ): Edge[] | null {
    const n = this.#number(edges);
    const from = Int32Array.from(edges, (it) => this.#place[it.from]!);
    const to = Int32Array.from(edges, (it) => this.#place[it.to]!);
    const places = starts.map((it) => this.#place[it]!);
    this.#forget(edges);
    const at = new Float64Array(n);
    const steps = new Int32Array(n);
    const by = new Int32Array(n);
    for (const start of places)
      for (const period of periods) {
        at.fill(Number.NEGATIVE_INFINITY);
        by.fill(-1);
        at[start] = period;
        steps[start] = 0;
        for (let moved = true; moved; ) {
          moved = false;
          for (let e = 0; e < edges.length; e++) {
            const x = from[e]!;
            const here = at[x]!;
            if (here === Number.NEGATIVE_INFINITY) continue;
            const y = to[e]!;
            const reached = latest(edges[e]!, here);
            if (reached < at[y]! || (reached === at[y]! && steps[x]! < steps[y]!)) continue;
            at[y] = reached;
            steps[y] = steps[x]! + 1;
            by[y] = e;
            moved = true;
          }
          const round = moved ? roundOf(by, from) : null;
          if (round !== null) return round.map((e) => edges[e]!);
        }
      }
    return null;
  }

  /** A short way round with periods for an example, and the edge to mend. */
  told(
    round: readonly Edge[],
    knot: readonly Edge[],
    cycleOf: (v: number) => Cycle,
  ): { loop: LoopOverRuns; closing: Edge } {
    const unit = coarsest(round);
    const turn = round.reduce(
      (best, { cycle, v }, i) => (cycle === unit && (best < 0 || v < round[best]!.v) ? i : best),
      -1,
    );
    const turned = [...round.slice(turn), ...round.slice(0, turn)];
    const periods = unit === 'month' ? MONTH_STARTS : [FIRST[unit]];
    const period = periods.find((it) => turned.reduce((at, edge) => latest(edge, at), it) >= it)!;
    const way = shortWay(knot, turned[0]!.from, period, turned.length) ?? turned;
    let at = period;
    const steps = way.map((edge): Step => {
      const before = at;
      at = latest(edge, at);
      return {
        ...{ v: edge.v, u: edge.u, mapping: edge.period },
        period: periodOf(edge.cycle, before),
        waitsFor: periodOf(cycleOf(edge.u), at),
      };
    });
    // The edge to mend leads to the period that holds this one, or forward; what only leads within a run is as it should be.
    const worth = (edge: Edge): number =>
      edge.inRun ? -1e9 : (RANK[edge.target] - RANK[edge.cycle]) * 1e6 + mostShift(edge, unit);
    const closing = way.reduce((best, it, i) => (worth(it) > worth(way[best]!) ? i : best), 0);
    return { loop: { steps, closing: steps[closing]! }, closing: way[closing]! };
  }
}

/** A round among the edges over which vertices were reached last, in the direction of waiting. O(V). */
function roundOf(by: Int32Array, from: Int32Array): number[] | null {
  const seen = new Int32Array(by.length);
  for (let origin = 0; origin < by.length; origin++) {
    let x = origin;
    while (seen[x] === 0 && by[x]! >= 0) {
      seen[x] = origin + 1;
      x = from[by[x]!]!;
    }
    if (seen[x] !== origin + 1 || by[x]! < 0) continue;
    const round: number[] = [];
    let y = x;
    do {
      round.unshift(by[y]!);
      y = from[by[y]!]!;
    } while (y !== x);
    return round;
  }
  return null;
}

/** The shortest way from a vertex in a period back to it in the same or a later one; null when it is not found within reason. */
function shortWay(knot: readonly Edge[], start: number, period: Numbered, longest: number): Edge[] | null {
  const by = new Map<number, Edge[]>();
  for (const edge of knot) {
    const known = by.get(edge.from);
    if (known === undefined) by.set(edge.from, [edge]);
    else known.push(edge);
  }
  type Reached = { period: Numbered; edge: Edge | null; before: Reached | null };
  let level = new Map<number, Reached>([[start, { period, edge: null, before: null }]]);
  const best = new Map<number, Numbered>();
  let kept = 0;
  for (let length = 0; length < longest && level.size > 0; length++) {
    const next = new Map<number, Reached>();
    for (const [x, before] of level)
      for (const edge of by.get(x) ?? []) {
        const reached = latest(edge, before.period);
        if (reached <= (best.get(edge.to) ?? Number.NEGATIVE_INFINITY)) continue;
        if (reached <= (next.get(edge.to)?.period ?? Number.NEGATIVE_INFINITY)) continue;
        next.set(edge.to, { period: reached, edge, before });
      }
    const back = next.get(start);
    if (back !== undefined && back.period >= period) {
      const way: Edge[] = [];
      for (let at: Reached = back; at.edge !== null; at = at.before!) way.unshift(at.edge);
      return way;
    }
    for (const [x, { period: reached }] of next) best.set(x, reached);
    kept += next.size;
    if (kept > MOST_KEPT) return null;
    level = next;
  }
  return null;
}
