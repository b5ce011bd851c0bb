/** The table of verbs (protocol E1) as `GET /verbs` answers it. */
import { z } from 'zod';
import { StateName } from './fields.ts';

export const Verb = z.object({
  verb: z.string(),
  zh: z.string(),
  target: z.enum(['flow', 'edge', 'run', 'plan']),
  allowedIn: z.array(StateName),
  withSupersede: z.array(StateName),
  needsReason: z.boolean(),
  needsEvidence: z.boolean(),
  onlyPerson: z.boolean(),
  downstream: z.string(),
  atNewGeneration: z.string(),
});
export const VerbList = z.object({ items: z.array(Verb) });
