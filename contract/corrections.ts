/** Corrections: rows of a table were corrected outside of all flows, so what was built on them before is to be redone. */
import { z } from 'zod';
import { BothNames, GivenId, type Infer, Instant, PageQuery, pageOf, StateName, text } from './fields.ts';
import { PlanRequest } from './rerun-plans.ts';

export const ReportCorrection = z.strictObject({
  /** The table as the catalogue or the programs name it: `ods.prepay`. */
  table: text(300).min(1),
  /** The platform of the table. Needed when several platforms have a table of that name. */
  platform: GivenId.optional(),
  /** The period whose rows were corrected: 2026-10 is a month, 2026-10-31 a day, 2026103108 an hour. */
  period: text(20),
  reason: text(2_000).trim().min(1),
});

/**
 * What a correction means. `redo`: flows have used the old rows. `not_read`: no flow of the period reads the table. `period_not_run`: no run of the
 * period was opened. `not_used`: its readers began after the correction, or have not begun. `left_out`: only runs that stay as they
 * are have used the old rows.
 */
export const CORRECTION_OUTCOMES = ['redo', 'not_read', 'period_not_run', 'not_used', 'left_out'] as const;

const RedoneFlow = z.object({
  flow: z.string(),
  names: BothNames,
  state: StateName,
  /** Whether it is a key flow. */
  key: z.boolean(),
  /** Whether it reads the corrected table itself; the others have used what such flows wrote. */
  reader: z.boolean(),
});

export const Correction = z.object({
  id: z.string(),
  table: z.string(),
  platform: z.string().nullable(),
  period: z.string(),
  reason: z.string(),
  actor: z.string(),
  at: Instant,
});
export type Correction = Infer<typeof Correction>;

/** A correction with what has to be redone because of it, by the state of the runs now. */
export const CorrectionAnswer = z.object({
  ...Correction.shape,
  outcome: z.enum(CORRECTION_OUTCOMES),
  runs: z.array(
    z.object({
      run: z.string(),
      /** Flows that have used the old rows, directly or through other flows; upstream first. */
      redo: z.array(RedoneFlow),
      /** Flows that have not begun and read what is redone. */
      waiting: z.array(z.string()),
      /** Flows below these that have ended and stay as they are: they are ordered after them and read none of their tables. */
      spared: z.array(z.string()),
    }),
  ),
  /** Runs that have used the old rows, or may have, and stay as they are. */
  leftOut: z.array(
    z.object({
      run: z.string(),
      code: z.enum(['rehearsal', 'run_closed', 'run_frozen', 'run_archived']),
      /** What mends it; null: nothing has to. */
      command: z.string().nullable(),
    }),
  ),
  /** Flows that read the table and write it for the period: redoing them would overwrite the correction. */
  writers: z.array(z.string()),
  /** Flows of whose programs not everything could be read: they may read the table, too. */
  mayRead: z.array(z.string()),
});
export type CorrectionAnswer = Infer<typeof CorrectionAnswer>;

export const CorrectionParams = z.object({ correction: GivenId });
/** How the flows are redone: as for a plan that somebody makes of named flows. */
export const CorrectionPlanRequest = z.strictObject({
  running: PlanRequest.shape.running,
  keepWaives: PlanRequest.shape.keepWaives,
});
export const CorrectionsQuery = z.strictObject({
  ...PageQuery,
  table: text(300).min(1).optional(),
  period: text(20).optional(),
});
export const CorrectionPage = pageOf(Correction);
export type CorrectionPage = Infer<typeof CorrectionPage>;
