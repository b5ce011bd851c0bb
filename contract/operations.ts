/** What people ask of a run, and what came of it (protocol B). */
import { z } from 'zod';
import { GivenId, type Infer, Instant, PageQuery, pageOf, StateName, text } from './fields.ts';

const Reason = text(2_000).default('');

const asked = {
  /** Why it is done. Most verbs need it (`GET /verbs`). */
  reason: Reason,
  /** What shows that it is right: a ticket, a query, a mail. force-pass needs it. */
  evidence: text(4_000).optional(),
  /** Do what is possible. Default: all or nothing (protocol B3). */
  partial: z.boolean().default(false),
  /** Answer what would happen now, and change nothing. */
  dryRun: z.boolean().default(false),
};

export const FlowRequest = z.strictObject({
  flows: z.array(GivenId).min(1).max(20_000),
  ...asked,
  /** force-pass: also what is sent or running. */
  supersede: z.boolean().default(false),
  /** cancel: give the attempt up although processes of its program cannot be ended. */
  forceEnd: z.boolean().default(false),
  /** resolve: whether it ran. */
  ran: z.boolean().optional(),
  /** force-pass: flows of other runs; it is applied in all runs or in none. On the command line: `--also-run`. */
  otherRuns: z
    .array(z.strictObject({ run: GivenId, flows: z.array(GivenId).min(1).max(20_000) }))
    .max(100)
    .default([]),
});
export type FlowRequest = Infer<typeof FlowRequest>;

export const EdgeRequest = z.strictObject({
  edges: z
    .array(
      z.strictObject({
        from: GivenId,
        to: GivenId,
        /** The other run to which `from` belongs, or its period; needed when `to` waits for `from` in several runs and one edge is meant. */
        run: GivenId.optional(),
        period: text(20).optional(),
      }),
    )
    .min(1)
    .max(20_000),
  ...asked,
});
export type EdgeRequest = Infer<typeof EdgeRequest>;

export const RunRequest = z.strictObject({ reason: Reason, dryRun: z.boolean().default(false) });
export type RunRequest = Infer<typeof RunRequest>;

/** Optional key under which a repeated request has one effect and one answer; unique per actor, kept 30 days. */
export const KeyHeader = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]{1,200}$/, '1 to 200 visible ASCII characters')
    .optional(),
});

export const FlowOutcome = z.object({
  /** A flow, or `from -> to` for an edge. */
  flow: z.string(),
  /** null: done. */
  code: z.string().nullable(),
  /** The state of the flow when the operation was decided. */
  state: StateName.nullable(),
  detail: z.string().optional(),
});

export const Outcome = z.object({
  code: z.string().nullable(),
  detail: z.string().nullable(),
  flows: z.array(FlowOutcome),
});

export const Operation = z.object({
  id: z.string(),
  run: z.string(),
  verb: z.string(),
  actor: z.string(),
  state: z.enum(['requested', 'approval_required', 'applied', 'refused']),
  request: z.object({
    flows: z.array(z.string()),
    edges: z.array(z.object({ from: z.string(), to: z.string(), run: z.string().optional() })),
    reason: z.string(),
    evidence: z.string().nullable(),
    partial: z.boolean(),
    supersede: z.boolean(),
    forceEnd: z.boolean(),
    ran: z.boolean().nullable(),
    plan: z.string().nullable(),
  }),
  outcome: Outcome.nullable(),
  requestedAt: Instant,
  approvedBy: z.string().nullable(),
  approvedAt: Instant.nullable(),
  decidedAt: Instant.nullable(),
  /** For a request to several runs: the operation that was answered, by which a second person decides for all runs at once. */
  together: z.string().nullable(),
});
export type Operation = Infer<typeof Operation>;

export const KeyParams = z.object({
  key: z.string().regex(/^[\x21-\x7e]{1,200}$/, '1 to 200 visible ASCII characters'),
});

/** What was made under an idempotency key, or the operation with this id. All null: nothing reached the record, so the request may be repeated. */
export const Keyed = z.object({
  key: z.string(),
  operation: Operation.nullable(),
  /** Id of the backfill, of the event; null: none. */
  backfill: z.string().nullable(),
  event: z.string().nullable(),
});
export type Keyed = Infer<typeof Keyed>;

/** What an operation would do: the answer to `dryRun`. */
export const OperationPreview = z.object({
  dryRun: z.literal(true),
  run: z.string(),
  verb: z.string(),
  state: z.enum(['approval_required', 'applied', 'refused']),
  outcome: Outcome,
  /** Other flows whose turn would come at once because of it. */
  freed: z.array(z.string()),
});
export type OperationPreview = Infer<typeof OperationPreview>;

export const OperationParams = z.object({ operation: GivenId });
export const Judgement = z.strictObject({ reason: Reason });

export const OperationsQuery = z.strictObject({
  ...PageQuery,
  run: GivenId.optional(),
  state: z.enum(['requested', 'approval_required', 'applied', 'refused']).optional(),
});
export const OperationPage = pageOf(Operation);
