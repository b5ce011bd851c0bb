/**
 * Evaluates the rules of the newest catalogue (protocol F2): takes facts, lets them gather until nothing more comes, and then makes one plan
 * for all of them. Every API has one; that which holds the lease acts.
 */
import { randomUUID } from 'node:crypto';
import { SluiceError } from '../../errors.ts';
import type { Flow, Rule } from '../../graph/model.ts';
import { planAt } from '../../graph/rules/judge.ts';
import { readClock } from '../../store/record/snapshot.ts';
import { type ActRow, actsOfLead, gatheringActs, type NewAct, takeFacts } from '../../store/rules/acts.ts';
import { hasRuleWork, type RuleFact, readFacts } from '../../store/rules/facts.ts';
import { holdLease, leaveLease, takeLease } from '../../store/rules/lease.ts';
import { inTransaction } from '../../store/schema/pool.ts';
import { newestCatalogue } from '../catalogue/newest-catalogue.ts';
import type { ServiceDeps } from '../deps.ts';
import { idsOf, Look } from './look.ts';
import { redo, redoSettled } from './redoing.ts';
import { retry, retryLasting } from './retrying.ts';
import { flowRoot } from './root.ts';
import { looksAt, looksAtFailure, ruleActor } from './rule-plan.ts';

/** How long a process that fell silent keeps the others from evaluating rules, ms. */
const LEASE_MS = 3_000;
/** Maximum number of facts taken at once; the rest follow in the next look, half a second later. */
const FACTS = 2_000;

type Warn = (facts: object, message: string) => void;

/** Facts that a rule looks at. */
const FACT_OF = { redone: 'redone', corrected: 'corrected', cause: 'failed' } as const satisfies Record<
  Rule['on'],
  RuleFact['kind']
>;

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
    const look = new Look(this.#deps, { lease, now: await readClock(pool) });
    for (const [id, list] of Map.groupBy(acts, ({ rule }) => rule)) {
      const rule = rules.find((item) => item.id === id);
      try {
        if (rule === undefined) await look.move(idsOf(list), { state: 'withdrawn' });
        else await this.#settle(look, rule, list);
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
    if (FACT_OF[rule.on] !== fact.kind) return null;
    if (fact.kind === 'corrected') return { rule: rule.id, root: fact.correction!, fact, depth: 1 };
    const isOwn = fact.actor === ruleActor(rule).name;
    // What a rule has redone never starts the same rule; a retry that failed again does, up to the limits of the rule.
    if (isOwn && fact.kind === 'redone') return null;
    const flow = await this.#flowOf(fact.run!, fact.flow!);
    if (flow === null || !looksAt(rule, fact.run!, flow)) return null;
    if (fact.kind === 'failed' && !looksAtFailure(rule, flow, fact.failure!)) return null;
    const { run, generation, at } = fact;
    const root = flowRoot({ run: run!, flow: fact.flow!, generation, at });
    return { rule: rule.id, root, fact, depth: isOwn ? (fact.depth ?? 1) : (fact.depth ?? 0) + 1 };
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

  async #settle(look: Look, rule: Rule, acts: readonly ActRow[]): Promise<void> {
    const ofKind = (act: ActRow): boolean => act.kind === FACT_OF[rule.on];
    // The rule looked at something else when they came.
    const strange = acts.filter((act) => !ofKind(act));
    if (strange.length > 0) await look.move(idsOf(strange), { state: 'withdrawn' });
    const [again, settled] = rule.on === 'cause' ? [retry, retryLasting] : [redo, redoSettled];
    const { approved = [], open = [] } = Object.groupBy(acts.filter(ofKind), ({ approvedBy }) =>
      approvedBy === null ? 'open' : 'approved',
    );
    for (const act of approved)
      if (planAt(rule, [act]) <= look.now) await again(look, rule, await this.#approved(act));
    if (open.length > 0) await settled(look, rule, open);
  }

  /** The act and those that were merged with it: the approval is for all of them. */
  async #approved({ id, approvedBy, approvedKeys }: ActRow): Promise<ActRow[]> {
    const acts = await actsOfLead(this.#deps.pool, id);
    return acts.map((act) => ({ ...act, approvedBy, approvedKeys }));
  }
}
