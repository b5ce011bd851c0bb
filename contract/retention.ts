/** Retention: which runs leave the record, which have left it, and which were restored. */
import { z } from 'zod';
import { Cycle, Purpose } from '../graph/model.ts';
import { GivenId, Instant } from './fields.ts';

const Days = z.object({ hour: z.int(), day: z.int(), month: z.int() });

export const DueRun = z.object({
  run: z.string(),
  cycle: Cycle,
  period: z.string(),
  purpose: Purpose,
  /** When it was finished or closed. */
  overAt: Instant,
  /** Why it stays: an unfinished run waits for it, something in it is undecided, it is frozen, it was restored. null: it leaves. */
  keptBecause: z.enum(['waited_for', 'undecided', 'frozen', 'restored']).nullable(),
});

const Archived = z.object({
  run: z.string(),
  cycle: Cycle,
  period: z.string(),
  purpose: Purpose,
  file: z.string(),
  sha256: z.string(),
  bytes: z.int(),
  /** Number of rows by table. */
  rows: z.record(z.string(), z.int()),
  archivedAt: Instant,
  restoredAt: Instant.nullable(),
});
export const ArchivedRun = Archived;

export const Retention = z.object({
  keepDays: Days,
  auditDays: z.int(),
  /** Runs that have been over for longer than that: the oldest 1,000, the oldest first. */
  due: z.array(DueRun),
  /** The last 100 that were archived. */
  archived: z.array(Archived),
});

export const RetentionRun = z.strictObject({
  /** Maximum number of runs in one pass. Default: 100. */
  limit: z.int().min(1).max(1_000).default(100),
  dryRun: z.boolean().default(false),
});

/** After a dry run `archived` is empty, and `due` says which runs would leave. */
export const RetentionAnswer = z.object({
  dryRun: z.boolean(),
  due: z.array(DueRun),
  archived: z.array(z.object({ run: z.string(), file: z.string(), bytes: z.int() })),
  kept: z.array(DueRun),
  /** More runs are due than were asked for. */
  more: z.boolean(),
  auditRows: z.int(),
  exchangeRows: z.int(),
  /** Another process was carrying out the retention, so nothing was done. */
  busy: z.boolean(),
});

export const RestoreParams = z.object({ run: GivenId });
