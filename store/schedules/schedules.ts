/** Schedules as the record keeps them: paused or not, decided up to when, and what was decided in each slot. */
import type pg from 'pg';
import { SluiceError } from '../../errors.ts';
import type { SlotDecision } from '../../graph/calendar/schedule.ts';
import type { Sentence } from '../../graph/text/sentence.ts';
import { writeAudit } from '../operations/audit.ts';
import { notify } from '../schema/notify.ts';
import { inTransaction, type Queryable } from '../schema/pool.ts';

export interface ScheduleRow {
  readonly id: string;
  readonly paused: boolean;
  readonly reason: string;
  readonly changedBy: string;
  readonly changedAt: number;
  /** Slots up to here were decided. */
  readonly decidedAt: number;
}

/** What was decided in one slot. */
export interface SlotRow {
  readonly schedule: string;
  readonly slot: number;
  readonly period: string;
  readonly decision: SlotDecision;
  readonly run: string | null;
  readonly text: Sentence;
  readonly until: number | null;
  readonly decidedAt: number;
  readonly actor: string | null;
}

const ROW = `id, paused, reason, changed_by as "changedBy", changed_ms as "changedAt", decided_ms as "decidedAt"`;
const SLOT = `schedule_id as schedule, slot_ms as slot, period, decision, run_id as run, json_build_object('en', en, 'zh', zh) as text,
  until_ms as until, decided_ms as "decidedAt", actor`;

/** Ids of the schedules that the record keeps. */
export async function scheduleIds(client: Queryable): Promise<string[]> {
  const found = await client.query<{ id: string }>('select id from schedules where removed_ms is null');
  return found.rows.map((row) => row.id);
}

export async function listSchedules(client: Queryable): Promise<ScheduleRow[]> {
  const found = await client.query<ScheduleRow>(
    `select ${ROW} from schedules where removed_ms is null order by id`,
  );
  return found.rows;
}

export async function readSchedule(client: Queryable, id: string): Promise<ScheduleRow | null> {
  const found = await client.query<ScheduleRow>(
    `select ${ROW} from schedules where id = $1 and removed_ms is null`,
    [id],
  );
  return found.rows[0] ?? null;
}

/** The last decisions of each schedule, the newest first. */
export async function lastSlots(
  client: Queryable,
  schedules: readonly string[],
  each: number,
): Promise<SlotRow[]> {
  const found = await client.query<SlotRow>(
    `select x.* from unnest($1::text[]) as s (id)
     cross join lateral (select ${SLOT} from schedule_slots where schedule_id = s.id order by slot_ms desc limit $2) x`,
    [schedules, each],
  );
  return found.rows;
}

/** Decisions about some periods, of each the newest first. One query, however many periods. */
export async function slotsOfPeriods(
  client: Queryable,
  schedules: readonly string[],
  periods: readonly string[],
): Promise<SlotRow[]> {
  const found = await client.query<SlotRow>({
    name: 'slots-of-periods',
    text: `select x.* from unnest($2::text[]) as p (id)
      cross join lateral (select ${SLOT} from schedule_slots where schedule_id = any($1::text[]) and period = p.id order by slot_ms desc limit 100) x`,
    values: [schedules, periods],
  });
  return found.rows;
}

/** Slots that wait for the end of a blackout or of the run before, in order. */
export async function waitingSlots(client: Queryable): Promise<SlotRow[]> {
  const found = await client.query<SlotRow>(
    `select ${SLOT} from schedule_slots where decision in ('waiting_blackout', 'waiting_previous') order by slot_ms limit 1000`,
  );
  return found.rows;
}

export type NewSlot = Omit<SlotRow, 'schedule' | 'decidedAt' | 'actor'>;

/** Another process decided these slots meanwhile: whatever this transaction did is not needed. */
export class DecidedElsewhere extends Error {}

/**
 * Writes decisions in order of their slots, once: `decidedBefore` is the instant up to which the caller saw the schedule decided. Throws
 * `DecidedElsewhere` when it was decided further since.
 */
export async function writeSlots(
  client: Queryable,
  schedule: string,
  decidedBefore: number,
  slots: readonly NewSlot[],
): Promise<void> {
  const last = slots.at(-1);
  if (last === undefined) return;
  const moved = await client.query(
    'update schedules set decided_ms = $3 where id = $1 and decided_ms = $2 and removed_ms is null',
    [schedule, decidedBefore, last.slot],
  );
  if (moved.rowCount === 0) throw new DecidedElsewhere();
  await client.query(
    `insert into schedule_slots (schedule_id, slot_ms, period, decision, run_id, en, zh, until_ms, decided_ms)
     select $1, x.*, clock_ms() from unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[]) as x
     on conflict do nothing`,
    [
      schedule,
      slots.map((slot) => slot.slot),
      slots.map((slot) => slot.period),
      slots.map((slot) => slot.decision),
      slots.map((slot) => slot.run),
      slots.map((slot) => slot.text.en),
      slots.map((slot) => slot.text.zh),
      slots.map((slot) => slot.until),
    ],
  );
}

/** The end of a wait. Throws `DecidedElsewhere` when it had ended already. */
export async function settleSlot(client: Queryable, slot: NewSlot & { schedule: string }): Promise<void> {
  const settled = await client.query(
    `update schedule_slots set decision = $3, run_id = $4, en = $5, zh = $6, until_ms = null, decided_ms = clock_ms()
     where schedule_id = $1 and slot_ms = $2 and decision in ('waiting_blackout', 'waiting_previous')`,
    [slot.schedule, slot.slot, slot.decision, slot.run, slot.text.en, slot.text.zh],
  );
  if (settled.rowCount === 0) throw new DecidedElsewhere();
}

/** An operator opened the run by hand; shown among the decisions. */
export async function noteTrigger(
  client: Queryable,
  given: { schedule: string; period: string; run: string; actor: string; reason: string },
): Promise<void> {
  await client.query(
    `insert into schedule_slots (schedule_id, slot_ms, period, decision, run_id, en, zh, decided_ms, actor)
     values ($1, clock_ms(), $2, 'triggered', $3, $4, $4, clock_ms(), $5) on conflict do nothing`,
    [given.schedule, given.period, given.run, given.reason, given.actor],
  );
}

/**
 * Pauses or resumes. Resumed, it counts from now: the slots of the pause stay closed. Throws `unknown_schedule`, `already_paused`,
 * `not_paused`.
 */
export async function setPaused(
  pool: pg.Pool,
  id: string,
  paused: boolean,
  by: { actor: string; reason: string },
): Promise<void> {
  await inTransaction(pool, async (client) => {
    const found = await client.query<{ paused: boolean }>(
      'select paused from schedules where id = $1 and removed_ms is null for update',
      [id],
    );
    const row = found.rows[0];
    const facts = { schedule: id };
    if (row === undefined) throw new SluiceError('unknown_schedule', `there is no schedule ${id}`, { facts });
    if (row.paused === paused)
      throw paused
        ? new SluiceError('already_paused', `the schedule ${id} is paused`, { facts })
        : new SluiceError('not_paused', `the schedule ${id} is not paused`, { facts });
    await client.query(
      `update schedules set paused = $2, changed_by = $3, reason = $4, changed_ms = clock_ms(),
         decided_ms = case when $2 then decided_ms else greatest(decided_ms, clock_ms()) end where id = $1`,
      [id, paused, by.actor, by.reason],
    );
    await writeAudit(client, {
      actor: by.actor,
      verb: paused ? 'pause-schedule' : 'resume-schedule',
      run: null,
      targets: [id],
      reason: by.reason,
      outcome: 'applied',
    });
    await notify(client, 'sluice_schedules', id);
  });
}

/** Decisions older than these days are forgotten; runs and audit keep what was opened. */
export async function purgeSlots(client: Queryable, days = 400): Promise<number> {
  const purged = await client.query(
    'delete from schedule_slots where slot_ms < clock_ms() - $1::bigint * 86400000',
    [days],
  );
  return purged.rowCount ?? 0;
}
