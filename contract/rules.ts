/** Rules that act: their definitions, whether they may act, and what they did. */
import { z } from 'zod';
import { Rule as Definition } from '../graph/model.ts';
import { BothNames, GivenId, type Infer, Instant, listOf, PageQuery, pageOf, text } from './fields.ts';

export const ACT_STATES = [
  'gathering',
  'merged',
  'reported',
  'requested',
  'applied',
  'covered',
  'refused',
  'withdrawn',
] as const;

export const Rule = z.object({
  id: z.string(),
  names: BothNames,
  /** As the newest catalogue version has it. */
  definition: Definition,
  version: z.int(),
  /** `reports`: nobody has enabled it, or it was changed since. `acts`: it does what it finds. */
  mode: z.enum(['reports', 'acts']),
  /** Who enabled it, for this definition or an earlier one; null: nobody. */
  enabledBy: z.string().nullable(),
  enabledAt: Instant.nullable(),
  /** Numbers of its acts by state. */
  acts: z.partialRecord(z.enum(ACT_STATES), z.int()),
});
export type Rule = Infer<typeof Rule>;

export const RuleList = z.object({
  /** Who stopped all rules, and why; null: they are not paused. */
  paused: z.object({ by: z.string(), reason: z.string(), since: Instant }).nullable(),
  items: z.array(Rule),
});
export type RuleList = Infer<typeof RuleList>;

export const RuleParams = z.object({ rule: GivenId });
export const RuleChange = z.strictObject({ reason: text(2_000).trim().min(1) });

/** What a rule does about one thing that happened. */
export const RuleAct = z.object({
  id: z.string(),
  rule: z.string(),
  kind: z.enum(['redone', 'corrected', 'failed']),
  /** The flow that has a newer result or has failed, or the correction. */
  run: z.string().nullable(),
  flow: z.string().nullable(),
  correction: z.string().nullable(),
  at: Instant,
  depth: z.int(),
  /**
   * `gathering`: more may come, or it waits for a time. `requested`: a person has to approve it. `applied`: its plan was applied. `covered`: nothing
   * has used older data, or the flow has not failed any more. `merged`: the plan of `lead` does its part, too.
   */
  state: z.enum(ACT_STATES),
  lead: z.string().nullable(),
  /** Why it is in this state, as a code and as words. */
  code: z.string().nullable(),
  text: BothNames.nullable(),
  dueAt: Instant.nullable(),
  runs: z.array(z.object({ run: z.string(), redone: z.int() })),
  members: z.int(),
  minutes: z.int(),
  keyFlows: z.array(z.string()),
  leftOut: z.array(z.object({ run: z.string(), code: z.string() })),
  plan: z.object({ run: z.string(), id: z.string() }).nullable(),
  operation: z.string().nullable(),
  approvedBy: z.string().nullable(),
  decidedAt: Instant.nullable(),
});
export type RuleAct = Infer<typeof RuleAct>;

export const RuleActParams = z.object({ act: GivenId });
export const RuleActsQuery = z.strictObject({
  ...PageQuery,
  rule: GivenId.optional(),
  /** Only these states, separated by commas. */
  state: listOf(z.enum(ACT_STATES)).optional(),
});
export const RuleActPage = pageOf(RuleAct);
export type RuleActPage = Infer<typeof RuleActPage>;

export const RuleTryQuery = z.strictObject({ days: z.coerce.number().int().min(1).max(90).default(30) });

/** What a rule would have done, had it been enabled: from the recorded past. */
export const RuleTry = z.object({
  rule: z.string(),
  since: Instant,
  now: Instant,
  items: z.array(
    z.object({
      /** When it would have acted. */
      at: Instant,
      /** Corrections, or `RUN FLOW GENERATION`. */
      roots: z.array(z.string()),
      state: z.enum(['applied', 'requested', 'covered', 'reported', 'gathering']),
      code: z.string().nullable(),
      runs: z.array(z.object({ run: z.string(), redone: z.int() })),
      members: z.int(),
      minutes: z.int(),
      keyFlows: z.array(z.string()),
      leftOut: z.array(z.object({ run: z.string(), code: z.string() })),
    }),
  ),
  /** Runs that have left the record, so that it cannot be said what would have been redone there. */
  archived: z.array(z.string()),
});
export type RuleTry = Infer<typeof RuleTry>;
