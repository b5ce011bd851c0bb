/**
 * Loops over several runs where edges count the periods that schedules open (protocol D10). Taken as plain, such an edge leads no earlier than it
 * does, so the search of graph/catalogue/loops-over-runs.ts finds every loop, and some that no calendar lets come true. Here they are looked for
 * run by run, over the periods of three years. Pure.
 */
import { mapPeriod, mappedCycle, nextPeriod, shiftOf } from '../calendar/calendar.ts';
import { RANK } from '../calendar/numbered-periods.ts';
import type { Openings } from '../calendar/openings.ts';
import type { RunEdge } from '../compiled/run-edges.ts';
import type { Cycle } from '../model.ts';

/** Number of periods in which a loop may begin: three years; two months for hours, with a change of summer time. */
const STARTS: Record<Cycle, [string, string]> = {
  month: ['2026-01', '2028-12'],
  day: ['2026-01-01', '2028-12-31'],
  hour: ['2026030100', '2026043023'],
};
/** Limit of the edges that one check looks at: about 2 s. Beyond it the loops over plain periods are reported. */
export const LOOK_LIMIT = 2_000_000;

/** A step of a way round: over `edge`, from a period to one of those that it asks for. */
export interface OpenedStep {
  readonly edge: RunEdge;
  readonly period: string;
  readonly waitsFor: string;
}

interface Reached {
  readonly at: number;
  readonly period: string;
  /** The period of the start that it was reached from. */
  readonly origin: string;
  readonly step: OpenedStep | null;
  readonly before: Reached | null;
}

/**
 * A short way round from a flow in a period back to it in the same or a later one; null: in no period of three years there is one; `unknown`:
 * `budget` was used up. Breadth first from everything that an edge leads forward to: a round has such an edge, or stays in a run. What was seen
 * from an earlier period of a start leads back to none as late as that, so it is not looked at again: O(flows x periods x edges) for each start.
 */
export function openedRound(
  knot: readonly RunEdge[],
  openings: Openings,
  budget: { left: number },
): OpenedStep[] | null | 'unknown' {
  const by = new Map<number, RunEdge[]>();
  for (const edge of knot) {
    const list = by.get(edge.waiting);
    if (list === undefined) by.set(edge.waiting, [edge]);
    else list.push(edge);
  }
  const cycleOf = new Map(
    knot.flatMap((edge) => [[edge.waiting, edge.cycle] as const, [edge.upstream, edge.target] as const]),
  );
  const asked = new Map<RunEdge, Map<string, readonly string[]>>();
  const periodsOf = (edge: RunEdge, period: string): readonly string[] => {
    const known = asked.get(edge) ?? new Map<string, readonly string[]>();
    asked.set(edge, known);
    const found = known.get(period) ?? mapped(edge, period, openings);
    known.set(period, found);
    return found;
  };
  const starts = new Set(knot.filter(leadsForward).map(({ upstream }) => upstream));
  const reach = Math.ceil(knot.reduce((sum, edge) => sum + daysForward(edge), 0)) + 62;
  for (const start of starts) {
    const cycle = cycleOf.get(start)!;
    const [first, last] = STARTS[cycle];
    const seen = new Set<string>();
    /** Reached, but later than what a way round from the present start may touch: looked at from a later start. */
    let later: Reached[] = [];
    for (let from = first; from <= last; from = nextPeriod(cycle, from)) {
      const day = dayOf(from);
      const due = later.filter(({ period }) => dayOf(period) <= day + reach);
      later = later.filter(({ period }) => dayOf(period) > day + reach);
      let level: Reached[] = [{ at: start, period: from, origin: from, step: null, before: null }, ...due];
      while (level.length > 0) {
        const next: Reached[] = [];
        for (const here of level)
          for (const edge of by.get(here.at) ?? [])
            for (const period of periodsOf(edge, here.period)) {
              if (--budget.left < 0) return 'unknown';
              const step = { edge, period: here.period, waitsFor: period };
              const reached: Reached = { at: edge.upstream, period, origin: here.origin, step, before: here };
              if (edge.upstream === start && period >= here.origin) return wayTo(reached);
              const key = `${edge.upstream} ${period}`;
              if (seen.has(key) || dayOf(period) < day - reach) continue;
              seen.add(key);
              if (dayOf(period) > day + reach) later.push(reached);
              else next.push(reached);
            }
        level = next;
      }
    }
  }
  return null;
}

function wayTo(end: Reached): OpenedStep[] {
  const way: OpenedStep[] = [];
  for (let at: Reached = end; at.step !== null; at = at.before!) way.unshift(at.step);
  return way;
}

/** Everything that an edge asks for, seen from a run of the period. */
function mapped(
  { cycle, own, period, target, inRun, opened }: RunEdge,
  at: string,
  openings: Openings,
): readonly string[] {
  if (inRun) return [at];
  const seen = mapPeriod(own, cycle, at)[0]!;
  const from = mappedCycle(own, cycle);
  return opened === undefined
    ? mapPeriod(period, from, seen, target)
    : openings.map(opened, period, { cycle: from, period: seen }, target);
}

/** Whether a part of the edge may lead to a later time than the period begins with. */
const leadsForward = ({ cycle, own, period, target, inRun }: RunEdge): boolean =>
  !inRun &&
  ((shiftOf(own) ?? 1) > 0 || (shiftOf(period) ?? 1) > 0 || RANK[target] > RANK[mappedCycle(own, cycle)]);

const LENGTH: Record<Cycle, number> = { hour: 1 / 24, day: 1, month: 31 };

/** How many days an edge may lead forward. */
function daysForward({ cycle, own, period, target, inRun }: RunEdge): number {
  if (inRun) return 0;
  const shift = (mapping: RunEdge['own'], of: Cycle): number =>
    Math.max(0, shiftOf(mapping) ?? 0) * LENGTH[of];
  return shift(own, cycle) + shift(period, target);
}

/** The day with which a period begins, days since 1970. */
function dayOf(period: string): number {
  const digits = period.replaceAll('-', '').padEnd(8, '01');
  const [year, month, day] = [digits.slice(0, 4), digits.slice(4, 6), digits.slice(6, 8)].map(Number);
  return Date.UTC(year!, month! - 1, day!) / 86_400_000;
}
