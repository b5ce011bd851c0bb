/**
 * What schedules open. Temporal fires a schedule, and this decides all its slots that have become due, each once, however often it fires. A
 * firing that was lost or late only delays that.
 */
import type pg from 'pg';
import { SluiceError } from '../../errors.ts';
import { blackoutAt } from '../../graph/calendar/blackout.ts';
import { runId } from '../../graph/calendar/calendar.ts';
import {
  blackoutText,
  calendarOf,
  catchUpMs,
  judge,
  type Slot,
  slotsAfter,
} from '../../graph/calendar/schedule.ts';
import type { BusinessCalendar } from '../../graph/calendar/work-days.ts';
import type { Cycle, Schedule } from '../../graph/model.ts';
import type { Sentence } from '../../graph/text/sentence.ts';
import { span } from '../../graph/why/cause-text.ts';
import { type CatalogueVersion, newestVersion } from '../catalogue/catalogue.ts';
import { writeAudit } from '../operations/audit.ts';
import { inTransaction, type Queryable } from '../schema/pool.ts';
import { openRun } from './open-run.ts';
import {
  DecidedElsewhere,
  type NewSlot,
  readSchedule,
  type ScheduleRow,
  settleSlot,
  waitingSlots,
  writeSlots,
} from './schedules.ts';

export interface OpenDueDeps {
  readonly pool: pg.Pool;
  readonly versionOf: (version: number) => Promise<CatalogueVersion>;
}

/** Maximum number of slots that are decided in one transaction: an hour schedule that did not fire for months has thousands. */
const AT_ONCE = 500;

/**
 * Decides all slots of a schedule up to now by the record's clock. Throws while that clock has not reached `firedMs`, the moment for which the
 * schedule fired; the caller then repeats the call. Repeating it changes nothing. Does nothing for a schedule that was removed.
 */
export async function openDue(deps: OpenDueDeps, id: string, firedMs = 0): Promise<void> {
  for (;;) {
    const found = await definitionOf(deps, id);
    const row = await readSchedule(deps.pool, id);
    if (found === null || row === null) return;
    const { schedule, calendar } = found;
    const now = await clock(deps.pool);
    if (now < firedMs)
      throw new Error(`${id} fired ${firedMs - now} ms before its time by the clock of the record`);
    const notOpened: NewSlot[] = [];
    let opening: NewSlot | null = null;
    for (const slot of slotsAfter(schedule, calendar.timeZone, row.decidedAt)) {
      if (slot.at > now || notOpened.length === AT_ONCE) break;
      const decided = await decideSlot(deps.pool, found, row, { slot, now });
      if (decided.decision === 'opened') {
        opening = decided;
        break;
      }
      notOpened.push(decided);
    }
    if (notOpened.length === 0 && opening === null) return;
    try {
      await inTransaction(deps.pool, (client) => writeSlots(client, id, row.decidedAt, notOpened));
      const decidedBefore = notOpened.at(-1)?.slot ?? row.decidedAt;
      if (opening !== null)
        await openSlot(deps, schedule, opening, (client, slot) =>
          writeSlots(client, id, decidedBefore, [slot]),
        );
    } catch (error) {
      // Another process decides the same slots: read again what is left.
      if (!(error instanceof DecidedElsewhere)) throw error;
    }
  }
}

/** Opens the runs whose slots waited for the end of a blackout or of the previous run. A slot that fails does not stop the others. */
export async function openWaiting(
  deps: OpenDueDeps,
  warn: (facts: object, text: string) => void,
): Promise<void> {
  for (const slot of await waitingSlots(deps.pool)) {
    const { schedule: id } = slot;
    try {
      const found = await definitionOf(deps, id);
      const row = await readSchedule(deps.pool, id);
      if (found === null || row === null) {
        const text = { en: 'the schedule has left the catalogue', zh: '该计划已从目录中移除' };
        await settleSlot(deps.pool, { ...slot, decision: 'removed', text });
        continue;
      }
      if (row.paused) continue;
      const { schedule, calendar } = found;
      if (blackoutAt(calendar, await clock(deps.pool)) !== null) continue;
      if (schedule.overlap === 'wait' && (await unfinishedBefore(deps.pool, schedule, slot)) !== null)
        continue;
      await openSlot(deps, schedule, slot, (client, decided) =>
        settleSlot(client, { ...decided, schedule: id }),
      );
    } catch (error) {
      if (!(error instanceof DecidedElsewhere))
        warn({ error, schedule: id }, 'could not open what a schedule waits for');
    }
  }
}

/** A schedule as the newest catalogue has it. */
interface Definition {
  readonly schedule: Schedule;
  readonly calendar: BusinessCalendar;
}

async function definitionOf({ pool, versionOf }: OpenDueDeps, id: string): Promise<Definition | null> {
  const version = await newestVersion(pool);
  if (version === null) return null;
  const { frame } = await versionOf(version);
  const schedule = frame.schedules.find((schedule) => schedule.id === id);
  return schedule === undefined ? null : { schedule, calendar: calendarOf(schedule, frame.calendars) };
}

async function clock(client: Queryable): Promise<number> {
  const found = await client.query<{ now: number }>('select clock_ms() as now');
  return found.rows[0]!.now;
}

/** Decides one slot; `opened`: its run has to be opened. The calendar decides first, then pauses, then all else. */
async function decideSlot(
  client: Queryable,
  { schedule, calendar }: Definition,
  row: ScheduleRow,
  { slot, now }: { readonly slot: Slot; readonly now: number },
): Promise<NewSlot> {
  const verdict = judge(schedule, calendar, slot);
  const { period } = verdict;
  const say = (decision: NewSlot['decision'], text: Sentence, rest: Partial<NewSlot> = {}): NewSlot => ({
    slot: slot.at,
    period,
    decision,
    run: null,
    text,
    until: null,
    ...rest,
  });
  if (!verdict.opens) return say(verdict.code, verdict.text);
  if (row.paused) return say('paused', pausedText(row));
  if (now - slot.at > catchUpMs(schedule)) {
    const late = span(now - slot.at);
    const text = {
      en: `it was found ${late.en} too late; open it by a backfill`,
      zh: `发现时已迟 ${late.zh}，请用补数打开`,
    };
    return say('missed', text);
  }
  const atSlot = blackoutAt(calendar, slot.at);
  if (atSlot?.blackout.afterwards === 'skip')
    return say('blackout', blackoutText(atSlot.blackout, calendar.timeZone));
  // The run is opened now, so a blackout of the present counts, also for a slot that was due before it began.
  const atNow = blackoutAt(calendar, now);
  if (atNow !== null)
    return say('waiting_blackout', blackoutText(atNow.blackout, calendar.timeZone), { until: atNow.endMs });
  if (schedule.overlap !== 'allow') {
    const before = await unfinishedBefore(client, schedule, { schedule: schedule.id, period, slot: slot.at });
    const text = { en: `${before} is not finished`, zh: `${before} 尚未完成` };
    if (before !== null)
      return say(schedule.overlap === 'skip' ? 'previous_unfinished' : 'waiting_previous', text);
  }
  return say('opened', { en: '', zh: '' });
}

export function pausedText({ changedBy, reason }: ScheduleRow): Sentence {
  // A schedule that begins paused was paused by nobody.
  if (changedBy === 'catalogue')
    return { en: 'paused: nobody has resumed it yet', zh: '处于暂停，尚无人恢复' };
  const why = reason === '' ? { en: '', zh: '' } : { en: `: ${reason}`, zh: `：${reason}` };
  return { en: `paused by ${changedBy}${why.en}`, zh: `已由 ${changedBy} 暂停${why.zh}` };
}

/** The earliest unfinished run of the cycle, or waiting period of the schedule, before this slot; null = none. */
async function unfinishedBefore(
  client: Queryable,
  { cycle }: { cycle: Cycle },
  slot: { schedule: string; period: string; slot: number },
): Promise<string | null> {
  const found = await client.query<{ what: string }>(
    `(select id as what, period from runs where cycle = $1 and purpose = 'scheduled' and period < $2 and state = 'open' and finished_ms is null
        order by period limit 1)
     union all
     (select $1 || '-' || period, period from schedule_slots where schedule_id = $3 and slot_ms < $4
        and decision in ('waiting_blackout', 'waiting_previous') order by slot_ms limit 1)
     order by period limit 1`,
    [cycle, slot.period, slot.schedule, slot.slot],
  );
  return found.rows[0]?.what ?? null;
}

/** Opens the run and writes the decision in one transaction. When the run exists already, the decision says so. */
async function openSlot(
  deps: OpenDueDeps,
  schedule: Schedule,
  slot: NewSlot,
  decide: (client: Queryable, slot: NewSlot) => Promise<void>,
): Promise<void> {
  const { id, cycle } = schedule;
  const actor = `schedule:${id}`;
  const request = {
    cycle,
    period: slot.period,
    purpose: 'scheduled' as const,
    procedures: schedule.procedures ?? null,
  };
  const text = { en: '', zh: '' };
  try {
    await openRun(deps, request, actor, async (client, run) => {
      await decide(client, { ...slot, decision: 'opened', run, text });
      const detail = { ...request, schedule: id, slot: slot.slot };
      await writeAudit(client, { actor, verb: 'open', run, outcome: 'applied', detail });
    });
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    const refusal: NewSlot =
      error.code === 'run_exists'
        ? {
            ...slot,
            decision: 'run_exists',
            run: runId(cycle, slot.period),
            text: await existsText(deps.pool, schedule, runId(cycle, slot.period), error.kind),
          }
        : {
            ...slot,
            decision: 'refused',
            run: null,
            text: { en: error.message, zh: `${error.kind.zh}：${error.message}` },
          };
    await inTransaction(deps.pool, (client) => decide(client, refusal));
  }
}

/** The text of a decision about a run that existed already. When that run has only some procedures, it says what of the schedule is left out. */
async function existsText(
  client: Queryable,
  schedule: Schedule,
  run: string,
  kind: Sentence,
): Promise<Sentence> {
  const found = await client.query<{ procedures: string[] | null }>(
    'select procedures from runs where id = $1',
    [run],
  );
  const opened = found.rows[0]?.procedures ?? null;
  const missing = schedule.procedures?.filter((procedure) => opened?.includes(procedure) === false);
  if (opened === null || missing?.length === 0) return { en: kind.en, zh: kind.zh };
  const [only, left] = [opened.join(', '), missing?.join(', ')];
  return {
    en: `${kind.en}, for ${only} only: ${left === undefined ? 'the other flows' : `flows of ${left}`} wait for a trigger`,
    zh: `${kind.zh}，且仅含规程 ${only}：${left === undefined ? '其余流程' : `规程 ${left} 的流程`}等待触发`,
  };
}
