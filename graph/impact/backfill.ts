/** Which runs a backfill opens: their periods, in which order, for which flows. Pure. */
import { SluiceError } from '../../errors.ts';
import { comparePeriods, nextPeriod, parsePeriod, shiftOf } from '../calendar/calendar.ts';
import type { Openers } from '../calendar/openings.ts';
import type { Graph } from '../compiled/compact.ts';
import { reachOf } from '../compiled/reach.ts';
import type { Cycle } from '../model.ts';

export interface BackfillRequest {
  readonly cycle: Cycle;
  /** Both included. */
  readonly from: string;
  readonly to: string;
  /** null = all flows of the cycle. */
  readonly flows: readonly string[] | null;
  /** Also everything below `flows` in the same run. */
  readonly downstream: boolean;
  /** null = the order that the edges need, else the oldest first. */
  readonly order: 'ascending' | 'descending' | null;
  /** Number of runs that are open at the same time; null = 1 when the runs wait for one another, else a few. */
  readonly concurrency: number | null;
  /** Include periods that no schedule opens. */
  readonly everyPeriod?: boolean;
}

export interface BackfillPlan {
  /** In the order of opening. */
  readonly periods: readonly string[];
  /** Periods of the range that no schedule opens, ascending (protocol D10). */
  readonly leftOut: readonly string[];
  /** Flows that the runs are opened for, upstream first; null = all. */
  readonly flows: readonly string[] | null;
  readonly descending: boolean;
  readonly concurrency: number;
  /** Whether flows of the backfill wait for flows of it in earlier periods, and in later ones. */
  readonly chained: { readonly earlier: boolean; readonly later: boolean };
}

export const PERIOD_LIMIT = 1_000;
/** Limit of the periods of a range that no schedule opens: enough for 54 years of days or 2 years of hours. */
const LEFT_OUT_LIMIT = 20_000;
const CONCURRENCY = 4;

/**
 * Plans a backfill. Without `everyPeriod` it opens the periods that a schedule of the requested flows opens; all periods, when a requested flow
 * has no schedule. Throws `invalid_period`, `unknown_flow`, and `invalid_request` for a range that is empty, too long or without opened
 * periods, and for an order that the edges contradict. O(V + E + periods).
 */
export function planBackfill(graph: Graph, request: BackfillRequest): BackfillPlan {
  const { periods, leftOut } = periodsOf(
    request,
    request.everyPeriod ? null : openersOf(graph, request.flows),
    graph,
  );
  const included = request.flows === null ? null : flowsOf(graph, request.flows, request.downstream);
  const chained = { earlier: false, later: false };
  for (const edge of graph.foreign) {
    const shift = shiftOf(edge.period);
    if (edge.cycle !== request.cycle || shift === null || shift === 0) continue;
    if (included !== null && !(included.has(edge.from) && included.has(graph.ids[edge.v]!))) continue;
    if (shift < 0) chained.earlier = true;
    else chained.later = true;
  }
  const wanted = request.order ?? (chained.later && !chained.earlier ? 'descending' : 'ascending');
  if (
    (wanted === 'descending' && chained.earlier) ||
    (wanted === 'ascending' && chained.later && !chained.earlier)
  )
    throw new SluiceError(
      'invalid_request',
      `flows wait for ${wanted === 'descending' ? 'earlier' : 'later'} periods of this backfill: it cannot go ${wanted}`,
      { facts: { order: wanted, chained } },
    );
  // They wait in both directions, so no order fits: all runs are open at once, and the edges decide.
  const both = chained.earlier && chained.later;
  const one = chained.earlier || chained.later;
  return {
    periods: wanted === 'descending' ? periods.reverse() : periods,
    leftOut,
    flows: included === null ? null : graph.ids.filter((id) => included.has(id)),
    descending: wanted === 'descending',
    concurrency: both ? periods.length : (request.concurrency ?? (one ? 1 : CONCURRENCY)),
    chained,
  };
}

/** Sets of schedules whose periods the backfill opens; null = every period. */
function openersOf(graph: Graph, flows: readonly string[] | null): readonly Openers[] | null {
  const { openings, cycle } = graph;
  if (openings === null) return null;
  const asked = flows === null ? null : new Set(flows);
  const sets =
    asked === null
      ? [openings.ofCycle(cycle)]
      : graph.ids.flatMap((id, v) =>
          asked.has(id) ? [openings.covering(cycle, graph.attrOf(v).procedure)] : [],
        );
  const known = [...new Set(sets)].filter((entry) => entry !== null);
  return known.length === 0 || sets.includes(null) ? null : known;
}

function periodsOf(
  { cycle, from, to }: BackfillRequest,
  openers: readonly Openers[] | null,
  { openings }: Graph,
): { periods: string[]; leftOut: string[] } {
  parsePeriod(cycle, from);
  parsePeriod(cycle, to);
  const isOpened = (period: string): boolean =>
    openers === null || openers.some((by) => openings!.opens(by, cycle, period));
  const periods: string[] = [];
  const leftOut: string[] = [];
  for (let at = from; comparePeriods(at, to) <= 0; at = nextPeriod(cycle, at)) {
    (isOpened(at) ? periods : leftOut).push(at);
    if (periods.length > PERIOD_LIMIT || leftOut.length > LEFT_OUT_LIMIT)
      throw invalid(`more than ${PERIOD_LIMIT} periods; backfill them in parts`, { from, to });
  }
  if (leftOut.length > 0 && periods.length === 0)
    throw invalid(
      `no schedule opens a ${cycle} from ${from} to ${to}; --every-period (everyPeriod: true) takes every period of the range`,
      { from, to, leftOut: leftOut.length, schedules: [...new Set(openers!.flat())] },
    );
  if (periods.length === 0) throw invalid(`${from} is later than ${to}`, { from, to });
  return { periods, leftOut };
}

const invalid = (detail: string, facts: Record<string, unknown>): SluiceError =>
  new SluiceError('invalid_request', detail, { facts });

/** The named flows, and everything below them over edges of the run. O(V + E). */
function flowsOf(graph: Graph, flows: readonly string[], downstream: boolean): Set<string> {
  const { index } = graph;
  const unknown = flows.filter((flow) => !index.has(flow));
  if (unknown.length > 0)
    throw new SluiceError('unknown_flow', `the ${graph.cycle} runs have no flow ${unknown.join(', ')}`, {
      facts: { flows: unknown },
    });
  const named = flows.map((flow) => index.get(flow)!);
  const found = downstream ? reachOf(graph, named).order : named;
  return new Set(found.map((v) => graph.ids[v]!));
}

/** Flows of other cycles that wait for flows of the backfill. A person decides whether their runs are redone, too. O(edges to other runs). */
export function dependants(
  others: readonly Graph[],
  cycle: Cycle,
  included: ReadonlySet<string> | null,
): { cycle: Cycle; flow: string }[] {
  return others.flatMap((graph) => {
    const flows = new Set<string>();
    for (const edge of graph.foreign)
      if (edge.cycle === cycle && (included === null || included.has(edge.from)))
        flows.add(graph.ids[edge.v]!);
    return [...flows].map((flow) => ({ cycle: graph.cycle, flow }));
  });
}
