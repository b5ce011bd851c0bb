/** What depends on some flows: everything below them, in all cycles. */
import { z } from 'zod';
import type { Infer } from './fields.ts';

export const Impact = z.object({
  /** Number of flows below, without the flows themselves. */
  flows: z.int(),
  /** Number of key flows among the flows and below them; the nearest of these, each with the shortest way to it. */
  keys: z.int(),
  keyFlows: z.array(z.object({ flow: z.string(), way: z.array(z.string()) })),
  procedures: z.array(z.object({ procedure: z.string(), owner: z.string().nullable(), flows: z.int() })),
  owners: z.array(z.object({ owner: z.string(), flows: z.int() })),
  groups: z.array(z.object({ group: z.string(), flows: z.int() })),
  /** As written in the catalogue: "+1 month, day 1, 23:59". */
  deadlines: z.array(z.object({ flow: z.string(), deadline: z.string() })),
});
export type Impact = Infer<typeof Impact>;
