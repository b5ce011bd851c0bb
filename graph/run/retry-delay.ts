/** How long a flow waits between two attempts of one generation (protocol C4, D9). Pure. */
import type { FlowAttrs } from '../compiled/compact.ts';
import type { AttemptOutcome } from './run-facts.ts';

/**
 * Time in ms from the end of an attempt to the earliest start of the next one: the back-off after a failure, the interval of a check whose
 * answer was no, the time in which an orphaned program must have ended. 0: the next attempt may start at once, or there is none.
 * `graceMs` is the grace of the run's state.
 */
export function retryDelayMs(outcome: AttemptOutcome | null, attrs: FlowAttrs, graceMs: number): number {
  switch (outcome) {
    case 'failed':
    case 'cancelled':
      return attrs.retries.backoffMs;
    case 'false':
      // Only a check may answer no; for any other flow it is a failure.
      return attrs.kind === 'check' ? attrs.everyMs : attrs.retries.backoffMs;
    case 'lost':
      return attrs.fenced ? 0 : attrs.orphanMs + graceMs;
    case 'requeued':
    case 'succeeded':
    case null:
      return 0;
    default:
      return outcome satisfies never;
  }
}
