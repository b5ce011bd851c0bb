/**
 * Flows that have used the results of a backfill and are redone with it: those of other cycles' runs, and the flows that have used theirs.
 * Pure.
 *
 * Only flows that have run in the scheduled run of their period are redone; others will use the new results anyway. In the backfill's own
 * cycle only the periods of its range are redone.
 */
import { SluiceError } from '../../errors.ts';
import { periodStartLocal, shiftOf, shiftPeriod } from '../calendar/calendar.ts';
import type { ForeignEdge, Graph } from '../compiled/compact.ts';
import { components } from '../compiled/loops.ts';
import type { Cycle, PeriodMapping } from '../model.ts';
import { periodsOf } from '../run/foreign-runs.ts';
import { type BackfillPlan, type BackfillRequest, PERIOD_LIMIT } from './backfill.ts';

export interface PlannedRun {
  readonly cycle: Cycle;
  readonly period: string;
  /** Flows that the run is opened for, upstream first; null = those of the plan. */
  readonly flows: readonly string[] | null;
  /** The run is not one of the requested range. */
  readonly dependant: boolean;
  /** Runs with the same number wait for one another in both directions, so they must be open at the same time. null = no such runs. */
  readonly together: number | null;
}

/** What the record knows of scheduled runs. */
export interface Past {
  /** Periods that have, or had, a scheduled run, in order of time. */
  periods(cycle: Cycle): readonly string[];
  /** Whether the flow has started in the scheduled run of the period. */
  hasRun(cycle: Cycle, period: string, flow: string): boolean;
}

/** The runs of a plan without dependants, in its order. */
export function ownRuns({ cycle }: Pick<BackfillRequest, 'cycle'>, plan: BackfillPlan): PlannedRun[] {
  return plan.periods.map((period) => ({ cycle, period, flows: null, dependant: false, together: null }));
}

/**
 * The runs of a backfill with its dependants, in the order of opening: each after those that it waits for, else in the order of the plan. Throws
 * `invalid_request` when there are more than `PERIOD_LIMIT`, or when the request excludes downstream flows. O(runs x edges to other runs +
 * flows found).
 */
export function withDependants(
  graphs: ReadonlyMap<Cycle, Graph>,
  request: Pick<BackfillRequest, 'cycle' | 'downstream'>,
  plan: BackfillPlan,
  past: Past,
): PlannedRun[] {
  if (!request.downstream)
    throw new SluiceError('invalid_request', 'flows without what is downstream of them have no dependants', {
      facts: { downstream: false },
    });
  const search = new Search(graphs, request.cycle, plan, past);
  search.spread();
  return ordered([...search.runs.values()], graphs, plan);
}

interface ChosenRun {
  readonly cycle: Cycle;
  readonly period: string;
  readonly own: boolean;
  /** Vertices of the graph of its cycle. */
  readonly flows: Set<number>;
}

const keyOf = (cycle: Cycle, period: string): string => `${cycle} ${period}`;

class Search {
  readonly runs = new Map<string, ChosenRun>();
  readonly #graphs: ReadonlyMap<Cycle, Graph>;
  readonly #cycle: Cycle;
  readonly #past: Past;
  readonly #own: readonly string[];
  /** Edges to other runs, of all graphs, by their upstream: `day D`. */
  readonly #users = new Map<string, { graph: Graph; edge: ForeignEdge }[]>();
  readonly #known = new Map<string, readonly string[]>();
  readonly #queue: { run: ChosenRun; fresh: number[] }[] = [];

  constructor(graphs: ReadonlyMap<Cycle, Graph>, cycle: Cycle, plan: BackfillPlan, past: Past) {
    this.#graphs = graphs;
    this.#cycle = cycle;
    this.#past = past;
    this.#own = [...plan.periods].sort();
    for (const graph of graphs.values())
      for (const edge of graph.foreign) {
        const from = keyOf(edge.cycle, edge.from);
        const known = this.#users.get(from);
        if (known === undefined) this.#users.set(from, [{ graph, edge }]);
        else known.push({ graph, edge });
      }
    const graph = graphs.get(cycle)!;
    const { index } = graph;
    const flows = plan.flows === null ? [...index.values()] : plan.flows.map((id) => index.get(id)!);
    for (const period of plan.periods) {
      const run = { cycle, period, own: true, flows: new Set(flows) };
      this.runs.set(keyOf(cycle, period), run);
      this.#queue.push({ run, fresh: flows });
    }
  }

  /** Goes from flows that are redone to flows that have used them, until it finds no more. */
  spread(): void {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      const { run, fresh } = next;
      const graph = this.#graphs.get(run.cycle)!;
      for (const v of fresh) {
        for (const { graph: other, edge } of this.#users.get(keyOf(run.cycle, graph.ids[v]!)) ?? [])
          for (const period of this.#periodsUsing(other, edge, run.period)) this.#add(other, period, edge.v);
      }
    }
  }

  /** Adds the flow, and the flows of its run that have used it. */
  #add(graph: Graph, period: string, v: number): void {
    const { cycle } = graph;
    const key = keyOf(cycle, period);
    const known = this.runs.get(key);
    const hasRun = (u: number): boolean => this.#past.hasRun(cycle, period, graph.ids[u]!);
    if (known?.flows.has(v) || !hasRun(v)) return;
    const run = known ?? { cycle, period, own: false, flows: new Set<number>() };
    this.runs.set(key, run);
    if (this.runs.size > PERIOD_LIMIT)
      throw new SluiceError(
        'invalid_request',
        `more than ${PERIOD_LIMIT} runs with those that use the results; backfill them in parts`,
        { facts: { runs: this.runs.size } },
      );
    const fresh = [v];
    run.flows.add(v);
    for (let i = 0; i < fresh.length; i++)
      for (let k = graph.downOff[fresh[i]!]!; k < graph.downOff[fresh[i]! + 1]!; k++) {
        const u = graph.down[k]!;
        if (run.flows.has(u) || !hasRun(u)) continue;
        run.flows.add(u);
        fresh.push(u);
      }
    this.#queue.push({ run, fresh });
  }

  /** Periods of the graph's runs in which the edge means `period`. */
  #periodsUsing(graph: Graph, edge: ForeignEdge, period: string): readonly string[] {
    const own = graph.attrOf(edge.v).period;
    const key = JSON.stringify([graph.cycle, own, edge.cycle, edge.period, edge.opened, period]);
    let found = this.#known.get(key);
    if (found === undefined) {
      const all = graph.cycle === this.#cycle ? this.#own : this.#past.periods(graph.cycle);
      const [from, to] = around(graph, own, edge, period);
      found = between(all, graph.cycle, from, to).filter((entry) =>
        periodsOf(graph, edge, { cycle: graph.cycle, period: entry }).includes(period),
      );
      this.#known.set(key, found);
    }
    return found;
  }
}

const HOUR_MS = 3_600_000;
/** The longest that a period of a cycle can be, ms. */
const LONGEST: Record<Cycle, number> = { hour: HOUR_MS, day: 24 * HOUR_MS, month: 31 * 24 * HOUR_MS };

/**
 * Clock faces between which the periods begin that may ask for `period`: one of the longer ones before it and after, and the shifts. Among
 * opened periods the shifts end with the opened period that is as many after it, or where the search for an earlier one gives up.
 */
function around(
  { cycle, openings }: Graph,
  own: PeriodMapping,
  { cycle: to, period: mapping, opened }: ForeignEdge,
  period: string,
): [number, number] {
  const shift = shiftOf(mapping) ?? 0;
  const slack =
    Math.max(LONGEST[cycle], LONGEST[to]) +
    Math.abs(shiftOf(own) ?? 0) * LONGEST[cycle] +
    Math.abs(shift) * LONGEST[to];
  const at = periodStartLocal(to, period);
  if (opened === undefined || openings === null || shift >= 0) return [at - slack, at + slack];
  const last = openings.shifted(opened, to, period, shift);
  return [at - slack, last === null ? Number.POSITIVE_INFINITY : periodStartLocal(to, last) + slack];
}

/** The periods of a sorted list that begin between two local times. */
function between(sorted: readonly string[], cycle: Cycle, from: number, to: number): string[] {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (periodStartLocal(cycle, sorted[middle]!) < from) low = middle + 1;
    else high = middle;
  }
  const found: string[] = [];
  for (; low < sorted.length && periodStartLocal(cycle, sorted[low]!) <= to; low++) found.push(sorted[low]!);
  return found;
}

function ordered(
  runs: readonly ChosenRun[],
  graphs: ReadonlyMap<Cycle, Graph>,
  plan: BackfillPlan,
): PlannedRun[] {
  const end = runs.map(({ cycle, period }) => periodStartLocal(cycle, shiftPeriod(cycle, period, 1)));
  const sooner = (a: number, b: number): number =>
    (plan.descending ? end[b]! - end[a]! : end[a]! - end[b]!) ||
    LONGEST[runs[a]!.cycle] - LONGEST[runs[b]!.cycle];
  const upstreams = upstreamsOf(runs, graphs);
  const upOff = new Int32Array(runs.length + 1);
  upstreams.forEach((list, i) => {
    upOff[i + 1] = upOff[i]! + list.length;
  });
  const { of, count } = components({ upOff, up: Int32Array.from(upstreams.flat()) });
  const members: number[][] = Array.from({ length: count }, () => []);
  of.forEach((component, i) => void members[component]!.push(i));
  for (const list of members) list.sort(sooner);
  const open = members.map(
    (list, c) =>
      new Set(list.flatMap((i) => upstreams[i]!.map((u) => of[u]!).filter((entry) => entry !== c))),
  );
  const left = new Set(members.keys());
  const order: PlannedRun[] = [];
  let together = 0;
  while (left.size > 0) {
    let next = -1;
    for (const c of left)
      if (open[c]!.size === 0 && (next < 0 || sooner(members[c]![0]!, members[next]![0]!) < 0)) next = c;
    left.delete(next);
    for (const c of left) open[c]!.delete(next);
    const list = members[next]!;
    if (list.length > 1) together++;
    for (const i of list) order.push(planned(runs[i]!, list.length > 1 ? together : null));
  }
  return order;

  function planned({ cycle, period, own, flows }: ChosenRun, knot: number | null): PlannedRun {
    const { ids, n } = graphs.get(cycle)!;
    const asked = own && flows.size === (plan.flows?.length ?? n);
    const names = asked ? null : [...flows].sort((a, b) => a - b).map((v) => ids[v]!);
    return { cycle, period, flows: names, dependant: !own, together: knot };
  }
}

/** For each run the other runs that its flows wait for. */
function upstreamsOf(runs: readonly ChosenRun[], graphs: ReadonlyMap<Cycle, Graph>): number[][] {
  const place = new Map(runs.map(({ cycle, period }, i) => [keyOf(cycle, period), i]));
  const names = new Map(
    [...graphs].map(([cycle, { ids }]) => [cycle, new Map(ids.map((id, v) => [id, v]))] as const),
  );
  return runs.map((run, i) => {
    const graph = graphs.get(run.cycle)!;
    const found = new Set<number>();
    for (const edge of graph.foreign) {
      if (!run.flows.has(edge.v)) continue;
      const u = names.get(edge.cycle)!.get(edge.from)!;
      for (const period of periodsOf(graph, edge, run)) {
        const other = place.get(keyOf(edge.cycle, period));
        if (other !== undefined && other !== i && runs[other]!.flows.has(u)) found.add(other);
      }
    }
    return [...found];
  });
}
