/**
 * Schedules: when they fire, which period they open then, and whether the calendar allows it. Pure. Temporal fires them; its schedules know
 * neither holidays nor the last day of a month, so they fire each day (or hour), and this file decides.
 *
 * A **slot** is a moment at which a schedule fires: each day at `at` in the zone of its calendar; for an hour schedule each hour at that minute.
 * A month schedule opens at the slots of days that `on` names; a day or hour schedule opens every period whose day `on` names.
 */

import type { Cycle, DayRule, Schedule } from '../model.ts';
import type { Sentence } from '../text/sentence.ts';
import { type BlackoutSpan, blackoutAt, blackoutSpans, spanAt } from './blackout.ts';
import { firstDay, formatPeriod, lastDay, nextPeriod, periodStartLocal, shiftPeriod } from './calendar.ts';
import { toInstant, toLocal } from './time-zone.ts';
import { type Blackout, type BusinessCalendar, DEFAULT_CALENDAR, dayKind, nthWorkDay } from './work-days.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Default of the catch-up window of a schedule: how late a missed period is still opened. */
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
  /** It was missed for longer than the catch-up window. */
  'missed',
  'blackout',
  'previous_unfinished',
  /** Its schedule left the catalogue while it waited. */
  'removed',
] as const;
export type SlotDecision = (typeof SLOT_DECISIONS)[number];

export interface Slot {
  /** Instant, ms. */
  readonly at: number;
  /** Local time in the zone of the calendar, ms (graph/calendar/time-zone.ts). */
  readonly localMs: number;
}

/** What the calendar says about a slot: it opens `period`, or why not. */
export type Verdict =
  | { readonly opens: true; readonly period: string }
  | { readonly opens: false; readonly period: string; readonly code: NotItsDay; readonly text: Sentence };
export type NotItsDay = 'weekend' | 'holiday' | 'not_its_day';

/** The calendar of a schedule. Default, also for an unknown one: only weekends, in Asia/Shanghai. */
export function calendarOf(
  { calendar }: Pick<Schedule, 'calendar'>,
  calendars: readonly (BusinessCalendar & { readonly id: string })[],
): BusinessCalendar {
  return calendars.find((other) => other.id === calendar) ?? DEFAULT_CALENDAR;
}

/** How late a missed period is still opened, ms. */
export const catchUpMs = ({ cycle, catchUpMs }: Schedule): number => catchUpMs ?? CATCH_UP_MS[cycle];

/** The fields that decide when a schedule fires. */
type Clock = Pick<Schedule, 'cycle' | 'at'> & { readonly period?: Schedule['period'] | undefined };

const stepOf = (cycle: Cycle): number => (cycle === 'hour' ? HOUR_MS : DAY_MS);

/** Time in ms from the beginning of a day (for an hour schedule: of an hour) to the moment at which it fires. */
const offsetOf = ({ cycle, at }: Clock): number =>
  (cycle === 'hour' ? 0 : Number(at.slice(0, 2)) * HOUR_MS) + Number(at.slice(3)) * 60_000;

/**
 * Slots later than `after`, in order, without end. A local time that summer time skips counts an hour later; one that happens twice counts the
 * first time. Two slots that summer time puts at the same instant are one.
 */
export function* slotsAfter(clock: Clock, zone: string, after: number): Generator<Slot> {
  const step = stepOf(clock.cycle);
  const local = toLocal(zone, after);
  let last = after;
  // Begins a day earlier, as the offset of the zone may change in between.
  for (let localMs = local - (local % step) - DAY_MS + offsetOf(clock); ; localMs += step) {
    const instant = toInstant(zone, localMs);
    if (instant <= last || (clock.period === 'same' && toInstant(zone, localMs + step) === instant)) continue;
    last = instant;
    yield { at: instant, localMs };
  }
}

/** The period that a slot is about, and whether the rule of days opens it. Does not look at blackouts: that is `blackoutAt`. */
export function judge(schedule: Schedule, calendar: BusinessCalendar, { localMs }: Slot): Verdict {
  const { cycle } = schedule;
  const here = formatPeriod(cycle, localMs);
  const period = schedule.period === 'same' ? here : shiftPeriod(cycle, here, -1);
  const day = cycle === 'month' ? formatPeriod('day', localMs) : firstDay(cycle, period);
  const refusal = refusalOf(ruleOf(schedule), calendar, day);
  return refusal === null ? { opens: true, period } : { opens: false, period, ...refusal };
}

/** A schedule and its calendar, for questions about many periods. */
export interface Timetable {
  readonly schedule: Schedule;
  readonly calendar: BusinessCalendar;
  readonly blackouts: readonly BlackoutSpan[];
  /** The day of a month that the rule names, when it names one; computed once for each month. */
  readonly dayIn: DayIn;
}

type DayIn = (rule: OneDay, month: string) => string | null;

/** Number of months whose day is kept. */
const KEPT_MONTHS = 2_000;

/** Prepares a schedule for questions about many periods. */
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
  return { schedule, calendar, blackouts: blackoutSpans(calendar), dayIn };
}

/**
 * The slots at which a schedule may open a period, in order: at most one for a day or an hour, one for each day that `on` names for a month.
 * `toInstantOf` may replace `toInstant`, for speed.
 */
function* slotsAbout(
  { schedule, calendar, dayIn }: Timetable,
  period: string,
  toInstantOf: (localMs: number) => number,
): Generator<Slot> {
  const { cycle } = schedule;
  const from = periodStartLocal(cycle, schedule.period === 'same' ? period : nextPeriod(cycle, period));
  const offset = offsetOf(schedule);
  if (cycle !== 'month') {
    if (refusalOf(ruleOf(schedule), calendar, firstDay(cycle, period), dayIn) !== null) return;
    const localMs = from + offset;
    const at = toInstantOf(localMs);
    // Where summer time puts two slots at one instant, `slotsAfter` returns the other one.
    const neighbour = localMs + (schedule.period === 'same' ? stepOf(cycle) : -stepOf(cycle));
    if (toInstantOf(neighbour) !== at) yield { at, localMs };
    return;
  }
  const last = periodStartLocal('day', lastDay('month', formatPeriod('month', from)));
  for (let localMs = from + offset; localMs <= last + offset; localMs += DAY_MS)
    if (refusalOf(ruleOf(schedule), calendar, formatPeriod('day', localMs), dayIn) === null)
      yield { at: toInstantOf(localMs), localMs };
}

/** Whether a schedule opens a period: its calendar allows it, and no blackout drops it (`skip`). */
export function opensPeriod(
  table: Timetable,
  period: string,
  toInstantOf: (localMs: number) => number = (localMs) => toInstant(table.calendar.timeZone, localMs),
): boolean {
  for (const { at } of slotsAbout(table, period, toInstantOf))
    if (spanAt(table.blackouts, at)?.blackout.afterwards !== 'skip') return true;
  return false;
}

/**
 * The slot that opens a period; for a month schedule the first one that no blackout drops. When none opens it, the verdict says why, and `slot`
 * is the one that would have opened it (null = there is none).
 */
export function slotOf(
  schedule: Schedule,
  calendar: BusinessCalendar,
  period: string,
): { slot: Slot | null; verdict: Verdict } {
  const { cycle } = schedule;
  const zone = calendar.timeZone;
  const table = timetable(schedule, calendar);
  const slots = [...slotsAbout(table, period, (localMs) => toInstant(zone, localMs))];
  const slot =
    slots.find(({ at }) => spanAt(table.blackouts, at)?.blackout.afterwards !== 'skip') ?? slots[0];
  if (slot !== undefined) return { slot, verdict: { opens: true, period } };
  const from = periodStartLocal(cycle, schedule.period === 'same' ? period : nextPeriod(cycle, period));
  if (cycle === 'month') {
    const month = formatPeriod('month', from);
    const text = { en: `${month} has no work day`, zh: `${month} 没有工作日` };
    return { slot: null, verdict: { opens: false, period, code: 'not_its_day', text } };
  }
  const refusal = refusalOf(ruleOf(schedule), calendar, firstDay(cycle, period));
  const text = { en: `the clock skips ${period}`, zh: `时钟跳过 ${period}` };
  const localMs = from + offsetOf(schedule);
  return {
    slot: refusal === null ? null : { at: toInstant(zone, localMs), localMs },
    verdict: { opens: false, period, ...(refusal ?? { code: 'not_its_day', text }) },
  };
}

/** The next `n` openings after an instant, with their periods; fewer when the next five years have fewer. */
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
    const span = blackoutAt(calendar, slot.at);
    if (span === null) found.push({ at: slot.at, period });
    else if (span.blackout.afterwards === 'open') found.push({ at: span.endMs, period });
  }
  return found;
}

const ruleOf = ({ cycle, on }: Schedule): DayRule =>
  on ?? (cycle === 'month' ? { dayOfMonth: 1 } : 'everyDay');

/** Why the rule does not name the day; null = it does. */
function refusalOf(
  rule: DayRule,
  calendar: BusinessCalendar,
  day: string,
  dayIn: DayIn = (asked, month) => dayOfRule(asked, calendar, month),
): { code: NotItsDay; text: Sentence } | null {
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

/** The day of a month that a rule names; null for a month without work days. */
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

function ruleDay(rule: DayRule): Sentence {
  if (rule === 'everyDay') return { en: 'every day', zh: '每天' };
  if (rule === 'workDays') return { en: 'every work day', zh: '每个工作日' };
  if (rule === 'lastDay') return { en: 'the last day', zh: '最后一天' };
  if ('dayOfMonth' in rule) return { en: `day ${rule.dayOfMonth}`, zh: `${rule.dayOfMonth} 日` };
  return rule.workDay === 'last'
    ? { en: 'the last work day', zh: '最后一个工作日' }
    : { en: `work day ${rule.workDay}`, zh: `第 ${rule.workDay} 个工作日` };
}

/** What a schedule does, as text: `opens the month before, day 1 of each month at 00:30`. */
export function scheduleText(schedule: Schedule): Sentence {
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

const PREVIOUS: Record<Cycle, Sentence> = {
  hour: { en: 'the hour just ended', zh: '上一小时' },
  day: { en: 'the day before', zh: '前一日' },
  month: { en: 'the month before', zh: '上月' },
};
const SAME: Record<Cycle, Sentence> = {
  hour: { en: 'the present hour', zh: '当前小时' },
  day: { en: 'the present day', zh: '当日' },
  month: { en: 'the present month', zh: '当月' },
};

/** A blackout as text, for a slot that lies in it. */
export function blackoutText({ from, to, names }: Blackout, timeZone: string): Sentence {
  // Bounds that are whole days need no zone.
  const zone = from.length > 10 || to.length > 10 ? ` ${timeZone}` : '';
  return {
    en: `blackout${names === undefined ? '' : ` ${names.en}`}, ${from} to ${to}${zone}`,
    zh: `维护窗口${names === undefined ? '' : `“${names.zh}”`}（${from} 至 ${to}${zone}）`,
  };
}

/** Whether the schedule counts work days, so that its calendar needs the holidays of the year. */
export const needsHolidays = ({ on }: Pick<Schedule, 'on'>): boolean =>
  on === 'workDays' || (typeof on === 'object' && 'workDay' in on);
