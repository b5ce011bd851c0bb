/**
 * Evaluates the rules of the newest catalogue (protocol F2): takes facts, lets them gather until nothing more comes, and then makes one plan
 * for all of them. Every API has one; that which holds the lease acts.
 */
import { randomUUID } from 'node:crypto';
import type { Plan } from '../../contract/rerun-plans.ts';
import { SluiceError } from '../../errors.ts';
import { canonicalJson, fingerprint } from '../../graph/compiled/hash.ts';
import type { Flow, Rule } from '../../graph/model.ts';
import { type FoundPlan, judge, planAt } from '../../graph/rules/judge.ts';
import { readPlan } from '../../store/operations/rerun-plans.ts';
import { readClock } from '../../store/record/snapshot.ts';
import {
  type ActEnd,
  type ActRow,
  actsOfLead,
  gatheringActs,
  hasRuleWork,
  moveActs,
  type NewAct,
  noteApplied,
  notePlanned,
  type Redone,
  type RuleFact,
  readFacts,
  redoneSince,
  takeFacts,
} from '../../store/rules/acts.ts';
import { readCorrection } from '../../store/rules/corrections.ts';
import { enabledRules } from '../../store/rules/enabled-rules.ts';
import { holdLease, leaveLease, takeLease } from '../../store/rules/lease.ts';
import { inTransaction } from '../../store/schema/pool.ts';
import { displayZone } from '../catalogue/display-zone.ts';
import { newestCatalogue } from '../catalogue/newest-catalogue.ts';
import type { ServiceDeps } from '../deps.ts';
import { logInRuns } from '../operations/request-in-runs.ts';
import { planOfMembers } from '../rerun/rerun-plan.ts';
import { figuresOf, foundIn, looksAt, type PlanFigures, readersFor, ruleActor } from './rule-plan.ts';
import { membersOf, type NewerData, type NewerFlow, type Redo, whatToRedo } from './to-redo.ts';

/** How long a process that fell silent keeps the others from evaluating rules, ms. */
const LEASE_MS = 3_000;
/** Maximum number of facts taken at once; the rest follow in the next look, half a second later. */
const FACTS = 2_000;
/** How often a rule plans again when flows have changed while it planned; then a person is asked. */
const TRIES = 5;
/** Rest before it plans again, ms. */
const AGAIN_MS = 1_000;
const DAY_MS = 86_400_000;

/** Tells one definition from another: a rule acts only with that for which it was enabled. */
export const definitionHash = (rule: Rule): string => fingerprint(canonicalJson(rule));

type Warn = (facts: object, message: string) => void;

export class RuleEngine {
  readonly #deps: ServiceDeps;
  readonly #warn: Warn;
  readonly #holder = randomUUID();

  constructor(deps: ServiceDeps, warn: Warn) {
    this.#deps = deps;
    this.#warn = warn;
  }

  /** Takes or prolongs the lease; answers its number, null while another process has it. */
  keepLease(): Promise<number | null> {
    return takeLease(this.#deps.pool, this.#holder, LEASE_MS);
  }

  leave(): Promise<void> {
    return leaveLease(this.#deps.pool, this.#holder);
  }

  /** One pass. While the rules are paused facts stay where they are. */
  async look(lease: number): Promise<void> {
    const { pool } = this.#deps;
    if (!(await hasRuleWork(pool))) return;
    const rules = (await newestCatalogue(this.#deps))?.frame.rules ?? [];
    await this.#gather(rules, lease);
    const acts = await gatheringActs(pool);
    if (acts.length === 0) return;
    const now = await readClock(pool);
    for (const [id, list] of Map.groupBy(acts, ({ rule }) => rule)) {
      const rule = rules.find((item) => item.id === id);
      try {
        if (rule === undefined) await this.#move(lease, idsOf(list), { state: 'withdrawn' });
        else await this.#settle(rule, list, { lease, now });
      } catch (error) {
        // One rule that fails never stops the others; its acts stay, and are tried again.
        this.#warn({ error, rule: id }, 'a rule could not be evaluated; it is tried again');
      }
    }
  }

  async #gather(rules: readonly Rule[], lease: number): Promise<void> {
    const facts = await readFacts(this.#deps.pool, FACTS);
    if (facts.length === 0) return;
    const acts: NewAct[] = [];
    for (const fact of facts)
      for (const rule of rules) {
        const act = await this.#actOf(rule, fact);
        if (act !== null) acts.push(act);
      }
    await inTransaction(this.#deps.pool, async (client) => {
      await holdLease(client, lease);
      await takeFacts(client, facts, acts);
    });
  }

  /** Null: the rule does not look at it. */
  async #actOf(rule: Rule, fact: RuleFact): Promise<NewAct | null> {
    if (rule.on !== fact.kind) return null;
    if (fact.kind === 'corrected') return { rule: rule.id, root: fact.correction!, fact, depth: 1 };
    // What a rule has redone never starts the same rule.
    if (fact.actor === ruleActor(rule).name) return null;
    const flow = await this.#flowOf(fact.run!, fact.flow!);
    if (flow === null || !looksAt(rule, fact.run!, flow)) return null;
    const root = `${fact.run} ${fact.flow} ${fact.generation ?? `late ${fact.at}`}`;
    return { rule: rule.id, root, fact, depth: (fact.depth ?? 0) + 1 };
  }

  /** Null: the run has left the record, or has no such flow any more. */
  async #flowOf(run: string, flow: string): Promise<Flow | null> {
    try {
      return (await this.#deps.contextOf(run)).flow(flow);
    } catch (error) {
      if (error instanceof SluiceError) return null;
      throw error;
    }
  }

  async #settle(
    rule: Rule,
    acts: readonly ActRow[],
    at: { readonly lease: number; readonly now: number },
  ): Promise<void> {
    for (const act of acts.filter(({ approvedBy }) => approvedBy !== null))
      if (planAt(rule, [act]) <= at.now) await this.#act(rule, await actsOfLead(this.#deps.pool, act.id), at);
    const rest = acts.filter(({ approvedBy }) => approvedBy === null);
    if (rest.length === 0) return;
    const due = planAt(rule, rest);
    if (due <= at.now) await this.#act(rule, rest, at);
    else if (rest.some(({ code }) => code === null)) await this.#announce(rule, rest, { ...at, due });
  }

  /** Notes what will be redone and when, so that `why` of these flows says it (protocol F2). A rule that only reports announces nothing. */
  async #announce(
    rule: Rule,
    acts: readonly ActRow[],
    { lease, due }: { readonly lease: number; readonly due: number },
  ): Promise<void> {
    if (!(await this.#isEnabled(rule))) return;
    const redo = await whatToRedo(this.#deps, await this.#newerOf(rule, acts), rule.scope);
    const redone = redo.parts.flatMap(({ context, redo: found }) =>
      found.redone.map((v) => ({ run: context.run.id, flow: context.graph.ids[v]! })),
    );
    await this.#move(lease, idsOf(acts), { state: 'gathering', code: 'settling', dueAt: due }, redone);
  }

  /** Plans for all acts together, judges the plan, and does what was judged. */
  async #act(
    rule: Rule,
    acts: readonly ActRow[],
    { lease, now }: { readonly lease: number; readonly now: number },
  ): Promise<void> {
    const { pool } = this.#deps;
    const redo = await whatToRedo(this.#deps, await this.#newerOf(rule, acts), rule.scope);
    const plan = await this.#planOf(rule, acts, redo);
    const found = foundIn(plan, redo.left.length);
    const since = now - Math.max(DAY_MS, rule.limits.coolDownMs);
    const judgement = judge(
      rule,
      found,
      { redone: await redoneSince(pool, rule.id, since) },
      {
        enabled: await this.#isEnabled(rule),
        depth: Math.max(...acts.map(({ depth }) => depth)),
        approvedKeys: acts.find(({ approvedBy }) => approvedBy !== null)?.approvedKeys ?? null,
        hurried: acts.some(({ hurried }) => hurried),
        now,
        zone: await displayZone(this.#deps),
      },
    );
    const detail = figuresOf(found, redo.left);
    const ids = idsOf(acts);
    const ofPlan = plan === null ? {} : { plan: plan.id, runOfPlan: plan.run };
    switch (judgement.do) {
      case 'wait':
        await this.#move(
          lease,
          ids,
          { state: 'gathering', code: judgement.code, dueAt: judgement.until },
          found.redone,
        );
        return;
      case 'end':
        await this.#move(
          lease,
          ids,
          { state: judgement.state, code: judgement.code, detail, ...ofPlan },
          judgement.state === 'requested' ? found.redone : [],
        );
        return;
      case 'apply':
        await this.#apply(rule, acts, { plan: plan!, found, detail, lease, now });
        return;
      default:
        judgement satisfies never;
    }
  }

  async #isEnabled(rule: Rule): Promise<boolean> {
    return (await enabledRules(this.#deps.pool)).get(rule.id)?.hash === definitionHash(rule);
  }

  async #newerOf(rule: Rule, acts: readonly ActRow[]): Promise<NewerData> {
    const results: NewerFlow[] = [];
    const corrected: NewerFlow[] = [];
    for (const { kind, run, flow, correction, root, at } of acts) {
      if (kind === 'redone') {
        results.push({ run: run!, flow: flow!, at: root.includes(' late ') ? at : null });
        continue;
      }
      const row = await readCorrection(this.#deps.pool, correction!);
      corrected.push(...(await readersFor(this.#deps, rule, row)).corrected);
    }
    return { results, corrected };
  }

  async #planOf(rule: Rule, acts: readonly ActRow[], redo: Redo): Promise<Plan | null> {
    const members = membersOf(redo);
    if (members === null) return null;
    const correction = acts.length === 1 ? acts[0]!.correction : null;
    const how = { scope: rule.scope, running: 'wait' as const, keepWaives: false, correction };
    return planOfMembers(this.#deps, ruleActor(rule), { ...members, how, yields: true });
  }

  /** The acts become applied in the transaction of the log rows: a process that dies before leaves nothing, and nobody applies them twice. */
  async #apply(
    rule: Rule,
    acts: readonly ActRow[],
    given: {
      readonly plan: Plan;
      readonly found: FoundPlan;
      readonly detail: PlanFigures;
      readonly lease: number;
      readonly now: number;
    },
  ): Promise<void> {
    const { plan, found, detail, lease, now } = given;
    const lead = acts[0]!;
    const { plan: own, together } = await readPlan(this.#deps.pool, plan.run, plan.id);
    // Agreed, as over several runs: nothing has changed when it is logged, so no coordinator refuses what the act calls applied.
    const alone = { run: plan.run, plan: { ...own, agreed: { awaits: [] } } };
    const parts = together.length > 0 ? together : [alone];
    const reason = `${rule.names.en}: ${acts.map(({ root }) => root).join(', ')}`.slice(0, 1_900);
    try {
      await logInRuns(
        this.#deps,
        ruleActor(rule),
        parts.map((part) => ({ ...part, verb: 'rerun', reason })),
        `rule-act:${lead.id}:${lead.tries}`,
        async (client, rows) => {
          await holdLease(client, lease);
          const end = { state: 'applied', detail, plan: plan.id, runOfPlan: plan.run } as const;
          if ((await moveActs(client, idsOf(acts), end)) < acts.length)
            throw new SluiceError('internal', 'another process has moved the acts');
          await noteApplied(client, lead.id, rows[0]!.id, found.redone);
        },
      );
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code === 'internal') throw error;
      const tries = lead.tries + 1;
      await this.#move(
        lease,
        idsOf(acts),
        tries < TRIES
          ? { state: 'gathering', code: error.code, tries, dueAt: now + AGAIN_MS }
          : { state: 'requested', code: error.code, detail, tries: 0 },
      );
    }
  }

  /** `redone`: what the first of the acts, for all of them, would redo; left out, that stays as it was. */
  #move(lease: number, ids: readonly string[], end: ActEnd, redone?: readonly Redone[]): Promise<void> {
    return inTransaction(this.#deps.pool, async (client) => {
      await holdLease(client, lease);
      await moveActs(client, ids, end);
      if (redone !== undefined) await notePlanned(client, ids[0]!, redone);
    });
  }
}

const idsOf = (acts: readonly ActRow[]): string[] => acts.map(({ id }) => id);
