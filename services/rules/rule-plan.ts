/** The plan of a rule: its members, and what is judged about it (protocol F2, F3). */
import type { Plan } from '../../contract/rerun-plans.ts';
import { parseRunId } from '../../graph/calendar/calendar.ts';
import type { Flow, Rule } from '../../graph/model.ts';
import type { FoundPlan } from '../../graph/rules/judge.ts';
import { isWhere } from '../../graph/rules/rule-check.ts';
import type { Actor } from '../../store/operations/actors.ts';
import type { FoundMembers } from '../rerun/rerun-plan.ts';
import type { Redo } from './to-redo.ts';

/** Under this name rules stand in the audit. They may do what an operator without limits may, no more. */
export const ruleActor = ({ id }: Pick<Rule, 'id'>): Actor => ({
  name: `rule:${id}`,
  kind: 'service',
  roles: ['operator'],
  scope: { procedures: [], flows: [], platforms: [] },
});

/** Members of the plan that redoes everything, each flow once; null: nothing is to be redone. */
export function membersOf(redo: Redo): Pick<FoundMembers, 'parts' | 'left' | 'roots'> | null {
  const parts = redo.parts.filter((part) => part.redo.redone.length > 0);
  if (parts.length === 0) return null;
  return {
    parts: parts.map(({ context, times, redo: { redone, waiting } }) => ({
      context,
      state: times.state,
      members: [...redone, ...waiting].sort((a, b) => a - b),
    })),
    left: redo.left,
    roots: parts[0]!.redo.redone,
  };
}

const NOTHING: Omit<FoundPlan, 'left'> = { redone: [], estimateMs: 0, asks: 0, undecided: 0 };

export function foundIn(plan: Plan | null, left: number): FoundPlan {
  if (plan === null) return { ...NOTHING, left };
  const all = [{ run: plan.run, members: plan.members, undecided: plan.undecided }, ...plan.otherRuns];
  const redone = all.flatMap(({ run, members }) =>
    members.filter((member) => member.redone).map(({ flow, key }) => ({ run, flow, key })),
  );
  const again = new Set(redone.map(({ run, flow }) => `${run} ${flow}`));
  return {
    redone,
    estimateMs: plan.estimate.ms,
    asks: plan.estimate.persons.filter(({ run, flow }) => again.has(`${run} ${flow}`)).length,
    undecided: all.reduce((sum, { undecided }) => sum + undecided.length, 0),
    left,
  };
}

/** Whether a rule looks at a flow of a run. */
export function looksAt({ where }: Rule, run: string, flow: Flow): boolean {
  const purpose = parseRunId(run)?.purpose ?? 'scheduled';
  return (where.purposes as readonly string[]).includes(purpose) && isWhere(where, flow);
}
