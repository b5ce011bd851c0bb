/** What a rule with `on: cause` would have done in the last days: each failure by itself, from the recorded past. */
import type { RuleTry } from '../../contract/rules.ts';
import type { Rule } from '../../graph/model.ts';
import { type FoundPlan, type Judgement, judge, type RulePast } from '../../graph/rules/judge.ts';
import { failuresSince, type PastFailure } from '../../store/rules/past-results.ts';
import type { ServiceDeps } from '../deps.ts';
import { usualDurations } from '../timing/expected-durations.ts';
import { flowRoot } from './root.ts';
import { figuresOf, foundIn, looksAt, looksAtFailure } from './rule-plan.ts';

type Item = RuleTry['items'][number];

/** What a judgement does to an act. */
export function outcomeOf(judged: Judgement): Pick<Item, 'state' | 'code'> {
  if (judged.do === 'apply') return { state: 'applied', code: null };
  return { state: judged.do === 'end' ? judged.state : 'gathering', code: judged.code };
}

/** A failure that somebody mended before it had lasted long enough triggers nothing. */
export async function retriesSince(
  deps: ServiceDeps,
  rule: Rule,
  { since, now, zone }: { readonly since: number; readonly now: number; readonly zone: string },
): Promise<Item[]> {
  const past: RulePast['redone'][number][] = [];
  const items: Item[] = [];
  for (const failure of await failuresSince(deps.pool, since)) {
    const found = await retryOf(deps, rule, failure);
    if (found === null) continue;
    const { run, flow, generation, endedAt } = failure;
    const at = failure.at + rule.settleMs;
    const item = { at, roots: [flowRoot({ run, flow, generation, at })] };
    if (endedAt !== null && endedAt <= at) {
      items.push({ ...item, state: 'covered', code: 'not_failed', ...figuresOf(foundIn(null, 0), []) });
      continue;
    }
    const figures = figuresOf(found, []);
    if (at > now) {
      items.push({ ...item, state: 'gathering', code: 'lasting', ...figures });
      continue;
    }
    const standing = { enabled: true, depth: 1, approvedKeys: null, hurried: false, now: at, zone };
    const judged = judge(rule, found, { redone: past }, standing);
    if (judged.do === 'apply') past.push({ act: `try ${items.length}`, run, flow, at });
    items.push({ ...item, ...outcomeOf(judged), ...figures });
  }
  return items;
}

/** Null: the rule does not look at it. */
async function retryOf(
  deps: ServiceDeps,
  rule: Rule,
  { run, flow, failure }: PastFailure,
): Promise<FoundPlan | null> {
  const context = await deps.contextOf(run);
  const v = context.index.get(flow);
  if (v === undefined) return null;
  const definition = context.flow(flow);
  if (!looksAt(rule, run, definition) || !looksAtFailure(rule, definition, failure)) return null;
  const { ms } = await usualDurations(deps.pool)(context);
  return { ...foundIn(null, 0), redone: [{ run, flow, key: definition.key }], estimateMs: ms[v]! };
}
