/** Days and times of days as a maintainer writes them: only those that exist (no 2026-02-30, no 24:00). */
import { z } from 'zod';
import { isPeriod } from './calendar.ts';

/** A day that exists, `2026-12-01`. */
export const DayOfCalendar = z
  .string()
  .refine((text) => isPeriod('day', text), 'a day that exists, written like 2026-12-01');

/** A bound of a blackout: a day, or a clock time of it. */
export const DayOrTime = z
  .string()
  .refine(
    (text) => isPeriod('day', text.slice(0, 10)) && /^.{10}( ([01]\d|2[0-3]):[0-5]\d)?$/.test(text),
    'a day that exists, 2026-12-01, or a time of it, 2026-12-01 22:00',
  );
