/** How much later a flow ended than in a reference, and why (docs/answers.md). The reference is an earlier run, or the usual times. */
import { SluiceError } from '../../errors.ts';
import { periodSpan } from '../../graph/calendar/calendar.ts';
import { classOf, type DayClass } from '../../graph/calendar/day-class.ts';
import { DEFAULT_CALENDAR } from '../../graph/calendar/work-days.ts';
import type { Cycle } from '../../graph/model.ts';
import type { Sentence } from '../../graph/text/sentence.ts';
import type { History } from '../../graph/timing/generations.ts';
import { type Lateness, lateness, referenceRun } from '../../graph/timing/lateness.ts';
import { latenessText } from '../../graph/timing/lateness-text.ts';
import { usualRun } from '../../graph/timing/usual-run.ts';
import type { ReferenceTime } from '../../graph/usual/reference-time.ts';
import { readPathFacts } from '../../store/history/history.ts';
import { referenceTimes } from '../../store/history/reference-times.ts';
import { type EarlierEnd, earlierEnds, earlierOpenings } from '../../store/history/references.ts';
import type { RunContext } from '../../store/record/run-context.ts';
import { readUsual } from '../../store/record/usual-times.ts';
import type { ServiceDeps } from '../deps.ts';
import { openContext } from '../runs/find.ts';

/**
 * What a run is compared with. `class`: the latest earlier run whose period is of the same day class. `median`: of the last `of` runs in which the
 * flow was done, the one in the middle when they are sorted by how long after the start of its period the flow ended. `times`: the run as it
 * usually goes, by reference times and usual durations. `run`: the run that is named.
 */
export type Against =
  | { readonly kind: 'class'; readonly dayClass: DayClass }
  | { readonly kind: 'median'; readonly of: number }
  | { readonly kind: 'times' }
  | { readonly kind: 'run'; readonly run: string };

/** Maximum number of earlier runs that are searched for one of the same day class: those of more than a year of days. */
const LOOKED_THROUGH = 400;

/** A run as it was read for its critical path. */
export type PathReading = Awaited<ReturnType<typeof readPathFacts>>;

export interface LatenessAnswer extends Lateness {
  readonly run: string;
  /** What the run was compared with: an earlier run and its period (`time` is null), or the reference time of the target (the others are null). */
  readonly reference: {
    readonly run: string | null;
    readonly period: string | null;
    readonly time: ReferenceTime | null;
  };
  readonly text: Sentence;
}

/**
 * How much later the flow of a run ended than in the reference, and why. `computing` has to call `work` and answer what it answers; a route uses
 * it to measure how long the computation takes. Throws `no_reference` when there is no such earlier run, or the flow was not done in it.
 */
export async function latenessOf(
  deps: ServiceDeps,
  context: RunContext,
  target: (read: PathReading) => number,
  against: Against,
  computing: <T>(work: () => T) => T,
): Promise<LatenessAnswer> {
  const { cycle, period } = context.run;
  const read = await readPathFacts(deps.pool, context, deps.graceMs);
  const v = target(read);
  const flow = context.graph.ids[v]!;
  const today = { graph: context.graph, s: read.state, facts: read.facts };
  if (against.kind === 'times') return againstTimes(deps, context, today, v, computing);
  const reference = await referenceOf(deps, context, flow, against);
  const other = await openContext(deps, reference.run);
  if (other.run.cycle !== cycle)
    throw noReference(flow, `${reference.run} is not a run of ${cycle} periods`, context);
  const before = await readPathFacts(deps.pool, other, deps.graceMs);
  const then = { graph: other.graph, s: before.state, facts: before.facts };
  const found = computing(() =>
    lateness(today, v, startOf(cycle, period), referenceRun(then, startOf(cycle, other.run.period))),
  );
  if (found === null) throw noReference(flow, `${flow} was not done in ${reference.run}`, context);
  return {
    run: context.run.id,
    reference: { run: other.run.id, period: other.run.period, time: null },
    ...found,
    text: latenessText(found, other.run.id, (id) => context.flow(id).names),
  };
}

/** Number of earlier runs from whose openings it is learned when a run is usually opened: the median of them, a month of days. */
const OPENINGS = 30;

/** Compares with reference times and usual durations (graph/timing/usual-run.ts). Throws `no_reference` when the target has no reference time. */
async function againstTimes(
  deps: ServiceDeps,
  context: RunContext,
  today: History,
  target: number,
  computing: <T>(work: () => T) => T,
): Promise<LatenessAnswer> {
  const { graph, run, index } = context;
  const { cycle, period } = run;
  const [usual, openings] = await Promise.all([
    readUsual(deps.pool, context),
    earlierOpenings(deps.pool, { cycle, period, limit: OPENINGS }),
  ]);
  const startAt = startOf(cycle, period);
  const offsets = Float64Array.from(
    openings,
    (opening) => opening.openedAt - startOf(cycle, opening.period),
  ).sort();
  const openedAt = offsets.length === 0 ? run.openedAt : startAt + offsets[(offsets.length - 1) >> 1]!;
  const times = referenceTimes(context, usual);
  const time = times(target, today.facts.deadline[target]!);
  const flow = graph.ids[target]!;
  if (time === null) throw noReference(flow, `nothing tells when ${flow} is done usually`, context);
  const found = computing(() => {
    const dueAt = new Float64Array(graph.n);
    for (let v = 0; v < graph.n; v++) {
      const due = v === target ? time : times(v, 0);
      // A latest start says nothing about when a flow on the path is usually done.
      if (due !== null && (v === target || due.origin === 'configured' || due.origin === 'learned'))
        dueAt[v] = due.at;
    }
    const vertexOf = (id: string): number => index.get(id) ?? -1;
    const { durations } = usual;
    const reference = usualRun({
      graph,
      startAt,
      openedAt,
      dueAt,
      durations,
      vertexOf,
      startTime: today.s.start,
    });
    // Never null: the reference has every flow of the run, and so the target.
    return lateness(today, target, startAt, reference)!;
  });
  return {
    run: run.id,
    reference: { run: null, period: null, time },
    ...found,
    text: latenessText(found, null, (id) => context.flow(id).names),
  };
}

/** The start of a period: instants of two runs are compared by their distance from it. */
const startOf = (cycle: Cycle, period: string): number =>
  periodSpan(cycle, period, DEFAULT_CALENDAR.timeZone).startMs;

async function referenceOf(
  deps: ServiceDeps,
  { run, version }: RunContext,
  flow: string,
  against: Exclude<Against, { readonly kind: 'times' }>,
): Promise<{ readonly run: string }> {
  if (against.kind === 'run') return { run: against.run };
  const { cycle, period } = run;
  const limit = against.kind === 'median' ? against.of : LOOKED_THROUGH;
  const ends = await earlierEnds(deps.pool, { cycle, period, flow, limit });
  const calendar = version.frame.calendars[0] ?? DEFAULT_CALENDAR;
  const found =
    against.kind === 'median'
      ? medianOf(ends, cycle)
      : ends.find(
          (end) =>
            classOf(against.dayClass, cycle, end.period, calendar) ===
            classOf(against.dayClass, cycle, period, calendar),
        );
  if (found === undefined)
    throw noReference(flow, `no earlier ${cycle} of that kind in which ${flow} was done`, { run });
  return found;
}

/** The end in the middle, by how long after the start of its period the flow ended; of two in the middle the earlier one. */
function medianOf(ends: readonly EarlierEnd[], cycle: Cycle): EarlierEnd | undefined {
  const late = (end: EarlierEnd): number => end.endedAt - startOf(cycle, end.period);
  const sorted = [...ends].sort((a, b) => late(a) - late(b) || (a.period < b.period ? 1 : -1));
  return sorted[(sorted.length - 1) >> 1];
}

const noReference = (flow: string, detail: string, { run }: Pick<RunContext, 'run'>): SluiceError =>
  new SluiceError('no_reference', detail, { facts: { run: run.id, flow } });
