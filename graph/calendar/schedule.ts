/**
 * Schedules: at which moments one looks, which period it opens then, and whether the calendar lets it. Pure; the firing itself is
 * Temporal's, whose schedules know no last day of a month and no holidays: they fire daily (hourly), and this file decides.
 *
 * A **slot** is a moment at which a schedule fires: each day at `at` in the zone of its calendar, of an hour schedule each hour at that
 * minute. A month schedule opens in the slots of days that `on` names; a day or hour schedule opens every period whose day `on` names.
 */

import type { Cycle, DayRule, Schedule } from '../model.ts';
import { blackoutAt, type DarkSpan, darkAt, darkSpans } from './blackout.ts';
import { firstDay, formatPeriod, lastDay, nextPeriod, periodStartLocal, shiftPeriod } from './calendar.ts';
import { toInstant, toLocal } from './time-zone.ts';
import { type Blackout, type BusinessCalendar, DEFAULT_CALENDAR, dayKind, nthWorkDay } from './work-days.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** How late a missed period is opened by itself when the schedule does not say. */
const CATCH_UP_MS: Record<Cycle, number> = { hour: DAY_MS, day: 7 * DAY_MS, month: 45 * DAY_MS };

/** What became of a slot. The first four have a run, or say why it could not be; `waiting_...` are opened later; the others stay closed. */
export const SLOT_DECISIONS = [
  'opened',
  'run_exists',
  'triggered',
  'refused',
  'waiting_blackout',
  'waiting_previous',
  'weekend',
  'holiday',
  'not_its_day',
  'paused',
  /** Found later than the catch-up window. */
  'missed',
  'blackout',
  'previous_unfinished',
  /** It waited, then its schedule left the catalogue. */
  'removed',
] as const;
export type SlotDecision = (typeof SLOT_DECISIONS)[number];

export interface Text {
  readonly en: string;
  readonly zh: string;
}

export interface Slot {
  /** Instant, ms. */
  readonly at: number;
  /** Clock face in the calendar's zone (graph/calendar/time-zone.ts). */
  readonly face: number;
}

/** What the calendar says of a slot: `period` is opened, or why it is not. */
export type Verdict =
  | { readonly opens: true; readonly period: string }
  | { readonly opens: false; readonly period: string; readonly code: NotItsDay; readonly text: Text };
export type NotItsDay = 'weekend' | 'holiday' | 'not_its_day';

/** The calendar of a schedule; without one, or for one that is unknown, weekends of Asia/Shanghai. */
export function calendarOf(
  { calendar }: Pick<Schedule, 'calendar'>,
  calendars: readonly (BusinessCalendar & { readonly id: string })[],
): BusinessCalendar {
  return calendars.find((other) => other.id === calendar) ?? DEFAULT_CALENDAR;
}

export const catchUpMs = ({ cycle, catchUpMs }: Schedule): number => catchUpMs ?? CATCH_UP_MS[cycle];

/** What decides when a schedule fires. */
type Clock = Pick<Schedule, 'cycle' | 'at'> & { readonly period?: Schedule['period'] | undefined };

const stepOf = (cycle: Cycle): number => (cycle === 'hour' ? HOUR_MS : DAY_MS);

/** From the beginning of a day, of an hour schedule of an hour, to the moment at which it fires. */
const offsetOf = ({ cycle, at }: Clock): number =>
  (cycle === 'hour' ? 0 : Number(at.slice(0, 2)) * HOUR_MS) + Number(at.slice(3)) * 60_000;

/**
 * Slots later than `after`, in order, without end. A clock face that summer time skips is its later one, one that happens twice its
 * first. Two hours that summer time makes one are one slot: its face is the one whose period there is, of 02:10 and 03:10 the hour just
 * ended is 01, the present one 03.
 */
export function* slotsAfter(clock: Clock, zone: string, after: number): Generator<Slot> {
  const step = stepOf(clock.cycle);
  const local = toLocal(zone, after);
  let last = after;
  // A day early: the offset of the zone may differ between the two.
  for (let face = local - (local % step) - DAY_MS + offsetOf(clock); ; face += step) {
    const instant = toInstant(zone, face);
    if (instant <= last || (clock.period === 'same' && toInstant(zone, face + step) === instant)) continue;
    last = instant;
    yield { at: instant, face };
  }
}

/** Which period the slot is about, and whether the rule of days lets it be opened. Blackouts: `blackoutAt` of the slot's instant. */
export function judge(schedule: Schedule, calendar: BusinessCalendar, { face }: Slot): Verdict {
  const { cycle } = schedule;
  const here = formatPeriod(cycle, face);
  const period = schedule.period === 'same' ? here : shiftPeriod(cycle, here, -1);
  const day = cycle === 'month' ? formatPeriod('day', face) : firstDay(cycle, period);
  const refusal = refusalOf(ruleOf(schedule), calendar, day);
  return refusal === null ? { opens: true, period } : { opens: false, period, ...refusal };
}

/** A schedule with what its calendar makes of it, for questions about many periods. */
export interface Timetable {
  readonly schedule: Schedule;
  readonly calendar: BusinessCalendar;
  readonly dark: readonly DarkSpan[];
  /** The day of a month that the rule names, where it names one; each month is counted once. */
  readonly dayIn: DayIn;
}

type DayIn = (rule: OneDay, month: string) => string | null;

/** Months whose day is kept. */
const KEPT_MONTHS = 2_000;

export function timetable(schedule: Schedule, calendar: BusinessCalendar): Timetable {
  const days = new Map<string, string | null>();
  const dayIn: DayIn = (rule, month) => {
    const known = days.get(month);
    if (known !== undefined) return known;
    if (days.size > KEPT_MONTHS) days.clear();
    const day = dayOfRule(rule, calendar, month);
    days.set(month, day);
    return day;
  };
  return { schedule, calendar, dark: darkSpans(calendar), dayIn };
}

/**
 * The slots about a period that the calendar lets open it, in order: of a day or an hour at most one, of a month one for each day that `on`
 * names. `toInstantOf` may know the zone better than `toInstant`.
 */
function* slotsAbout(
  { schedule, calendar, dayIn }: Timetable,
  period: string,
  toInstantOf: (face: number) => number,
): Generator<Slot> {
  const { cycle } = schedule;
  const from = periodStartLocal(cycle, schedule.period === 'same' ? period : nextPeriod(cycle, period));
  const offset = offsetOf(schedule);
  if (cycle !== 'month') {
    if (refusalOf(ruleOf(schedule), calendar, firstDay(cycle, period), dayIn) !== null) return;
    const face = from + offset;
    const at = toInstantOf(face);
    // Of two faces that are one slot, `slotsAfter` has the other one.
    const beside = face + (schedule.period === 'same' ? stepOf(cycle) : -stepOf(cycle));
    if (toInstantOf(beside) !== at) yield { at, face };
    return;
  }
  const last = periodStartLocal('day', lastDay('month', formatPeriod('month', from)));
  for (let face = from + offset; face <= last + offset; face += DAY_MS)
    if (refusalOf(ruleOf(schedule), calendar, formatPeriod('day', face), dayIn) === null)
      yield { at: toInstantOf(face), face };
}

/** Whether a schedule opens a period by itself: the calendar names it, and no blackout leaves it out (`skip`). */
export function opensPeriod(
  table: Timetable,
  period: string,
  toInstantOf: (face: number) => number = (face) => toInstant(table.calendar.timeZone, face),
): boolean {
  for (const { at } of slotsAbout(table, period, toInstantOf))
    if (darkAt(table.dark, at)?.blackout.afterwards !== 'skip') return true;
  return false;
}

/**
 * The slot that opens a period: of a month schedule the first that may and that no blackout leaves out, where there is one. When none does,
 * why; `slot` is then the one that would have (null: there is no such moment).
 */
export function slotOf(
  schedule: Schedule,
  calendar: BusinessCalendar,
  period: string,
): { slot: Slot | null; verdict: Verdict } {
  const { cycle } = schedule;
  const zone = calendar.timeZone;
  const table = timetable(schedule, calendar);
  const slots = [...slotsAbout(table, period, (face) => toInstant(zone, face))];
  const slot = slots.find(({ at }) => darkAt(table.dark, at)?.blackout.afterwards !== 'skip') ?? slots[0];
  if (slot !== undefined) return { slot, verdict: { opens: true, period } };
  const from = periodStartLocal(cycle, schedule.period === 'same' ? period : nextPeriod(cycle, period));
  if (cycle === 'month') {
    const month = formatPeriod('month', from);
    const text = { en: `${month} has no work day`, zh: `${month} 没有工作日` };
    return { slot: null, verdict: { opens: false, period, code: 'not_its_day', text } };
  }
  const refusal = refusalOf(ruleOf(schedule), calendar, firstDay(cycle, period));
  const text = { en: `the clock skips ${period}`, zh: `时钟跳过 ${period}` };
  const face = from + offsetOf(schedule);
  return {
    slot: refusal === null ? null : { at: toInstant(zone, face), face },
    verdict: { opens: false, period, ...(refusal ?? { code: 'not_its_day', text }) },
  };
}

/** The next openings after an instant, with the period of each; fewer than `n` when five years have fewer. */
export function nextOpenings(
  schedule: Schedule,
  calendar: BusinessCalendar,
  after: number,
  n: number,
): { at: number; period: string }[] {
  const found: { at: number; period: string }[] = [];
  for (const slot of slotsAfter(schedule, calendar.timeZone, after)) {
    if (found.length === n || slot.at > after + 5 * 366 * DAY_MS) return found;
    const { opens, period } = judge(schedule, calendar, slot);
    if (!opens || found.at(-1)?.period === period) continue;
    const dark = blackoutAt(calendar, slot.at);
    if (dark === null) found.push({ at: slot.at, period });
    else if (dark.blackout.afterwards === 'open') found.push({ at: dark.endMs, period });
  }
  return found;
}

const ruleOf = ({ cycle, on }: Schedule): DayRule =>
  on ?? (cycle === 'month' ? { dayOfMonth: 1 } : 'everyDay');

/** Whether the rule names the day; null = it does. */
function refusalOf(
  rule: DayRule,
  calendar: BusinessCalendar,
  day: string,
  dayIn: DayIn = (asked, month) => dayOfRule(asked, calendar, month),
): { code: NotItsDay; text: Text } | null {
  if (rule === 'everyDay') return null;
  if (rule === 'workDays') {
    const kind = dayKind(calendar, day);
    if (kind.worked) return null;
    const names = kind.why === 'holiday' ? kind.names : null;
    return kind.why === 'weekend'
      ? { code: 'weekend', text: { en: `${day} is not a work day: weekend`, zh: `${day} 不是工作日：周末` } }
      : {
          code: 'holiday',
          text: {
            en: `${day} is not a work day: holiday${names === null ? '' : ` ${names.en}`}`,
            zh: `${day} 不是工作日：${names === null ? '节假日' : `${names.zh}假期`}`,
          },
        };
  }
  const month = day.slice(0, 7);
  const wanted = dayIn(rule, month);
  if (wanted === day) return null;
  const said = wanted ?? '-';
  const { en, zh } = ruleDay(rule);
  const text = {
    en: `${day} is not ${en} of ${month}, which is ${said}`,
    zh: `${day} 不是 ${month} 的${zh}（${said}）`,
  };
  return { code: 'not_its_day', text };
}

/** A rule that names one day of a month. */
type OneDay = Exclude<DayRule, 'everyDay' | 'workDays'>;

/** The one day of a month that a rule names; null for a month without work days. */
function dayOfRule(rule: OneDay, calendar: BusinessCalendar, month: string): string | null {
  const last = lastDay('month', month);
  if (rule === 'lastDay') return last;
  if ('dayOfMonth' in rule) {
    const day = `${month}-${String(rule.dayOfMonth).padStart(2, '0')}`;
    return day < last ? day : last;
  }
  const nth = rule.workDay === 'last' ? null : nthWorkDay(calendar, month, rule.workDay);
  return nth ?? nthWorkDay(calendar, month, -1);
}

function ruleDay(rule: DayRule): Text {
  if (rule === 'everyDay') return { en: 'every day', zh: '每天' };
  if (rule === 'workDays') return { en: 'every work day', zh: '每个工作日' };
  if (rule === 'lastDay') return { en: 'the last day', zh: '最后一天' };
  if ('dayOfMonth' in rule) return { en: `day ${rule.dayOfMonth}`, zh: `${rule.dayOfMonth} 日` };
  return rule.workDay === 'last'
    ? { en: 'the last work day', zh: '最后一个工作日' }
    : { en: `work day ${rule.workDay}`, zh: `第 ${rule.workDay} 个工作日` };
}

/** What a schedule does, in a few words: `opens the month before, day 1 of each month at 00:30`. */
export function scheduleText(schedule: Schedule): Text {
  const { cycle, at } = schedule;
  const rule = ruleOf(schedule);
  const { en, zh } = ruleDay(rule);
  const which = schedule.period === 'same' ? SAME[cycle] : PREVIOUS[cycle];
  if (cycle === 'month') {
    const often = rule === 'everyDay' || rule === 'workDays';
    return {
      en: `opens ${which.en}, ${en}${often ? '' : ' of each month'} at ${at}`,
      zh: `${often ? '' : '每月'}${/^\d/.test(zh) ? ' ' : ''}${zh} ${at} 打开${which.zh}`,
    };
  }
  const days =
    rule === 'everyDay'
      ? { en: '', zh: '' }
      : { en: ` if that is ${en.replace('every', 'a')}`, zh: `（仅${zh}）` };
  const when =
    cycle === 'hour'
      ? { en: `each hour at :${at.slice(3)}`, zh: `每小时第 ${at.slice(3)} 分` }
      : { en: `each day at ${at}`, zh: `每天 ${at}` };
  return { en: `opens ${which.en} ${when.en}${days.en}`, zh: `${when.zh} 打开${which.zh}${days.zh}` };
}

const PREVIOUS: Record<Cycle, Text> = {
  hour: { en: 'the hour just ended', zh: '上一小时' },
  day: { en: 'the day before', zh: '前一日' },
  month: { en: 'the month before', zh: '上月' },
};
const SAME: Record<Cycle, Text> = {
  hour: { en: 'the present hour', zh: '当前小时' },
  day: { en: 'the present day', zh: '当日' },
  month: { en: 'the present month', zh: '当月' },
};

/** What is said of a slot in a blackout. */
export function blackoutText({ from, to, names }: Blackout, timeZone: string): Text {
  // Bounds of whole days need no zone to be understood.
  const zone = from.length > 10 || to.length > 10 ? ` ${timeZone}` : '';
  return {
    en: `blackout${names === undefined ? '' : ` ${names.en}`}, ${from} to ${to}${zone}`,
    zh: `维护窗口${names === undefined ? '' : `“${names.zh}”`}（${from} 至 ${to}${zone}）`,
  };
}

/** Whether what the schedule decides hangs on work days, so that its calendar must know the holidays of the year. */
export const needsHolidays = ({ on }: Pick<Schedule, 'on'>): boolean =>
  on === 'workDays' || (typeof on === 'object' && 'workDay' in on);
