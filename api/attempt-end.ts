/** An agent's word about the end of an attempt -> the record's. */
import { storable } from '../graph/storable-text.ts';
import type { AttemptEnd } from '../store/attempts.ts';
import type { AttemptResult, FenceRow } from './schemas/agent.ts';

/** What an agent says about an end, as the record keeps it: characters that it cannot store are made visible. */
export function endOf({ epoch, run, ending, logBytes, encoding, agentMs }: AttemptResult): AttemptEnd {
  const message = 'message' in ending && ending.message !== undefined ? storable(ending.message) : null;
  const said = { message, logBytes, encoding, agentMs };
  const base = { ...said, epoch, run, failure: null, exitCode: null, rows: null };
  switch (ending.outcome) {
    case 'succeeded':
      return {
        ...base,
        outcome: 'succeeded',
        rows: ending.rows ?? null,
        effect: true,
        over: rowOf(ending.over),
      };
    case 'false':
      return { ...base, outcome: 'false', effect: false };
    case 'cancelled':
      // null: nobody can tell, so it counts as one (C7).
      return { ...base, outcome: 'cancelled', effect: ending.effect !== false, heldBy: rowOf(ending.heldBy) };
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

/** Somebody may have written the row by hand. */
function rowOf(row: FenceRow | undefined): FenceRow | undefined {
  if (row === undefined) return undefined;
  const { record, run, flow } = row;
  return { ...row, record: storable(record), run: storable(run), flow: storable(flow) };
}
