/** The one shape of everything that is not a success: problem+json (RFC 9457) with a code of errors.ts. */
import { z } from 'zod';
import type { Infer } from './fields.ts';

export const Problem = z.object({
  /** `urn:sluice:error:<code>`; docs/errors.md has a heading for each. */
  type: z.string(),
  /** In the language of Accept-Language. */
  title: z.string(),
  status: z.int(),
  /** What is wrong and with which thing, in English. */
  detail: z.string(),
  instance: z.string(),
  code: z.string(),
  /** What to do, in the language of Accept-Language. */
  remedy: z.string(),
  /** Whether the same request may succeed later. */
  retryable: z.boolean(),
  /** Machine-readable particulars. */
  facts: z.record(z.string(), z.unknown()),
  /** Id of the request in the log of the process that answered. */
  traceId: z.string(),
  /** With `invalid_request`: which fields, as JSON pointers into `in`. */
  errors: z.array(z.object({ in: z.string(), pointer: z.string(), detail: z.string() })).optional(),
});
export type Problem = Infer<typeof Problem>;
