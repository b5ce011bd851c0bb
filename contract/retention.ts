/** What leaves the record, what has left it, and what came back. */
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
  /** null: it goes. An unfinished run waits for it, something in it is undecided, it is frozen, it was restored for reading. */
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
  /** Table -> rows. */
  rows: z.record(z.string(), z.int()),
  archivedAt: Instant,
  restoredAt: Instant.nullable(),
});
export const ArchivedRun = Archived;

export const Retention = z.object({
  keepDays: Days,
  auditDays: z.int(),
  /** Runs that are over for longer than that, the oldest first; the first 1,000. */
  due: z.array(DueRun),
  /** The newest 100. */
  archived: z.array(Archived),
});

export const RetentionRun = z.strictObject({
  /** Largest number of runs in one pass. Default: 100. */
  limit: z.int().min(1).max(1_000).default(100),
  dryRun: z.boolean().default(false),
});

/** With `dryRun` nothing has happened: `archived` is empty and `due` says what would go. */
export const RetentionAnswer = z.object({
  dryRun: z.boolean(),
  due: z.array(DueRun),
  archived: z.array(z.object({ run: z.string(), file: z.string(), bytes: z.int() })),
  kept: z.array(DueRun),
  /** More runs are due than were asked for. */
  more: z.boolean(),
  auditRows: z.int(),
  exchangeRows: z.int(),
  /** Another process is at it: nothing was done. */
  busy: z.boolean(),
});

export const RestoreParams = z.object({ run: GivenId });
