/** When flows should be done: at their reference time, configured or learned, or at their deadline when they have none. */

import type { Flow } from '../../../graph/model.ts';
import type { FlowStateRow } from '../../../store/history/flows.ts';
import { referenceTimes } from '../../../store/history/reference-times.ts';
import { isOpen, type ScopedFlow, type ScopedRun } from '../scope.ts';

/** The instant at which a flow of the run should be done; null: it has neither a reference time nor a deadline. */
export function dueTimes(run: ScopedRun): (flow: Flow, row: Pick<FlowStateRow, 'deadline'>) => number | null {
  const times = referenceTimes(run, run.usual);
  return (flow, { deadline }) => times(run.index.get(flow.id)!, deadline)?.at ?? null;
}

interface Due {
  readonly expectedAt: number | null;
  /** Time since `expectedAt`, ms; 0: it has not come yet, or there is none. */
  readonly lateMs: number;
}

export type LateFlow = ScopedFlow & Due;

/** The open flows among these, each with the instant at which it should be done. */
export function openFlows<T extends ScopedFlow>(flows: readonly T[]): (T & Due)[] {
  const due = new Map<ScopedRun, ReturnType<typeof dueTimes>>();
  return flows.flatMap((flow): (T & Due)[] => {
    if (!isOpen(flow.row)) return [];
    const dueOf = due.get(flow.run) ?? dueTimes(flow.run);
    due.set(flow.run, dueOf);
    const expectedAt = dueOf(flow.flow, flow.row);
    return [
      { ...flow, expectedAt, lateMs: expectedAt === null ? 0 : Math.max(0, flow.run.now - expectedAt) },
    ];
  });
}
