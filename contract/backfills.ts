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
  /** Only these flows. The others stay `not_triggered`, and the results that they have already are used as they are. Default: all. */
  flows: z.array(GivenId).min(1).max(20_000).optional(),
  /** Whether everything downstream of `flows` is redone, too. */
  downstream: z.boolean().default(true),
  /** Whether runs of other cycles are redone, too: for the flows that have used the results, directly or through others, and only for these. */
  dependants: z.boolean().default(false),
  /** Says that periods from before the beginning of the cycle are meant; otherwise they are refused. */
  beforeBeginning: z.boolean().default(false),
  /** Also periods that no schedule opens. Default: only those that a schedule covering one of the flows opens; without one, every period. */
  everyPeriod: z.boolean().default(false),
  far: Far,
  /** Default: the order that edges between periods ask for, otherwise the oldest period first. */
  order: z.enum(['ascending', 'descending']).optional(),
  /** Maximum number of its runs that are unfinished at once. Default: 1 when its runs wait for each other, otherwise 4. */
  concurrency: z.int().min(1).max(100).optional(),
  reason: text(2_000).default(''),
  /** Answer what would be opened, and change nothing. */
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
  /** Number of flows that failed, were cancelled, or have an unknown outcome. */
  failed: z.int(),
  openedAt: Instant.nullable(),
});

const shape = {
  cycle: Cycle,
  from: z.string(),
  to: z.string(),
  /** As it was asked for; null = all. */
  flows: z.array(z.string()).nullable(),
  downstream: z.boolean(),
  /** As it was asked for with `dependants`. */
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
  /** How many runs it has, in all and by state. */
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

/** A backfill as it would be: the answer to `dryRun`. */
export const BackfillPreview = z.object({
  dryRun: z.literal(true),
  ...shape,
  includes: z.array(z.string()).nullable(),
  /** Periods of the range that it leaves out because no schedule opens them, ascending. */
  leftOut: z.array(z.string()),
  /** Whether its runs wait for each other: for runs of earlier periods, of later periods. */
  chained: z.object({ earlier: z.boolean(), later: z.boolean() }),
  /** In the order of opening. `scheduled`: the scheduled run of the period, if there is one. */
  runs: z.array(
    z.object({
      cycle: Cycle,
      period: z.string(),
      run: z.string(),
      scheduled: z.string().nullable(),
      /** Flows that it is opened for, upstream first; null = those of the backfill. */
      includes: z.array(z.string()).nullable(),
      /** Whether the run is opened for flows that have used the results, and not because its period is in the range. */
      dependant: z.boolean(),
    }),
  ),
  /** Flows of other cycles that wait for its flows and for which it opens no run. */
  dependants: z.array(z.object({ cycle: Cycle, flow: z.string() })),
});
export type BackfillPreview = Infer<typeof BackfillPreview>;

export const BackfillsQuery = z.strictObject({
  ...PageQuery,
  state: z.enum(['open', 'finished', 'cancelled']).optional(),
});

export const CancelBackfill = z.strictObject({ reason: text(2_000).default('') });
