/** What a rule looks at, and what is judged about its plan (protocol F2, F3). */
import type { Plan } from '../../contract/rerun-plans.ts';
import { parseRunId } from '../../graph/calendar/calendar.ts';
import { tableKey } from '../../graph/impact/lineage.ts';
import type { Flow, Rule } from '../../graph/model.ts';
import { type FoundPlan, keyName } from '../../graph/rules/judge.ts';
import { isWhere } from '../../graph/rules/rule-check.ts';
import { failedCause } from '../../graph/why/causes.ts';
import type { Actor } from '../../store/operations/actors.ts';
import type { CorrectionRow } from '../../store/rules/corrections.ts';
import type { ServiceDeps } from '../deps.ts';
import type { LeftOut } from '../rerun/rerun-across.ts';
import { type UsersOfTable, usersOf } from './corrections.ts';
import type { NewerFlow } from './to-redo.ts';

/** Under this name rules stand in the audit. They may do what an operator without limits may, no more. */
export const ruleActor = ({ id }: Pick<Rule, 'id'>): Actor => ({
  name: `rule:${id}`,
  kind: 'service',
  roles: ['operator'],
  scope: { procedures: [], flows: [], platforms: [] },
});

const NOTHING: Omit<FoundPlan, 'left'> = { redone: [], estimateMs: 0, asks: 0, undecided: 0 };

export function foundIn(plan: Plan | null, left: number): FoundPlan {
  if (plan === null) return { ...NOTHING, left };
  const all = [{ run: plan.run, members: plan.members, undecided: plan.undecided }, ...plan.otherRuns];
  const redone = all.flatMap(({ run, members }) =>
    members.filter((member) => member.redone).map(({ flow, key }) => ({ run, flow, key })),
  );
  const again = new Set(redone.map(keyName));
  return {
    redone,
    estimateMs: plan.estimate.ms,
    asks: plan.estimate.persons.filter(({ run, flow }) => again.has(keyName({ run, flow }))).length,
    undecided: all.reduce((sum, { undecided }) => sum + undecided.length, 0),
    left,
  };
}

/** What an act says of its plan. */
export interface PlanFigures {
  readonly runs: readonly { readonly run: string; readonly redone: number }[];
  readonly members: number;
  readonly minutes: number;
  /** `RUN FLOW`. */
  readonly keyFlows: readonly string[];
  readonly leftOut: readonly LeftOut[];
}

export function figuresOf({ redone, estimateMs }: FoundPlan, leftOut: readonly LeftOut[]): PlanFigures {
  const byRun = Map.groupBy(redone, ({ run }) => run);
  return {
    runs: [...byRun].map(([run, list]) => ({ run, redone: list.length })),
    members: redone.length,
    minutes: Math.ceil(estimateMs / 60_000),
    keyFlows: redone.filter(({ key }) => key).map(keyName),
    leftOut,
  };
}

/** Whether a rule looks at a flow of a run. */
export function looksAt({ where }: Rule, run: string, flow: Flow): boolean {
  const purpose = parseRunId(run)?.purpose ?? 'scheduled';
  return (where.purposes as readonly string[]).includes(purpose) && isWhere(where, flow);
}

/** Whether a rule with `on: cause` looks at a flow that failed like this. */
export function looksAtFailure({ causes, failures }: Rule, { kind }: Flow, failure: string): boolean {
  const isKind = failures === undefined || failures.length === 0 || failures.some((one) => one === failure);
  return isKind && causes?.includes(failedCause(kind)) === true;
}

/** Who uses the corrected table, and those of its readers at which the rule looks. */
export async function readersFor(
  deps: ServiceDeps,
  rule: Rule,
  row: CorrectionRow,
): Promise<{ users: UsersOfTable; corrected: NewerFlow[] }> {
  const users = await usersOf(deps, tableKey(row.platform, row.table), row.period);
  const corrected = users.readers
    .filter(({ run, flow }) => looksAt(rule, run, users.flows.get(flow)!))
    .map((reader) => ({ ...reader, at: row.at }));
  return { users, corrected };
}
