/** One look of the process that evaluates rules (protocol F2): judges plans, and moves acts on while it holds the lease. */
import type { Plan } from '../../contract/rerun-plans.ts';
import { SluiceError } from '../../errors.ts';
import { canonicalJson, fingerprint } from '../../graph/compiled/hash.ts';
import type { Rule } from '../../graph/model.ts';
import { type FoundPlan, type Judgement, judge, type RulePast } from '../../graph/rules/judge.ts';
import { readPlan } from '../../store/operations/rerun-plans.ts';
import {
  type ActEnd,
  type ActRow,
  askAboutLeft,
  moveActs,
  noteApplied,
  notePlanned,
  type Redone,
  redoneSince,
} from '../../store/rules/acts.ts';
import { enabledRules } from '../../store/rules/enabled-rules.ts';
import { holdLease } from '../../store/rules/lease.ts';
import { inTransaction, type Transaction } from '../../store/schema/pool.ts';
import { displayZone } from '../catalogue/display-zone.ts';
import type { ServiceDeps } from '../deps.ts';
import { logInRuns } from '../operations/request-in-runs.ts';
import type { LeftOut } from '../rerun/rerun-across.ts';
import { figuresOf, foundIn, type PlanFigures, ruleActor } from './rule-plan.ts';

/** How often a rule plans again when flows have changed while it planned; then a person is asked. */
const TRIES = 5;
/** Rest before it plans again, ms. */
const AGAIN_MS = 1_000;
const DAY_MS = 86_400_000;

/** Tells one definition from another: a rule acts only with that for which it was enabled. */
export const definitionHash = (rule: Rule): string => fingerprint(canonicalJson(rule));

export const idsOf = (acts: readonly ActRow[]): string[] => acts.map(({ id }) => id);

/** A plan that was found; null: nothing is to be redone. */
export interface Found {
  readonly plan: Plan | null;
  /** Runs that stay as they are. */
  readonly left: readonly LeftOut[];
}

export class Look {
  readonly deps: ServiceDeps;
  /** Clock of the record, ms. */
  readonly now: number;
  readonly #lease: number;

  constructor(deps: ServiceDeps, at: { readonly lease: number; readonly now: number }) {
    this.deps = deps;
    this.now = at.now;
    this.#lease = at.lease;
  }

  async isEnabled(rule: Rule): Promise<boolean> {
    return (await enabledRules(this.deps.pool)).get(rule.id)?.hash === definitionHash(rule);
  }

  /** What the rule has done, as far as its limits look back. */
  async pastOf({ id, limits }: Rule): Promise<RulePast> {
    const since = this.now - Math.max(DAY_MS, limits.coolDownMs);
    return { redone: await redoneSince(this.deps.pool, id, since) };
  }

  async judge(rule: Rule, acts: readonly ActRow[], found: FoundPlan, past: RulePast): Promise<Judgement> {
    const { deps, now } = this;
    return judge(rule, found, past, {
      enabled: await this.isEnabled(rule),
      depth: Math.max(...acts.map(({ depth }) => depth)),
      approvedKeys: acts.find(({ approvedBy }) => approvedBy !== null)?.approvedKeys ?? null,
      hurried: acts.some(({ hurried }) => hurried),
      now,
      zone: await displayZone(deps),
    });
  }

  /** Judges what was planned for acts together, and does what was judged. Nobody needs the results of rehearsals, so they are left as they are. */
  async carryOut(rule: Rule, acts: readonly ActRow[], { plan, left: all }: Found): Promise<void> {
    const left = all.filter(({ code }) => code !== 'rehearsal');
    const found = foundIn(plan, left.length);
    const judgement = await this.judge(rule, acts, found, await this.pastOf(rule));
    const detail = figuresOf(found, left);
    const ids = idsOf(acts);
    const ofPlan = plan === null ? {} : { plan: plan.id, runOfPlan: plan.run };
    switch (judgement.do) {
      case 'wait': {
        const { code, until } = judgement;
        await this.move(ids, { state: 'gathering', code, dueAt: until }, found.redone);
        return;
      }
      case 'end': {
        const { state, code } = judgement;
        await this.move(ids, { state, code, detail, ...ofPlan }, state === 'requested' ? found.redone : []);
        return;
      }
      case 'apply':
        await this.#apply(rule, acts, { plan: plan!, found, detail });
        return;
      default:
        judgement satisfies never;
    }
  }

  /** The acts become applied in the transaction of the log rows: a process that dies before leaves nothing, and nobody applies them twice. */
  async #apply(
    rule: Rule,
    acts: readonly ActRow[],
    given: { readonly plan: Plan; readonly found: FoundPlan; readonly detail: PlanFigures },
  ): Promise<void> {
    const { plan, found, detail } = given;
    const lead = acts[0]!;
    const { plan: own, together } = await readPlan(this.deps.pool, plan.run, plan.id);
    // Agreed, as over several runs: nothing has changed when it is logged, so no coordinator refuses what the act calls applied.
    const alone = { run: plan.run, plan: { ...own, agreed: { awaits: [] } } };
    const parts = together.length > 0 ? together : [alone];
    const reason = `${rule.names.en}: ${acts.map(({ root }) => root).join(', ')}`.slice(0, 1_900);
    try {
      await logInRuns(
        this.deps,
        ruleActor(rule),
        parts.map((part) => ({ ...part, verb: 'rerun', reason })),
        `rule-act:${lead.id}:${lead.tries}`,
        async (client, rows) => {
          await this.#moveHeld(client, idsOf(acts), {
            state: 'applied',
            detail,
            plan: plan.id,
            runOfPlan: plan.run,
          });
          await noteApplied(client, lead.id, rows[0]!.id, found.redone);
          await askAboutLeft(client, idsOf(acts), detail.leftOut);
        },
      );
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code === 'internal') throw error;
      const tries = lead.tries + 1;
      await this.move(
        idsOf(acts),
        tries < TRIES
          ? { state: 'gathering', code: error.code, tries, dueAt: this.now + AGAIN_MS }
          : { state: 'requested', code: error.code, detail, tries: 0 },
      );
    }
  }

  /** `redone`: what the first of the acts, for all of them, would redo; left out, that stays as it was. */
  move(ids: readonly string[], end: ActEnd, redone?: readonly Redone[]): Promise<void> {
    return inTransaction(this.deps.pool, async (client) => {
      await this.#moveHeld(client, ids, end);
      if (redone !== undefined) await notePlanned(client, ids[0]!, redone);
    });
  }
  /** Moves all of the acts while the lease is held, or none. */
  async #moveHeld(client: Transaction, ids: readonly string[], end: ActEnd): Promise<void> {
    await holdLease(client, this.#lease);
    if ((await moveActs(client, ids, end)) < ids.length)
      throw new SluiceError('internal', 'another process has moved the acts');
  }
}
