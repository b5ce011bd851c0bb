/** Audit and notices as they are listed. */
import { z } from 'zod';
import { GivenId, Instant, PageQuery, pageOf, text } from './fields.ts';

export const AuditEntry = z.object({
  id: z.int(),
  at: Instant,
  actor: z.string(),
  verb: z.string(),
  run: z.string().nullable(),
  operation: z.string().nullable(),
  /** Flows, or `from -> to` of edges. */
  targets: z.array(z.string()),
  reason: z.string(),
  /** `rejected`: turned away before it became an operation. */
  outcome: z.enum(['applied', 'refused', 'approval_required', 'rejected']),
  code: z.string().nullable(),
  detail: z.unknown(),
});
export const AuditQuery = z.strictObject({
  ...PageQuery,
  run: GivenId.optional(),
  actor: GivenId.optional(),
  verb: text(40).optional(),
  outcome: z.enum(['applied', 'refused', 'approval_required', 'rejected']).optional(),
  target: text(300).optional(),
  operation: GivenId.optional(),
});
export const AuditPage = pageOf(AuditEntry);

export const Notice = z.object({
  id: z.int(),
  run: z.string().nullable(),
  flow: z.string().nullable(),
  kind: z.string(),
  recipient: z.string(),
  en: z.string(),
  zh: z.string(),
  at: Instant,
  /** null: not sent. Nothing sends notices yet. */
  sentAt: Instant.nullable(),
  /** True for a rehearsal: the notice is kept here and sent to nobody. */
  recordedOnly: z.boolean(),
});
export const NoticesQuery = z.strictObject({
  ...PageQuery,
  run: GivenId.optional(),
  flow: GivenId.optional(),
  kind: text(40).optional(),
  recipient: GivenId.optional(),
});
export const NoticePage = pageOf(Notice);

/** What the database has refused for its content, in open runs (protocol A5). The decisions stand; a text was replaced, or an attempt has failed. */
export const NotStorableList = z.object({
  items: z.array(
    z.object({
      run: z.string(),
      flow: z.string().nullable(),
      what: z.enum(['flow', 'override', 'notice', 'audit']),
      at: Instant,
      detail: z.string(),
    }),
  ),
});
