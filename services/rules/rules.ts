/** Rules as people see and steer them: listed, enabled, paused; their requests approved or refused (protocol F4). */
import type { RuleAct, Rule as RuleAnswer, RuleList } from '../../contract/rules.ts';
import { ERRORS, type ErrorCode, SluiceError, unknown } from '../../errors.ts';
import type { Rule } from '../../graph/model.ts';
import { ACT_CODES, type ActCode } from '../../graph/rules/judge.ts';
import type { Sentence } from '../../graph/text/sentence.ts';
import type { Actor } from '../../store/operations/actors.ts';
import { readRun } from '../../store/record/run-context.ts';
import { type ActRow, countActs, hurryAct, judgeAct, readAct } from '../../store/rules/acts.ts';
import { disableRule, enabledRules, enableRule, pauseOfRules } from '../../store/rules/enabled-rules.ts';
import { newestCatalogue } from '../catalogue/newest-catalogue.ts';
import type { ServiceDeps } from '../deps.ts';
import { authorise } from '../operations/actor-scope.ts';
import { keyOf, requestOperation } from '../operations/request-operation.ts';
import { suggestNames } from '../suggest-names.ts';
import { definitionHash } from './look.ts';
import type { PlanFigures } from './rule-plan.ts';

/** The rules of the newest catalogue. */
export async function listRules(deps: ServiceDeps): Promise<RuleList> {
  const newest = await newestCatalogue(deps);
  const [enabled, counts, paused] = await Promise.all([
    enabledRules(deps.pool),
    countActs(deps.pool),
    pauseOfRules(deps.pool),
  ]);
  const items = (newest?.frame.rules ?? []).map((rule): RuleAnswer => {
    const by = enabled.get(rule.id);
    return {
      id: rule.id,
      names: rule.names,
      definition: rule,
      version: newest!.version,
      mode: by?.hash === definitionHash(rule) ? 'acts' : 'reports',
      enabledBy: by?.actor ?? null,
      enabledAt: by?.at ?? null,
      acts: counts.get(rule.id) ?? {},
    };
  });
  return { paused, items };
}

/** Throws `unknown_rule`. */
export async function showRule(deps: ServiceDeps, id: string): Promise<RuleAnswer> {
  const { items } = await listRules(deps);
  const found = items.find((rule) => rule.id === id);
  if (found !== undefined) return found;
  throw unknown(
    'unknown_rule',
    `the newest catalogue has no rule ${id}`,
    { rule: id },
    suggestNames(
      id,
      items.map((rule) => rule.id),
    ),
  );
}

/** Only somebody with the role `key` and without limits decides what rules may do. Throws `forbidden`, `out_of_scope`. */
export function requireKeyRole(actor: Actor, verb: string): void {
  if (!actor.roles.includes('key'))
    throw new SluiceError('forbidden', `${verb} needs the role key`, { facts: { actor: actor.name, verb } });
  authorise(actor, verb, null);
}

export async function setRule(
  deps: ServiceDeps,
  actor: Actor,
  id: string,
  change: { readonly on: boolean; readonly reason: string },
): Promise<RuleAnswer> {
  requireKeyRole(actor, change.on ? 'enable-rule' : 'disable-rule');
  const { definition } = await showRule(deps, id);
  const by = { actor: actor.name, reason: change.reason };
  if (change.on) await enableRule(deps.pool, id, definitionHash(definition as Rule), by);
  else await disableRule(deps.pool, id, by);
  return showRule(deps, id);
}

/**
 * A person with the role `key` approves or refuses what a rule asks for. An approval is given to the key flows that the request names; the
 * rule plans afresh then, and asks again when others have come to it. Closed runs that the request names are reopened first, in the name of the
 * person. Throws `unknown_act`, `not_awaiting_approval`, `forbidden`.
 */
export async function decideAct(
  deps: ServiceDeps,
  actor: Actor,
  id: string,
  decision: { readonly approve: boolean; readonly reason: string },
): Promise<RuleAct> {
  requireKeyRole(actor, decision.approve ? 'approve-act' : 'refuse-act');
  const before = await readAct(deps.pool, id);
  const { keyFlows: keys = [], leftOut = [] } = (before.detail ?? {}) as Partial<PlanFigures>;
  if (decision.approve && before.state === 'requested')
    for (const { run, code } of leftOut)
      if (code === 'run_closed') await reopen(deps, actor, { run, act: id, reason: decision.reason });
  const decided = await judgeAct(deps.pool, id, { ...decision, actor: actor.name, keys });
  if (!decided)
    throw new SluiceError('not_awaiting_approval', `the act ${id} is ${before.state}`, {
      facts: { act: id, state: before.state },
    });
  return toActResponse(await readAct(deps.pool, id));
}

/** Roles that may reopen a run. */
const MAY_REOPEN: ReadonlySet<string> = new Set(['operator', 'maintainer']);

/** Does nothing when somebody has reopened the run already. */
async function reopen(
  deps: ServiceDeps,
  actor: Actor,
  { run, act, reason }: { readonly run: string; readonly act: string; readonly reason: string },
): Promise<void> {
  if ((await readRun(deps.pool, run)).state !== 'closed') return;
  if (!actor.roles.some((role) => MAY_REOPEN.has(role)))
    throw new SluiceError('forbidden', `the approval reopens ${run}, which needs the role operator`, {
      facts: { actor: actor.name, verb: 'reopen', act },
    });
  await requestOperation(deps, actor, { run, verb: 'reopen', reason }, keyOf({}));
}

/** Plans a gathering act at the next look, without waiting for more or resting; its window still holds. Throws `unknown_act`, `not_gathering`. */
export async function hurry(deps: ServiceDeps, actor: Actor, id: string, reason: string): Promise<RuleAct> {
  authorise(actor, 'hurry-act', null);
  const { state } = await readAct(deps.pool, id);
  if (!(await hurryAct(deps.pool, id, { actor: actor.name, reason })))
    throw new SluiceError('not_gathering', `the act ${id} is ${state}`, { facts: { act: id, state } });
  return toActResponse(await readAct(deps.pool, id));
}

export function toActResponse(row: ActRow): RuleAct {
  const { detail, plan, runOfPlan, dueAt, code } = row;
  const said = (detail ?? {}) as Partial<
    Pick<RuleAct, 'runs' | 'members' | 'minutes' | 'keyFlows' | 'leftOut'>
  >;
  return {
    id: row.id,
    rule: row.rule,
    kind: row.kind,
    run: row.run,
    flow: row.flow,
    correction: row.correction,
    at: row.at,
    depth: row.depth,
    state: row.state,
    lead: row.lead,
    code,
    text: code === null ? null : textOf(code),
    dueAt: dueAt === 0 ? null : dueAt,
    runs: said.runs ?? [],
    members: said.members ?? 0,
    minutes: said.minutes ?? 0,
    keyFlows: said.keyFlows ?? [],
    leftOut: said.leftOut ?? [],
    plan: plan === null || runOfPlan === null ? null : { run: runOfPlan, id: plan },
    operation: row.operation,
    approvedBy: row.approvedBy,
    decidedAt: row.decidedAt,
  };
}

/** A code of an act, or of the error with which its plan was refused. */
function textOf(code: string): Sentence {
  if (code in ACT_CODES) return ACT_CODES[code as ActCode];
  const { en, zh } = ERRORS[code as ErrorCode];
  return { en, zh };
}
