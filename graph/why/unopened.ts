/** Why a scheduled run was not opened: which schedule opens it and when, or why none does. Pure. */
import { blackoutAt } from '../calendar/blackout.ts';
import { periodSpan, type RunKey } from '../calendar/calendar.ts';
import { blackoutText, slotOf } from '../calendar/schedule.ts';
import { type BusinessCalendar, DEFAULT_CALENDAR } from '../calendar/work-days.ts';
import type { Cycle, Schedule } from '../model.ts';
import type { Sentence } from '../text/sentence.ts';
import { span } from './cause-text.ts';

/** A schedule, and what the record knows of it. */
export interface ScheduleFacts {
  readonly schedule: Schedule;
  readonly calendar: BusinessCalendar;
  /** `paused by duty: cutover`; null = it is not paused. */
  readonly paused: Sentence | null;
  /** Slots up to this instant, ms, have been decided, or lie before the schedule counted. */
  readonly decidedAt: number;
  /** What was decided about the period at each slot. */
  readonly slots: readonly SlotFact[];
}

export interface SlotFact {
  readonly slot: number;
  readonly decision: string;
  readonly text: Sentence;
  readonly until: number | null;
}

export interface Unopened {
  readonly text: Sentence;
  /** Why it opens later than its schedule says: a blackout, or an earlier run that is open; null = neither. */
  readonly held: 'schedule_shifted' | 'backlog' | null;
  /** When a schedule opens it, ms, or when its period ends if no schedule does; null = that has passed. */
  readonly until: number | null;
  /** When it should have been opened, or when its period ended, ms. */
  readonly since: number | null;
}

/** Why a period has no run yet. `schedules` may include those of other cycles. O(schedules). */
export function explainUnopened(
  { cycle, period }: Pick<RunKey, 'cycle' | 'period'>,
  schedules: readonly ScheduleFacts[],
  now: number,
  timeZone: string = DEFAULT_CALENDAR.timeZone,
): Unopened {
  const answers = schedules
    .filter(({ schedule }) => schedule.cycle === cycle)
    .map((facts) => ({ id: facts.schedule.id, ...bySchedule(facts, period, now) }));
  // The schedule that opens it first is named; without one, all schedules with their reasons.
  const first = answers
    .filter((entry) => entry.until !== null)
    .reduce<(typeof answers)[number] | null>(
      (best, entry) => (best === null || entry.until! < best.until! ? entry : best),
      null,
    );
  const list = first === null ? answers : [first];
  if (list.length === 0) return byNobody(cycle, period, now, timeZone);
  return {
    text: {
      en: list.map((item) => `schedule ${item.id} ${item.text.en}`).join('; '),
      zh: list.map((item) => `计划 ${item.id} ${item.text.zh}`).join('；'),
    },
    held: list[0]!.held,
    until: first?.until ?? null,
    since: first === null ? (list.find((item) => item.since !== null)?.since ?? null) : null,
  };
}

function bySchedule(
  { schedule, calendar, paused, decidedAt, slots }: ScheduleFacts,
  period: string,
  now: number,
): Unopened {
  const say = (en: string, zh: string, more: Partial<Unopened> = {}): Unopened => ({
    text: { en, zh },
    held: null,
    until: null,
    since: null,
    ...more,
  });
  const waiting = slots.find((slot) => slot.decision.startsWith('waiting_'));
  if (waiting !== undefined) {
    const { en, zh } = waiting.text;
    const also =
      paused === null
        ? { en: '', zh: '' }
        : { en: `; the schedule is ${paused.en}`, zh: `；计划${paused.zh}` };
    const held = waiting.decision === 'waiting_previous' ? 'backlog' : 'schedule_shifted';
    return say(`waits to open it: ${en}${also.en}`, `等待打开：${zh}${also.zh}`, {
      until: waiting.until,
      since: waiting.slot,
      held,
    });
  }
  const { slot, verdict } = slotOf(schedule, calendar, period);
  if (!verdict.opens || slot === null) {
    const { text } = verdict as { text: Sentence };
    return say(`does not open it: ${text.en}`, `不会打开：${text.zh}`);
  }
  const decided = slots.find((other) => other.slot === slot.at);
  if (decided !== undefined && OPENED.includes(decided.decision))
    return say('opened it, and the run is no longer in the record', '曾打开过，该运行已不在记录库中', {
      since: slot.at,
    });
  if (decided !== undefined)
    return say(`did not open it: ${decided.text.en}`, `未打开：${decided.text.zh}`, { since: slot.at });
  const away = span(Math.abs(slot.at - now));
  if (slot.at <= now)
    return slot.at <= decidedAt
      ? say(
          `counts only from a later moment; its slot was ${away.en} ago`,
          `生效时该时刻已过（${away.zh}前）`,
          { since: slot.at },
        )
      : say(`has been due to open it for ${away.en}`, `应于 ${away.zh}前打开，即将处理`, { since: slot.at });
  if (paused !== null)
    return say(`would open it in ${away.en}, but is ${paused.en}`, `本应在 ${away.zh}后打开，但${paused.zh}`);
  const blackedOut = blackoutAt(calendar, slot.at);
  if (blackedOut === null) return say(`opens it in ${away.en}`, `将在 ${away.zh}后打开`, { until: slot.at });
  const { en, zh } = blackoutText(blackedOut.blackout, calendar.timeZone);
  if (blackedOut.blackout.afterwards === 'skip') return say(`does not open it: ${en}`, `不会打开：${zh}`);
  const later = span(blackedOut.endMs - now);
  return say(`opens it in ${later.en}, after the ${en}`, `将在 ${later.zh}后、${zh}结束时打开`, {
    until: blackedOut.endMs,
    held: 'schedule_shifted',
  });
}

/** Decisions after which the run existed. */
const OPENED: readonly string[] = ['opened', 'run_exists', 'triggered'];

function byNobody(cycle: Cycle, period: string, now: number, timeZone: string): Unopened {
  const { endMs } = periodSpan(cycle, period, timeZone);
  const away = span(Math.abs(endMs - now));
  const none = { en: `no schedule opens ${cycle} runs`, zh: `没有计划会打开${CYCLES[cycle]}运行` };
  return endMs > now
    ? {
        text: {
          en: `${none.en}; its period ends in ${away.en}`,
          zh: `${none.zh}；其账期将在 ${away.zh}后结束`,
        },
        held: null,
        until: endMs,
        since: null,
      }
    : {
        text: {
          en: `${none.en}; its period ended ${away.en} ago`,
          zh: `${none.zh}；其账期已于 ${away.zh}前结束`,
        },
        held: null,
        until: null,
        since: endMs,
      };
}

const CYCLES: Record<Cycle, string> = { hour: '小时', day: '日', month: '月' };

/** Where a run stands in its backfill. */
export interface BackfillTurn {
  readonly backfill: string;
  /** `dropped`: the backfill was cancelled before its turn. */
  readonly state: 'pending' | 'dropped';
  /** Number of runs of the backfill that are opened before it. */
  readonly ahead: number;
  /** Why the next one cannot be opened, or null. */
  readonly trouble: string | null;
}

/** Why a run of a backfill was not opened, as text: how many runs come before it, and what they wait for. */
export function turnText({ backfill, state, ahead, trouble }: BackfillTurn): Sentence {
  if (state === 'dropped')
    return { en: `${backfill} was cancelled before its turn`, zh: `补数 ${backfill} 在轮到它之前已取消` };
  const stuck =
    trouble === null ? { en: '', zh: '' } : { en: `; it is stuck: ${trouble}`, zh: `；目前受阻：${trouble}` };
  return ahead === 0
    ? { en: `it is the next of ${backfill}${stuck.en}`, zh: `它是补数 ${backfill} 的下一个${stuck.zh}` }
    : {
        en: `${ahead} runs of ${backfill} are opened before it${stuck.en}`,
        zh: `补数 ${backfill} 中它前面还有 ${ahead} 个运行${stuck.zh}`,
      };
}
