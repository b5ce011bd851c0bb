/** Events from outside: something has happened for a period, and flows with `trigger: event` wait for it. */
import { z } from 'zod';
import { Cycle, Id } from '../graph/model.ts';
import { Far, GivenId, type Infer, Instant, PageQuery, pageOf, storableJson, text } from './fields.ts';

/** Maximum size of a payload, characters of its JSON. */
const PAYLOAD_LIMIT = 65_536;

export const SendEvent = z.strictObject({
  /** The name of the event, as flows of the catalogue have it. */
  event: Id,
  /** 2026-10 is a month, 2026-11-22 a day, 2026112208 an hour: runs of that cycle and period receive the event. */
  period: text(20),
  far: Far,
  /** Kept with the event for people; flows do not get it. */
  payload: z.record(z.string(), z.unknown()).and(storableJson(PAYLOAD_LIMIT)).optional(),
});
export type SendEvent = Infer<typeof SendEvent>;

export const ExternalEvent = z.object({
  id: z.string(),
  event: z.string(),
  cycle: Cycle,
  period: z.string(),
  payload: z.unknown(),
  actor: z.string(),
  at: Instant,
  /** Runs that were notified; a run that is opened later is notified when it is opened. */
  runs: z.array(z.string()),
});
export type ExternalEvent = Infer<typeof ExternalEvent>;

export const EventsQuery = z.strictObject({
  ...PageQuery,
  event: GivenId.optional(),
  period: text(20).optional(),
});
export const EventPage = pageOf(ExternalEvent);
export type EventPage = Infer<typeof EventPage>;
