/** Reference times of the flows of a run: what lists of what should have completed, and lateness, go by. */
import { periodSpan } from '../../graph/calendar/calendar.ts';
import { type ReferenceTime, referenceTimeOf } from '../../graph/usual/reference-time.ts';
import type { UsualTimes } from '../../graph/usual/usual-times.ts';
import { calendarsOf } from '../catalogue/catalogue.ts';
import type { RunContext } from '../record/run-context.ts';

/** By vertex; null: unknown. `deadline`: the flow's, as fixed at the opening, 0 = none. */
export function referenceTimes(
  { run, version, graph, flow }: RunContext,
  usual: UsualTimes,
): (v: number, deadline: number) => ReferenceTime | null {
  const { cycle, period, openedAt } = run;
  const calendarOf = calendarsOf(version);
  const { startMs } = periodSpan(cycle, period, calendarOf(null).timeZone);
  const times = { cycle, period, openedAt, startAt: startMs };
  return (v, deadline) => {
    const definition = flow(graph.ids[v]!);
    return referenceTimeOf(times, {
      flow: definition,
      calendar: calendarOf(definition.calendar),
      usual: usual.end(v),
      deadline,
    });
  };
}
