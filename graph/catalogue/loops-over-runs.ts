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
 *
 * An edge that counts the periods that schedules open leads no later than the plain one: where the plain ones make a loop, graph/catalogue/opened-loops.ts
 * looks whether there is a period in which it comes true.
 */

import {
  FIRST_MONTH,
  lastDayOf,
  lastHourOf,
  MONTHS,
  type Numbered,
  periodOf,
  RANK,
} from '../calendar/numbered-periods.ts';
import type { Openings } from '../calendar/openings.ts';
import { type Components, components, type Upstreams } from '../compiled/loops.ts';
import { coarsest, edgesOf, largestShift, latest, type RunEdge, shortWay } from '../compiled/run-edges.ts';
import type { Cycle, Flow, PeriodMapping } from '../model.ts';
import type { Finding, Path } from '../text/problems.ts';
import { LOOK_LIMIT, type OpenedStep, openedRound } from './opened-loops.ts';

/** A step of a loop: flow `v` of `period` waits for `u` of `waitsFor`. */
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

/** Limit of the loops that are searched: people repair the first ones before they read on. */
const LOOP_LIMIT = 100;
/** Limit of the edges that are looked at for further loops of a knot, after its first one. */
const WORK_LIMIT = 300_000;

/**
 * Loops that the edges within one run (`inRun`, `within`: its components, whose loops are told elsewhere) do not make alone; of each knot of
 * flows at least one. O(V + E) where flows wait for earlier periods only; where a knot mixes cycles or has edges to later periods, a search
 * from each of its months, or a few.
 */
export function loopsOverRuns(
  flows: readonly Flow[],
  inRun: Upstreams,
  within: Components,
  openings: Openings | null = null,
): LoopOverRuns[] {
  const edges = edgesOf(flows, inRun, within, openings);
  if (edges.length === 0) return [];
  const search = new Search(within.count);
  const cycleOf = (v: number): Cycle => flows[v]!.cycle;
  const found: LoopOverRuns[] = [];
  const queue = search.knots(edges).map((knot) => ({ knot, first: true }));
  let work = 0;
  const budget = { left: LOOK_LIMIT };
  for (let next = queue.pop(); next !== undefined && found.length < LOOP_LIMIT; next = queue.pop()) {
    const { knot, first } = next;
    if (!first) work += knot.length;
    if (work > WORK_LIMIT && !first) continue;
    const round = search.badRound(knot);
    if (round === null) continue;
    const opened = openings !== null && knot.some((entry) => entry.opened !== undefined);
    const way = opened ? openedRound(knot, openings, budget) : 'unknown';
    if (way === null) continue;
    const { loop, closing } = way === 'unknown' ? search.exampleOf(round, knot, cycleOf) : openedLoop(way);
    found.push(loop);
    const rest = knot.filter((entry) => entry !== closing);
    queue.push(...search.knots(rest).map((knot) => ({ knot: knot, first: false })));
  }
  return found.sort((a, b) => a.closing.v - b.closing.v || a.closing.u - b.closing.u);
}

const MONTH_STARTS = Array.from({ length: MONTHS }, (_, i) => FIRST_MONTH + i);
/** A period to begin with where all are alike: days and hours know no months here. */
const FIRST: Record<Cycle, Numbered> = {
  month: FIRST_MONTH,
  day: lastDayOf(FIRST_MONTH - 1) + 1,
  hour: lastHourOf(lastDayOf(FIRST_MONTH - 1)) + 1,
};

function first<A, B>(list: readonly A[], of: (entry: A) => B | null): B | null {
  for (const entry of list) {
    const found = of(entry);
    if (found !== null) return found;
  }
  return null;
}

class Search {
  /** Of contracted vertices, while a knot is looked at: its place among those of the knot. */
  readonly #place: Int32Array;

  constructor(vertices: number) {
    this.#place = new Int32Array(vertices).fill(-1);
  }

  /** Gives the vertices of the edges places from 0; answers how many there are. `#forget` comes after. */
  #number(edges: readonly RunEdge[]): number {
    let n = 0;
    const place = this.#place;
    for (const { waiting, upstream } of edges) {
      if (place[waiting]! < 0) place[waiting] = n++;
      if (place[upstream]! < 0) place[upstream] = n++;
    }
    return n;
  }

  #forget(edges: readonly RunEdge[]): void {
    for (const { waiting, upstream } of edges) this.#place[waiting] = this.#place[upstream] = -1;
  }

  /** The edges of each knot, a strongly connected part, in their order. O(E). */
  knots(edges: readonly RunEdge[]): RunEdge[][] {
    const n = this.#number(edges);
    const place = this.#place;
    const upOff = new Int32Array(n + 1);
    for (const { waiting } of edges) upOff[place[waiting]! + 1]!++;
    for (let i = 0; i < n; i++) upOff[i + 1]! += upOff[i]!;
    const up = new Int32Array(edges.length);
    const next = upOff.slice(0, n);
    for (const { waiting, upstream } of edges) up[next[place[waiting]!]!++] = place[upstream]!;
    const { of } = components({ upOff, up });
    const lists = new Map<number, RunEdge[]>();
    for (const edge of edges) {
      const component = of[place[edge.waiting]!]!;
      if (component !== of[place[edge.upstream]!]!) continue;
      const list = lists.get(component);
      if (list === undefined) lists.set(component, [edge]);
      else list.push(edge);
    }
    this.#forget(edges);
    return [...lists.values()];
  }

  /** A way round that is not strictly backwards, in the direction of waiting; null = there is none in this knot. */
  badRound(knot: readonly RunEdge[]): RunEdge[] | null {
    const unit = coarsest(knot);
    const mixed = knot.some(({ cycle }) => cycle !== unit);
    const shift = knot.map((edge) => largestShift(edge, unit));
    // Without steps forward a step backward is never made good: a way that takes one ends in an earlier period.
    const forward = knot.filter((_, i) => shift[i]! > 0);
    const inParts = (parts: readonly RunEdge[][]) => first(parts, (part) => this.badRound(part));
    if (forward.length === 0) {
      const level = knot.filter((_, i) => shift[i] === 0);
      if (level.length < knot.length) return inParts(this.knots(level));
      // All steps stay in the period, and a knot has a way round.
      if (!mixed) return this.#wayRound(knot, [knot[0]!.waiting], [FIRST[unit]]);
    }
    // A round either lies in a part of the knot, among the coarsest periods or without them, without steps forward; or it has what joins the
    // parts: a step to the coarser period that holds a finer one, a step forward.
    const parts = mixed
      ? [
          ...this.knots(knot.filter((entry) => entry.cycle === unit && entry.target === unit)),
          ...this.knots(knot.filter((entry) => entry.cycle !== unit && entry.target !== unit)),
        ]
      : this.knots(knot.filter((_, i) => shift[i]! <= 0));
    const inPart = inParts(parts);
    if (inPart !== null) return inPart;
    const joining = mixed ? knot.filter((entry) => entry.cycle !== unit && entry.target === unit) : forward;
    const starts = [...new Set(joining.map(({ upstream }) => upstream))];
    return this.#wayRound(knot, starts, mixed && unit === 'month' ? MONTH_STARTS : [FIRST[unit]]);
  }

  /**
   * Searches from each start in each period, over the latest periods and, where these are equal, the longer way: a round that does not end
   * earlier then always improves on itself, and shows as a round of the edges over which the vertices were reached.
   */
  #wayRound(
    edges: readonly RunEdge[],
    starts: readonly number[],
    periods: readonly Numbered[],
  ): RunEdge[] | null {
    const n = this.#number(edges);
    const waiting = Int32Array.from(edges, (edge) => this.#place[edge.waiting]!);
    const upstream = Int32Array.from(edges, (edge) => this.#place[edge.upstream]!);
    const places = starts.map((start) => this.#place[start]!);
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
            const x = waiting[e]!;
            const here = at[x]!;
            if (here === Number.NEGATIVE_INFINITY) continue;
            const y = upstream[e]!;
            const reached = latest(edges[e]!, here);
            if (reached < at[y]! || (reached === at[y]! && steps[x]! < steps[y]!)) continue;
            at[y] = reached;
            steps[y] = steps[x]! + 1;
            by[y] = e;
            moved = true;
          }
          const round = moved ? roundOf(by, waiting) : null;
          if (round !== null) return round.map((e) => edges[e]!);
        }
      }
    return null;
  }

  /** A short way round with periods for an example, and the edge to mend. */
  exampleOf(
    round: readonly RunEdge[],
    knot: readonly RunEdge[],
    cycleOf: (v: number) => Cycle,
  ): { loop: LoopOverRuns; closing: RunEdge } {
    const unit = coarsest(round);
    const turn = round.reduce(
      (best, { cycle, v }, i) => (cycle === unit && (best < 0 || v < round[best]!.v) ? i : best),
      -1,
    );
    const turned = [...round.slice(turn), ...round.slice(0, turn)];
    const periods = unit === 'month' ? MONTH_STARTS : [FIRST[unit]];
    const period = periods.find((period) => turned.reduce((at, edge) => latest(edge, at), period) >= period)!;
    const way = shortWay(knot, turned[0]!.waiting, period, turned.length) ?? turned;
    let at = period;
    const steps = way.map((edge): Step => {
      const before = at;
      at = latest(edge, at);
      return {
        v: edge.v,
        u: edge.u,
        mapping: edge.period,
        period: periodOf(edge.cycle, before),
        waitsFor: periodOf(cycleOf(edge.u), at),
      };
    });
    const closing = toMend(way, unit);
    return { loop: { steps, closing: steps[closing]! }, closing: way[closing]! };
  }
}

/** The edge to mend leads to the period that holds this one, or forward; what only leads within a run is as it should be. */
function toMend(way: readonly RunEdge[], unit: Cycle): number {
  const worth = (edge: RunEdge): number =>
    edge.inRun ? -1e9 : (RANK[edge.target] - RANK[edge.cycle]) * 1e6 + largestShift(edge, unit);
  return way.reduce((best, entry, i) => (worth(entry) > worth(way[best]!) ? i : best), 0);
}

function openedLoop(way: readonly OpenedStep[]): { loop: LoopOverRuns; closing: RunEdge } {
  const edges = way.map(({ edge }) => edge);
  const steps = way.map(({ edge, period, waitsFor }): Step => {
    const { v, u, period: mapping } = edge;
    return { v, period, u, waitsFor, mapping };
  });
  const closing = toMend(edges, coarsest(edges));
  return { loop: { steps, closing: steps[closing]! }, closing: edges[closing]! };
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

/** As a problem of the catalogue: the way round with its periods, at the place of the closing edge. */
export function loopFinding(
  flows: readonly Flow[],
  { steps, closing }: LoopOverRuns,
  path: Path,
  severity: Finding['severity'],
): Finding {
  const id = (v: number): string => flows[v]!.id;
  const way = steps.flatMap(({ v, period, u, waitsFor }, i) => {
    // A loop within a run on the way is entered at one flow and left at another.
    const end = steps[i + 1]?.v === u ? [] : [`${id(u)} (${waitsFor})`];
    return [`${id(v)} (${period})`, ...end];
  });
  const later = steps.at(-1)!.waitsFor !== steps[0]!.period;
  const members = [...new Set(steps.flatMap(({ v, u }) => [v, u]))].sort((a, b) => a - b);
  const more = later
    ? { en: ', and so on for ever later periods', zh: '，如此不断等待更晚的账期' }
    : { en: '', zh: '' };
  return {
    code: 'loop_over_runs',
    severity,
    message: {
      en: `these flows wait for one another over several runs: ${way.join(' waits for ')}${more.en}`,
      zh: `流程跨运行互相依赖：${way.join(' 等待 ')}${more.zh}`,
    },
    path,
    id: id(closing.v),
    at: 'value',
    members: members.map(id),
  };
}
