/** Fields that many definitions of the catalogue have. */
import { z } from 'zod';

/** Ids of flows, pools, procedures ...: what an operator types and an URL carries unescaped. */
export const Id = z
  .string()
  .regex(
    /^[A-Za-z][A-Za-z0-9_.-]{0,119}$/,
    'an id starts with a letter, then letters, digits, _ . -, at most 120',
  );

/** A length of time in milliseconds, at most 45 days: the longest that a run is kept awake. */
export const Ms = z
  .int()
  .min(0)
  .max(45 * 24 * 3_600_000);

export const Names = z.strictObject({ en: z.string().min(1), zh: z.string().min(1) });
