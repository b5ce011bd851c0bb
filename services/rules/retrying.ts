/** What rules do about flows that failed for good (protocol F2, `on: cause`): they are run once more, alone. */
import type { Rule } from '../../graph/model.ts';
import { planAt } from '../../graph/rules/judge.ts';
import type { ActRow } from '../../store/rules/acts.ts';
import { planOfMembers } from '../rerun/rerun-plan.ts';
import type { Look } from './look.ts';
import { foundIn, ruleActor } from './rule-plan.ts';
import { type FailedFlow, type RunToRetry, toRetry } from './to-retry.ts';

/** Acts on causes that have lasted long enough; of the others it is noted when. */
export async function retryLasting(look: Look, rule: Rule, acts: readonly ActRow[]): Promise<void> {
  const due = acts.filter((act) => planAt(rule, [act]) <= look.now);
  const waiting = acts.filter((act) => act.code === null && !due.includes(act));
  if (waiting.length > 0 && (await look.isEnabled(rule)))
    for (const act of waiting) {
      const dueAt = planAt(rule, [act]);
      const ofFlow = [{ run: act.run!, flow: act.flow! }];
      await look.move([act.id], { state: 'gathering', code: 'lasting', dueAt }, ofFlow);
    }
  if (due.length > 0) await retry(look, rule, due);
}

/** Flows of one run are retried by one plan. What a flow by itself is asked or refused for concerns only that flow. */
export async function retry(look: Look, rule: Rule, acts: readonly ActRow[]): Promise<void> {
  const { runs, gone, left } = await toRetry(look.deps, acts);
  for (const act of gone) await look.move([act.id], { state: 'covered', code: 'not_failed' }, []);
  for (const { acts: list, run } of left)
    for (const act of list) await look.carryOut(rule, [act], { plan: null, left: [run] });
  for (const { context, state, failed } of runs) {
    const able: FailedFlow[] = [];
    const past = await look.pastOf(rule);
    for (const item of failed) {
      const { flow, key } = item;
      const alone = { ...foundIn(null, 0), redone: [{ run: context.run.id, flow, key }] };
      const judgement = await look.judge(rule, [item.act], alone, past);
      if (judgement.do === 'apply') able.push(item);
      else await retryTogether(look, rule, { context, state, failed: [item] });
    }
    if (able.length > 0) await retryTogether(look, rule, { context, state, failed: able });
  }
}

async function retryTogether(look: Look, rule: Rule, { context, state, failed }: RunToRetry): Promise<void> {
  const members = failed.map(({ v }) => v).sort((a, b) => a - b);
  const plan = await planOfMembers(look.deps, ruleActor(rule), {
    parts: [{ context, state, members }],
    left: [],
    roots: members,
    // It is to start as it would have started before, so what a person waived for it stays waived.
    how: { scope: 'only', running: 'wait', keepWaives: true, correction: null },
    yields: true,
  });
  const acts = failed.map(({ act }) => act);
  await look.carryOut(rule, acts, { plan, left: [] });
}
