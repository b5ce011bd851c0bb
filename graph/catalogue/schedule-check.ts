/** Checks calendars and schedules of a catalogue: mistakes, and holidays that are not entered yet. */
import { isForward } from '../calendar/blackout.ts';
import { formatPeriod } from '../calendar/calendar.ts';
import { countsWorkDays } from '../calendar/moment.ts';
import { Openings } from '../calendar/openings.ts';
import { needsHolidays } from '../calendar/schedule.ts';
import { isZoneName } from '../calendar/time-zone.ts';
import { knowsHolidays } from '../calendar/work-days.ts';
import type { Catalogue, Flow, Schedule } from '../model.ts';
import { type CheckReference, type Finding, finding, type Path } from '../text/problems.ts';
import { HolidayCheck } from './holiday-check.ts';

export class ScheduleCheck {
  readonly #problems: Finding[];
  readonly #reference: CheckReference;

  constructor(problems: Finding[], reference: CheckReference) {
    this.#problems = problems;
    this.#reference = reference;
  }

  all({ calendars, schedules, procedures }: Catalogue): void {
    const known = new Map(calendars.map(({ id }) => [id, true]));
    const named = new Map(procedures.map(({ id }) => [id, true]));
    calendars.forEach(({ id, timeZone, blackouts }, i) => {
      const path = ['calendars', i];
      const { ok, suggestion } = isZoneName(timeZone);
      if (!ok) {
        const like = suggestion ?? 'Asia/Shanghai';
        const en = `'${timeZone}' is not the name of a time zone; write it like ${like}`;
        const zh = `'${timeZone}' 不是时区名称；写法如 ${like}`;
        this.#add('bad_time_zone', { id, path: [...path, 'timeZone'] }, { en, zh });
      }
      new HolidayCheck(this.#problems, calendars[i]!, path).all();
      blackouts.forEach((blackout, k) => {
        if (isForward(blackout)) return;
        const at = [...path, 'blackouts', k, 'to'];
        this.#add(
          'bad_combination',
          { id, path: at },
          { en: 'a blackout ends after it begins', zh: '维护窗口的结束须晚于开始' },
        );
      });
    });
    schedules.forEach((schedule, i) => {
      const { id, calendar } = schedule;
      const path = ['schedules', i];
      if (calendar !== undefined)
        this.#reference(known, calendar, { en: 'calendar', zh: '日历' }, { id, path: [...path, 'calendar'] });
      else if (needsHolidays(schedule)) {
        const en = "the schedule counts work days: name the calendar with 'calendar'";
        this.#add(
          'missing_field',
          { id, path: [...path, 'on'] },
          { en, zh: '按工作日计算，需要 calendar 指定日历' },
        );
      }
      this.#clock(schedule, [...path, 'at']);
      schedule.procedures?.forEach((procedure, k) => {
        this.#reference(
          named,
          procedure,
          { en: 'procedure', zh: '规程' },
          { id, path: [...path, 'procedures', k] },
        );
      });
    });
  }

  #clock({ id, cycle, at }: Schedule, path: Path): void {
    if (at > '23:59' || Number(at.slice(3)) > 59)
      this.#add('bad_moment', { id, path }, { en: `there is no time ${at}`, zh: `没有时刻 ${at}` });
    else if (cycle === 'hour' && !at.startsWith('00:')) {
      const en = 'the time of an hour schedule is a minute of the hour, such as "00:10"';
      this.#add('bad_moment', { id, path }, { en, zh: '小时计划只计每小时的分钟："00:10"' });
    }
  }

  #add(...given: Parameters<typeof finding>): void {
    this.#problems.push(finding(...given));
  }
}

/** Sections on which the opened periods depend. */
const TIMING: readonly unknown[] = ['calendars', 'schedules', 'cycles'];

/** Which periods the schedules of a catalogue open; null = it has no schedules, or they have errors. */
export function openingsOf(
  catalogue: Pick<Catalogue, 'schedules' | 'calendars'>,
  problems: readonly Pick<Finding, 'severity' | 'path'>[],
): Openings | null {
  const wrong = problems.some(({ severity, path }) => severity === 'error' && TIMING.includes(path[0]));
  return wrong || catalogue.schedules.length === 0 ? null : new Openings(catalogue);
}

export interface UnknownHolidays {
  readonly calendar: string;
  readonly year: string;
  /** Schedules and flows that count work days by it. */
  readonly usedBy: readonly string[];
}

/** How far ahead work days are needed: runs of this month have moments up to the month after the next. */
const AHEAD_MS = 62 * 24 * 3_600_000;

/**
 * Calendars that are used to count work days, and have no holidays for this year or for the year in two months. O(flows).
 */
export function unknownHolidays(
  { calendars, schedules }: Pick<Catalogue, 'calendars' | 'schedules'>,
  flows: Iterable<Flow>,
  nowMs: number,
): UnknownHolidays[] {
  const years = [...new Set([nowMs, nowMs + AHEAD_MS].map((at) => formatPeriod('day', at).slice(0, 4)))];
  const gaps = calendars.flatMap((calendar) =>
    years.filter((year) => !knowsHolidays(calendar, year)).map((year) => ({ calendar: calendar.id, year })),
  );
  if (gaps.length === 0) return [];
  const uses = new Map<string, string[]>();
  const use = (calendar: string | undefined, by: string): void => {
    if (calendar === undefined) return;
    const list = uses.get(calendar);
    if (list === undefined) uses.set(calendar, [by]);
    else list.push(by);
  };
  for (const schedule of schedules) if (needsHolidays(schedule)) use(schedule.calendar, schedule.id);
  for (const { id, calendar, startAt, deadline, person } of flows) {
    const moments = [startAt, deadline, person?.escalateAt, ...(person?.remindAt ?? [])];
    if (moments.some((moment) => moment !== undefined && countsWorkDays(moment))) use(calendar, id);
  }
  return gaps.flatMap((gap) => {
    const usedBy = uses.get(gap.calendar);
    return usedBy === undefined ? [] : [{ ...gap, usedBy }];
  });
}

/** Schedules that would open runs in which nothing happens: no flow of their cycle, or of a procedure that they name. O(flows + schedules). */
export function idleSchedules(
  { schedules }: Pick<Catalogue, 'schedules'>,
  flows: readonly Pick<Flow, 'cycle' | 'procedure'>[],
): Finding[] {
  // It is a part of a catalogue, or a new one.
  if (flows.length === 0) return [];
  const procedures = new Map<string, Set<string | undefined>>();
  for (const { cycle, procedure } of flows) {
    const ofCycle = procedures.get(cycle);
    if (ofCycle === undefined) procedures.set(cycle, new Set([procedure]));
    else ofCycle.add(procedure);
  }
  const finding = (id: string, path: Path, en: string, zh: string): Finding => ({
    code: 'bad_combination',
    severity: 'warning',
    message: { en, zh },
    path,
    id,
    at: 'value',
  });
  return schedules.flatMap(({ id, cycle, procedures: only }, i): Finding[] => {
    const path = ['schedules', i];
    const known = procedures.get(cycle);
    if (known === undefined)
      return [
        finding(
          id,
          [...path, 'cycle'],
          `there is no ${cycle} flow: its runs cannot be opened`,
          `没有 ${cycle} 流程：其运行无法打开`,
        ),
      ];
    if (only?.length === 0)
      return [
        finding(
          id,
          [...path, 'procedures'],
          'it names no procedure: nothing of its runs would be triggered',
          '未列出任何规程：运行中不会触发任何流程',
        ),
      ];
    return (only ?? []).flatMap((procedure, k) =>
      known.has(procedure)
        ? []
        : [
            finding(
              id,
              [...path, 'procedures', k],
              `${procedure} has no ${cycle} flow: of it nothing would be triggered`,
              `规程 ${procedure} 没有 ${cycle} 流程：不会触发任何流程`,
            ),
          ],
    );
  });
}
