/** Schedules: their definition, whether they are paused, what they decided last, and what they open next. */
import { z } from 'zod';
import { SLOT_DECISIONS } from '../graph/calendar/schedule.ts';
import { Cycle } from '../graph/model.ts';
import { BothNames, GivenId, type Infer, Instant, text } from './fields.ts';

export const ScheduleParams = z.object({ schedule: GivenId });

export const Slot = z.object({
  /** When the schedule fired; with `triggered`, when a person triggered it. */
  at: Instant,
  period: z.string(),
  decision: z.enum(SLOT_DECISIONS),
  /** The run that was opened, or that was there already. */
  run: z.string().nullable(),
  text: BothNames,
  /** With `waiting_blackout`: the end of the blackout. */
  until: Instant.nullable(),
  decidedAt: Instant,
  actor: z.string().nullable(),
});
export type Slot = Infer<typeof Slot>;

export const Schedule = z.object({
  id: z.string(),
  names: BothNames.nullable(),
  cycle: Cycle,
  /** What it does, in a few words. */
  text: BothNames,
  calendar: z.string().nullable(),
  timeZone: z.string(),
  overlap: z.enum(['allow', 'skip', 'wait']),
  procedures: z.array(z.string()).nullable(),
  paused: z.boolean(),
  /** Who paused or resumed it last, when and why; `catalogue`: nobody yet. */
  changedBy: z.string(),
  changedAt: Instant,
  reason: z.string(),
  /** The next openings, as if it were not paused. `local`: clock time in its zone. */
  next: z.array(z.object({ at: Instant, local: z.string(), period: z.string() })),
  /** `last`: the newest decision that was not `not_its_day`; `lastLook`: the newest of all. null: there is none. */
  last: Slot.nullable(),
  lastLook: Slot.nullable(),
});
export type Schedule = Infer<typeof Schedule>;

export const UnknownHolidays = z.object({
  calendar: z.string(),
  year: z.string(),
  usedBy: z.array(z.string()),
});

export const ScheduleList = z.object({
  items: z.array(Schedule),
  /** Calendars by which schedules count work days and that have no holidays for this year or a near one: somebody has to enter them. */
  unknownHolidays: z.array(UnknownHolidays),
});
export type ScheduleList = Infer<typeof ScheduleList>;

export const ScheduleDetail = z.object({
  ...Schedule.shape,
  /** Newest first, at most 100. */
  slots: z.array(Slot),
});
export type ScheduleDetail = Infer<typeof ScheduleDetail>;

export const SteerSchedule = z.strictObject({ reason: text(2_000).default('') });

export const TriggerSchedule = z.strictObject({
  reason: text(2_000).default(''),
  /** Default: the period that a firing now would open. */
  period: text(20).optional(),
});
