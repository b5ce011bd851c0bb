/**
 * Rules that act: what a maintainer writes below `rules:` (protocol F1). A rule says what has to happen in the estate (`on`), for which flows
 * (`where`), what is done then (`do`), and how much of it at most (`limits`). Whether a rule acts or only reports is no part of the catalogue.
 */
import { z } from 'zod';
import { Purpose } from './cycle.ts';
import { Id, Ms, Names } from './model-fields.ts';

/** Local clock times, the end not included: `00:00-08:00`; `22:00-06:00` goes over midnight. */
const Window = z
  .string()
  .regex(
    /^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$/,
    'a window is written like "00:00-08:00" or "22:00-06:00"',
  );

const names = z.array(Id).default([]);

/** Which flows a rule looks at: all that fit every list that is not empty. */
const Where = z.strictObject({
  flows: names,
  procedures: names,
  groups: names,
  layers: names,
  platforms: names,
  /** Purposes of runs. Rehearsals are never redone by a rule. */
  purposes: z.array(Purpose.exclude(['rehearsal'])).default(['scheduled', 'backfill']),
});

/** How much a rule may do. What goes beyond a limit becomes a request to a person. */
const Limits = z.strictObject({
  /** How often a rule redoes one flow of one run within a day (24 hours). Default 2: a third time is for a person to look at. */
  perFlowAndDay: z.int().min(1).max(100).default(2),
  /** How often it acts in one run within a day. Default 10. */
  perRunAndDay: z.int().min(1).max(1_000).default(10),
  /** Maximum number of flows that one plan redoes, over all runs. Default 500, about the flows of a month start with its day flows. */
  members: z.int().min(1).max(100_000).default(500),
  /** Maximum length of a plan by its estimate, minutes. Default 480: a night. */
  minutes: z
    .int()
    .min(1)
    .max(45 * 1_440)
    .default(480),
  /** When it acts, in the zone of the catalogue's first calendar; outside it waits. Default: always. */
  window: Window.optional(),
  /** Rest in ms after it has redone something in a run before it acts there again. Default 10 minutes. */
  coolDownMs: Ms.default(600_000),
});

/** Causes that a rerun of the flow alone may remove: it has failed for good. */
const FAILED = ['upstream_failed', 'interface_failed', 'distribution_failed'] as const;
const Cause = z.enum(FAILED, { error: `a rerun removes only the causes ${FAILED.join(', ')}` });

export const Rule = z.strictObject({
  id: Id,
  names: Names,
  /**
   * `redone`: a flow got a newer result than its dependants have used. `corrected`: rows of a table were corrected outside of all flows
   * (protocol E5). `cause`: a flow has had one of `causes` for `settleMs`.
   */
  on: z.enum(['redone', 'corrected', 'cause']),
  /** With `on: cause`: codes of `why`. */
  causes: z.array(Cause).optional(),
  /** With `on: cause`: only after a last failure of these kinds. Default: any. */
  failures: z.array(z.enum(['program', 'infrastructure', 'timeout', 'lost'])).optional(),
  /** With `on: redone` the flows that were redone, with `on: corrected` those that read the table, with `on: cause` those that failed. */
  where: Where.prefault({}),
  /** `rerun`: what has used older data. `retry`: the flow that failed, alone; only this goes with `on: cause`. */
  do: z.enum(['rerun', 'retry']).default('rerun'),
  /** `stale`: what has used older data (protocol E6). `downstream`: everything below that started before, whatever data it reads. */
  scope: z.enum(['stale', 'downstream']).default('stale'),
  limits: Limits.prefault({}),
  /** Who is asked before it acts: somebody with the role `key` when key flows are among the members (`key`), always, or nobody (`never`). */
  approval: z.enum(['key', 'always', 'never']).default('key'),
  /**
   * Corrections and results are gathered until none has come for this time, ms; then one plan is made of them. With `on: cause`: how long the flow
   * must have failed. Default 5 minutes.
   */
  settleMs: Ms.default(300_000),
});
export type Rule = z.infer<typeof Rule>;
