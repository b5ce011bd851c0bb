/** Runs: what is asked of them and how they are shown. */
import { z } from 'zod';
import { Cycle, Purpose } from '../graph/model.ts';
import { Far, GivenId, type Infer, Instant, listOf, PageQuery, pageOf, StateName, text } from './fields.ts';

export const RunParams = z.object({ run: GivenId });

export const OpenRun = z.strictObject({
  cycle: Cycle,
  period: text(20),
  purpose: Purpose.default('scheduled'),
  /** Default: all. Flows of other procedures are `not_triggered` and may be included later. */
  procedures: z.array(GivenId).min(1).max(200).optional(),
  far: Far,
});
export type OpenRun = Infer<typeof OpenRun>;

export const Run = z.object({
  id: z.string(),
  cycle: Cycle,
  period: z.string(),
  purpose: Purpose,
  number: z.int(),
  catalogueVersion: z.int(),
  procedures: z.array(z.string()).nullable(),
  state: z.enum(['open', 'closed']),
  /** Paused: nothing of it is given to agents; an attempt that runs goes on. */
  paused: z.boolean(),
  openedBy: z.string(),
  openedAt: Instant,
  /** When every flow was done or retired. Flows for which the run was not opened, and that nobody has triggered, do not count. */
  finishedAt: Instant.nullable(),
  closedAt: Instant.nullable(),
  /** Why nothing moves until a person decides (protocol A9), or null. */
  frozen: z.string().nullable(),
});
export type Run = Infer<typeof Run>;

export const RunDetail = z.object({
  ...Run.shape,
  flows: z.int(),
  /** Number of flows in each state, 0 included. `succeeded`, `skipped` and `force_passed` all count as done and stay three numbers (protocol D5). */
  counts: z.record(StateName, z.int()),
  tainted: z.int(),
  stale: z.int(),
  held: z.int(),
  /** The record's clock at the last exchange. */
  now: Instant,
  /** Number of the last log row; how far the coordinator has decided the log; number of its last exchange. */
  log: z.object({ seq: z.int(), cursor: z.int(), exchange: z.int() }),
});
export type RunDetail = Infer<typeof RunDetail>;

export const RunsQuery = z.strictObject({
  ...PageQuery,
  state: z.enum(['open', 'closed']).optional(),
  cycle: Cycle.optional(),
  purpose: listOf(Purpose).optional(),
  period: text(20).optional(),
});
export const RunPage = pageOf(Run);
export type RunPage = Infer<typeof RunPage>;
