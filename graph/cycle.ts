/** Cycles, purposes of runs, and how periods of flows that wait for one another belong together. */
import { z } from 'zod';

export const Cycle = z.enum(['hour', 'day', 'month']);
export type Cycle = z.infer<typeof Cycle>;

export const Purpose = z.enum(['scheduled', 'backfill', 'rehearsal']);
export type Purpose = z.infer<typeof Purpose>;

/** The upstream's period seen from a flow's, or a flow's from its run's (protocol D2). `{ offset: -2 }` is two periods of the same cycle earlier. */
export const PeriodMapping = z.union([
  z.enum(['same', 'previous', 'lastDayOfMonth', 'everyDayOfMonth', 'everyHourOfDay']),
  z.strictObject({ offset: z.int().min(-400).max(400) }),
]);
export type PeriodMapping = z.infer<typeof PeriodMapping>;
