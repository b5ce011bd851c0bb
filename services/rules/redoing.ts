/** What rules do about newer data (protocol F2, `on: redone` and `on: corrected`): one plan for all that has gathered. */
import type { Plan } from '../../contract/rerun-plans.ts';
import type { Rule } from '../../graph/model.ts';
import { planAt } from '../../graph/rules/judge.ts';
import type { ActRow } from '../../store/rules/acts.ts';
import { readCorrection } from '../../store/rules/corrections.ts';
import type { ServiceDeps } from '../deps.ts';
import { planOfMembers } from '../rerun/rerun-plan.ts';
import { idsOf, type Look } from './look.ts';
import { readRoot } from './root.ts';
import { readersFor, ruleActor } from './rule-plan.ts';
import { membersOf, type NewerData, type NewerFlow, type Redo, whatToRedo } from './to-redo.ts';

/** Acts together once they have settled; before, it is noted what will be redone and when. */
export async function redoSettled(look: Look, rule: Rule, acts: readonly ActRow[]): Promise<void> {
  const due = planAt(rule, acts);
  if (due <= look.now) await redo(look, rule, acts);
  else if (acts.some(({ code }) => code === null)) await announce(look, rule, acts, due);
}

/** So that `why` of these flows says it (protocol F2). A rule that only reports announces nothing. */
async function announce(look: Look, rule: Rule, acts: readonly ActRow[], due: number): Promise<void> {
  if (!(await look.isEnabled(rule))) return;
  const { parts } = await whatToRedo(look.deps, await newerOf(look.deps, rule, acts), rule.scope);
  const redone = parts.flatMap(({ context, redo: found }) =>
    found.redone.map((v) => ({ run: context.run.id, flow: context.graph.ids[v]! })),
  );
  await look.move(idsOf(acts), { state: 'gathering', code: 'settling', dueAt: due }, redone);
}

/** Plans for all acts together, judges the plan, and does what was judged. */
export async function redo(look: Look, rule: Rule, acts: readonly ActRow[]): Promise<void> {
  const found = await whatToRedo(look.deps, await newerOf(look.deps, rule, acts), rule.scope);
  const plan = await planOf(look.deps, rule, acts, found);
  await look.carryOut(rule, acts, { plan, left: found.left });
}

async function newerOf(deps: ServiceDeps, rule: Rule, acts: readonly ActRow[]): Promise<NewerData> {
  const results: NewerFlow[] = [];
  const corrected: NewerFlow[] = [];
  for (const act of acts) {
    const { kind, run, flow, correction, at } = act;
    if (kind === 'redone') {
      results.push({ run: run!, flow: flow!, at: readRoot(act).isLate ? at : null });
      continue;
    }
    const row = await readCorrection(deps.pool, correction!);
    corrected.push(...(await readersFor(deps, rule, row)).corrected);
  }
  for (const run of new Set(acts.flatMap((act) => readRoot(act).left ?? [])))
    results.push(...(await inputsOf(deps, run)));
  return { results, corrected };
}

/** Flows of other runs that a run waits for: they may have been redone while it was left out. */
async function inputsOf(deps: ServiceDeps, run: string): Promise<NewerFlow[]> {
  const { subscriptions } = await deps.contextOf(run);
  const flows = new Map(subscriptions.list.map((item) => [`${item.run} ${item.from}`, item]));
  return [...flows.values()].map((item) => ({ run: item.run, flow: item.from, at: null }));
}

async function planOf(
  deps: ServiceDeps,
  rule: Rule,
  acts: readonly ActRow[],
  found: Redo,
): Promise<Plan | null> {
  const members = membersOf(found);
  if (members === null) return null;
  const correction = acts.length === 1 ? acts[0]!.correction : null;
  const how = { scope: rule.scope, running: 'wait' as const, keepWaives: false, correction };
  return planOfMembers(deps, ruleActor(rule), { ...members, how, yields: true });
}
