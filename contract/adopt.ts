/** A run moves to another catalogue version: what is asked, and what it changes (protocol D8). */
import { z } from 'zod';
import { type Infer, text } from './fields.ts';

export const AdoptRun = z.strictObject({
  /** Default: the newest. */
  version: z.int().min(1).optional(),
  reason: text(2_000).default(''),
  /** Answer what would change, and change nothing. */
  dryRun: z.boolean().default(false),
});

export const Adopted = z.object({
  run: z.string(),
  from: z.int(),
  version: z.int(),
  dryRun: z.boolean(),
  /** What blocks flows in the new version and did not before: the code of the blocker, and the flow and run for which they wait. */
  newBlockers: z.array(
    z.object({
      flow: z.string(),
      code: z.string(),
      from: z.string().nullable(),
      run: z.string().nullable(),
    }),
  ),
  /** Flows that have started and that the version lacks. While there are any, adopting it is refused. */
  started: z.array(z.string()),
  /** Flows that nothing blocks any more. */
  freed: z.array(z.string()),
  added: z.array(z.string()),
  removed: z.array(z.string()),
  /** Waives in force on edges that the version lacks. */
  lapsedWaives: z.array(z.object({ from: z.string(), run: z.string().nullable(), to: z.string() })),
});
export type Adopted = Infer<typeof Adopted>;
