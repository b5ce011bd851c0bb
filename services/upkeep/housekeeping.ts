/**
 * Deletes what is kept for a limited time: answers to agents' calls (protocol C1), keys of operations (protocol B1), what was decided in
 * slots of schedules, and what rules did more than a year ago. Every API does it; several at once change nothing more than one.
 */
import type pg from 'pg';
import { purgeAnswers } from '../../store/agents/agent-calls.ts';
import { freeOldKeys } from '../../store/operations/operations.ts';
import { purgeActs } from '../../store/rules/acts.ts';
import { purgeSlots } from '../../store/schedules/schedules.ts';
import { repeat } from '../../store/schema/repeat.ts';

/** Rest before each pass, ms: a minute. Answers are kept for ten, so the table of answers holds at most a tenth too much. */
const EVERY_MS = 60_000;

/** Runs until the returned function is called; that function waits for the pass under way. */
export function startHousekeeping(
  pool: pg.Pool,
  warn: (facts: object, message: string) => void,
  everyMs = EVERY_MS,
): () => Promise<void> {
  return repeat(
    async () => {
      try {
        await Promise.all([purgeAnswers(pool), freeOldKeys(pool), purgeSlots(pool), purgeActs(pool)]);
      } catch (error) {
        warn({ error }, 'could not purge old answers, keys, decisions of schedules and acts of rules');
      }
    },
    everyMs,
    everyMs,
  );
}
