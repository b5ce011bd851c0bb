/** Translates the ending that an agent reports into the row of the record. */

import type { AttemptResult } from '../../contract/agent.ts';
import type { AttemptEnd } from '../../store/agents/attempts.ts';

/** The contract has already made the texts of the result storable (`spokenText`). */
export function endOf({ epoch, run, ending, logBytes, encoding, agentMs }: AttemptResult): AttemptEnd {
  const message = 'message' in ending ? (ending.message ?? null) : null;
  const said = { message, logBytes, encoding, agentMs };
  const base = { ...said, epoch, run, failure: null, exitCode: null, rows: null };
  switch (ending.outcome) {
    case 'succeeded':
      return {
        ...base,
        outcome: 'succeeded',
        rows: ending.rows ?? null,
        effect: true,
        over: ending.over,
      };
    case 'false':
      return { ...base, outcome: 'false', effect: false };
    case 'cancelled':
      // null: it cannot be known whether there was an effect, so it counts as one (protocol C7).
      return { ...base, outcome: 'cancelled', effect: ending.effect !== false, heldBy: ending.heldBy };
    case 'failed':
      return {
        ...base,
        outcome: 'failed',
        failure: ending.kind,
        exitCode: ending.exitCode ?? null,
        effect: false,
      };
    case 'lost':
      return { ...base, outcome: 'lost', effect: true };
    default:
      return ending satisfies never;
  }
}
