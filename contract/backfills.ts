/** Backfills: a range of periods run once more, in order, a few at a time. */
import { z } from 'zod';
import { Cycle } from '../graph/model.ts';
import { Far, GivenId, type Infer, Instant, PageQuery, pageOf, text } from './fields.ts';

export const BackfillParams = z.object({ backfill: GivenId });

export const OpenBackfill = z.strictObject({
  cycle: Cycle,
  /** Both included. */
  from: text(20),
  to: text(20),
  /** Only these flows; the others of each run are `not_triggered`, and what they have delivered before is taken as it is. Default: all. */
  flows: z.array(GivenId).min(1).max(20_000).optional(),
  /** With everything downstream of `flows`. */
  downstream: z.boolean().default(true),
  /** With the runs of other cycles whose flows have used the results, and with what has used theirs, for just those flows. */
  dependants: z.boolean().default(false),
  /** Periods from before the beginning of the cycle are meant; otherwise they are refused. */
  beforeBeginning: z.boolean().default(false),
  /** Also periods that no schedule opens. Default: those that a schedule opens which covers one of the flows; without one, every period. */
  everyPeriod: z.boolean().default(false),
  far: Far,
  /** Default: as edges between periods ask for, otherwise the oldest first. */
  order: z.enum(['ascending', 'descending']).optional(),
  /** Runs that may be unfinished at once. Default: 1 where runs of it wait for each other, otherwise 4. */
  concurrency: z.int().min(1).max(100).optional(),
  reason: text(2_000).default(''),
  /** Say what would be opened, change nothing. */
  dryRun: z.boolean().default(false),
});
export type OpenBackfill = Infer<typeof OpenBackfill>;

export const BackfillRun = z.object({
  cycle: Cycle,
  period: z.string(),
  run: z.string(),
  /** Flows that it is opened for, upstream first; null = those of the backfill. */
  includes: z.array(z.string()).nullable(),
  state: z.enum(['pending', 'open', 'finished', 'closed', 'dropped']),
  /** Flows that failed, were cancelled, or of which nobody knows whether they ran. */
  failed: z.int(),
  openedAt: Instant.nullable(),
});

const shape = {
  cycle: Cycle,
  from: z.string(),
  to: z.string(),
  /** As asked for; null = all. */
  flows: z.array(z.string()).nullable(),
  downstream: z.boolean(),
  /** As asked for with `dependants`. */
  withDependants: z.boolean(),
  beforeBeginning: z.boolean(),
  everyPeriod: z.boolean(),
  order: z.enum(['ascending', 'descending']),
  concurrency: z.int(),
};

export const Backfill = z.object({
  id: z.string(),
  ...shape,
  actor: z.string(),
  reason: z.string(),
  state: z.enum(['open', 'finished', 'cancelled']),
  openedAt: Instant,
  endedAt: Instant.nullable(),
  endedBy: z.string().nullable(),
  /** Why the next run cannot be opened; it is tried again all the same. */
  trouble: z.string().nullable(),
  /** Numbers of its runs. */
  progress: z.object({ runs: z.int(), pending: z.int(), open: z.int(), finished: z.int(), failing: z.int() }),
});
export type Backfill = Infer<typeof Backfill>;
export const BackfillPage = pageOf(Backfill);
export type BackfillPage = Infer<typeof BackfillPage>;

export const BackfillDetail = z.object({
  ...Backfill.shape,
  /** Flows that its runs are opened for, upstream first; null = all. */
  includes: z.array(z.string()).nullable(),
  /** In the order of opening. */
  runs: z.array(BackfillRun),
});
export type BackfillDetail = Infer<typeof BackfillDetail>;

/** What `dryRun` answers. */
export const BackfillPreview = z.object({
  dryRun: z.literal(true),
  ...shape,
  includes: z.array(z.string()).nullable(),
  /** Periods of the range that it leaves out because no schedule opens them, ascending. */
  leftOut: z.array(z.string()),
  /** Runs of it wait for each other: for those of earlier periods, of later ones. */
  chained: z.object({ earlier: z.boolean(), later: z.boolean() }),
  /** In the order of opening; `scheduled`: the run of the period that is there already. */
  runs: z.array(
    z.object({
      cycle: Cycle,
      period: z.string(),
      run: z.string(),
      scheduled: z.string().nullable(),
      /** Flows that it is opened for, upstream first; null = those of the backfill. */
      includes: z.array(z.string()).nullable(),
      /** It is opened for what has used the results, not for its period. */
      dependant: z.boolean(),
    }),
  ),
  /** Flows of other cycles that wait for flows of it and that no run of it is opened for. */
  dependants: z.array(z.object({ cycle: Cycle, flow: z.string() })),
});
export type BackfillPreview = Infer<typeof BackfillPreview>;

export const BackfillsQuery = z.strictObject({
  ...PageQuery,
  state: z.enum(['open', 'finished', 'cancelled']).optional(),
});

export const CancelBackfill = z.strictObject({ reason: text(2_000).default('') });
