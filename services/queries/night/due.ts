/** Which flows should be done by now: past their reference time, configured or learned, or their deadline where there is none. */

import type { Flow } from '../../../graph/model.ts';
import type { FlowStateRow } from '../../../store/history/flows.ts';
import { referenceTimes } from '../../../store/history/reference-times.ts';
import { isOpen, type ScopedFlow, type ScopedRun } from '../scope.ts';

/** When a flow of the run should be done, ms; null: nothing says it. */
export function dueTimes(run: ScopedRun): (flow: Flow, row: Pick<FlowStateRow, 'deadline'>) => number | null {
  const times = referenceTimes(run, run.usual);
  return (flow, { deadline }) => times(run.index.get(flow.id)!, deadline)?.at ?? null;
}

export interface LateFlow extends ScopedFlow {
  readonly expectedAt: number | null;
  /** How long past it, ms; 0: not yet, or nothing says when. */
  readonly lateMs: number;
}

/** Those that are open, each with when it should have been done. */
export function openFlows(flows: readonly ScopedFlow[]): LateFlow[] {
  const due = new Map<ScopedRun, ReturnType<typeof dueTimes>>();
  return flows.flatMap((flow): LateFlow[] => {
    if (!isOpen(flow.row)) return [];
    const dueOf = due.get(flow.run) ?? dueTimes(flow.run);
    due.set(flow.run, dueOf);
    const expectedAt = dueOf(flow.flow, flow.row);
    return [
      { ...flow, expectedAt, lateMs: expectedAt === null ? 0 : Math.max(0, flow.run.now - expectedAt) },
    ];
  });
}
