/** What flows touch: everything below them, in whichever cycle. */
import { z } from 'zod';
import type { Infer } from './fields.ts';

export const Impact = z.object({
  /** Flows below, without the flows themselves. */
  flows: z.int(),
  /** Key flows 重点保障 among them and below, nearest first; the nearest with the shortest way to each. */
  keys: z.int(),
  keyFlows: z.array(z.object({ flow: z.string(), way: z.array(z.string()) })),
  procedures: z.array(z.object({ procedure: z.string(), owner: z.string().nullable(), flows: z.int() })),
  owners: z.array(z.object({ owner: z.string(), flows: z.int() })),
  groups: z.array(z.object({ group: z.string(), flows: z.int() })),
  /** As written in the catalogue: "+1 month, day 1, 23:59". */
  deadlines: z.array(z.object({ flow: z.string(), deadline: z.string() })),
});
export type Impact = Infer<typeof Impact>;
