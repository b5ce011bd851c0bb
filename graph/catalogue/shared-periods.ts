/**
 * Schedules that open the same period for different flows. The run is opened once, for the procedures of the first schedule, and the flows of the
 * other one would wait for a trigger. The check of a catalogue looks at the next periods. Pure.
 */
import { formatPeriod, nextPeriod, runId } from '../calendar/calendar.ts';
import type { Openings } from '../calendar/openings.ts';
import type { Cycle, Flow, Schedule } from '../model.ts';
import type { Sentence } from '../text/sentence.ts';

export interface SharedPeriod {
  /** Place of the later one of the two schedules in the catalogue. */
  readonly index: number;
  readonly schedule: Schedule;
  readonly text: Sentence;
}

/** Number of periods that are looked at: a year and some weeks, which have every day rule and every day of a month. */
const AHEAD: Record<Cycle, number> = { hour: 400 * 24, day: 400, month: 24 };

/**
 * Each schedule that shares a period with an earlier one for other flows, with the first such schedule. O(flows + pairs of schedules with
 * different flows x periods).
 */
export function sharedPeriods(
  schedules: readonly Schedule[],
  flows: readonly Pick<Flow, 'cycle' | 'procedure'>[],
  openings: Openings,
  nowMs: number,
): SharedPeriod[] {
  const procedures = new Map<Cycle, Set<string>>();
  for (const { cycle, procedure = '' } of flows)
    procedures.set(cycle, (procedures.get(cycle) ?? new Set()).add(procedure));
  const all = schedules.map((schedule) => {
    const { cycle, procedures: only } = schedule;
    const covered = [...(procedures.get(cycle) ?? [])].filter(
      (entry) => only === undefined || only.includes(entry),
    );
    return { schedule, covered: JSON.stringify(covered.sort()), by: [schedule.id] };
  });
  return all.flatMap(({ schedule, covered, by }, index): SharedPeriod[] => {
    for (const before of all.slice(0, index)) {
      if (before.schedule.cycle !== schedule.cycle || before.covered === covered) continue;
      const period = firstShared(schedule.cycle, [before.by, by], openings, nowMs);
      if (period !== null) return [{ index, schedule, text: textOf(before.schedule, schedule, period) }];
    }
    return [];
  });
}

function firstShared(
  cycle: Cycle,
  [one, other]: readonly [readonly string[], readonly string[]],
  openings: Openings,
  nowMs: number,
): string | null {
  let period = formatPeriod(cycle, nowMs);
  for (let left = AHEAD[cycle]; left > 0; left--, period = nextPeriod(cycle, period))
    if (openings.opens(one, cycle, period) && openings.opens(other, cycle, period)) return period;
  return null;
}

function textOf(one: Schedule, other: Schedule, period: string): Sentence {
  const run = runId(one.cycle, period);
  return {
    en: `${one.id} and ${other.id} both open ${run}, for different procedures: it is opened once, and the flows of the second would not be triggered; name all procedures in one schedule (a flow that begins later has a startAt), or let their days exclude each other`,
    zh: `计划 ${one.id} 与 ${other.id} 都会打开 ${run}，但规程不同：该运行只打开一次，后一计划的流程不会触发；请在一个计划中列出全部规程（较晚开始的流程用 startAt），或使两者的日期互不重叠`,
  };
}
