/** Whether each accepted correction was carried downstream by the rule, once (protocol F2): none is lost, none is carried twice. */
import type { Facts } from './facts.ts';
import { grouped, type Report } from './violation.ts';

export function checkRules(facts: Facts, report: Report): void {
  const acts = grouped(facts.acts, (act) => act.correction);
  for (const correction of facts.corrections) {
    const found = acts.get(correction) ?? [];
    if (found.length !== 1 || found[0]!.state === 'gathering')
      report('correction_kept', `the correction ${correction} was accepted and is not decided once`, {
        correction,
        acts: found,
      });
  }
  const applied = new Set(facts.acts.filter((act) => act.state === 'applied').map((act) => act.plan));
  for (const [key, list] of grouped(facts.carried, (operation) => `${operation.plan} ${operation.run}`)) {
    if (list.length > 1)
      report('carried_once', `the plan ${key} was applied ${list.length} times`, {
        operations: list.map((operation) => operation.id),
      });
    if (!applied.has(list[0]!.plan))
      report('carried_once', `${list[0]!.id} was applied, and no act knows of it`, { ...list[0]! });
  }
  const carried = new Set(facts.carried.map((operation) => operation.plan));
  for (const plan of applied)
    if (plan === null || !carried.has(plan))
      report('correction_kept', `an act says that the plan ${plan} was applied, and no operation has it`, {
        plan,
      });
}
