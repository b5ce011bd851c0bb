/** Schedules: what the catalogue says, what operators have made of it, what was decided last, what comes next. */
import { z } from 'zod';
import { SLOT_DECISIONS } from '../graph/calendar/schedule.ts';
import { Cycle } from '../graph/model.ts';
import { BothNames, GivenId, type Infer, Instant, text } from './fields.ts';

export const ScheduleParams = z.object({ schedule: GivenId });

export const Slot = z.object({
  /** The moment at which the schedule fired; of `triggered` when somebody did. */
  at: Instant,
  period: z.string(),
  decision: z.enum(SLOT_DECISIONS),
  /** The run that was opened, or was there already. */
  run: z.string().nullable(),
  text: BothNames,
  /** End of the blackout that is waited for. */
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
  /** The next openings, were it not paused. `local`: clock time in its zone. */
  next: z.array(z.object({ at: Instant, local: z.string(), period: z.string() })),
  /** The newest decision that was more than 'not its day', then the newest of all; null when there is none. */
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
  /** Calendars by which work days are counted, without holidays for this year or a near one: somebody has to enter them. */
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
