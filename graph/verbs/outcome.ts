/** The outcome of an operation as an effect of its group (protocol B2), for graph/verbs/operate.ts and graph/verbs/rerun.ts. */
import type { Effect, FlowOutcome, OperationEntry, OperationOutcome } from '../run/decisions.ts';
import type { Machine } from '../run/machine.ts';

/** Notes the outcome of an operation as an effect of the open group. */
export function answer(
  m: Machine,
  entry: OperationEntry,
  state: Extract<Effect, { t: 'outcome' }>['state'],
  outcome: OperationOutcome,
): void {
  m.effect({ t: 'outcome', operation: entry.operation, state, outcome });
}

/**
 * Refuses the whole operation. `flows`: the outcome for each flow or edge that the operation names, null as its code where the verb would be
 * allowed; a rerun lists only the members that are in its way. Empty: nothing about a single flow is the reason.
 */
export function refuse(
  m: Machine,
  entry: OperationEntry,
  { code, detail }: { readonly code: string; readonly detail: string | null },
  flows: readonly FlowOutcome[] = [],
): void {
  answer(m, entry, 'refused', { flows, code, detail });
}

/** Answers that the operation needs one of the roles, or the approval of a second person (protocol B4). */
export function askApproval(
  m: Machine,
  entry: OperationEntry,
  roles: string[],
  flows: readonly FlowOutcome[],
): void {
  answer(m, entry, 'approval_required', {
    flows,
    code: 'approval_required',
    detail: `needs the role ${roles.join(', ')} or a second person`,
  });
}
