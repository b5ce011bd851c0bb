/** Facts at which rules look (protocol F1): read here, written with what they tell (store/record/rule-facts.ts, store/rules/corrections.ts). */
import type { RuleAct } from '../../contract/rules.ts';
import type { Queryable } from '../schema/pool.ts';

export type FactKind = RuleAct['kind'];

export interface RuleFact {
  readonly id: number;
  readonly kind: FactKind;
  readonly run: string | null;
  readonly flow: string | null;
  readonly generation: number | null;
  /** Kind of the last failure, when the flow has failed. */
  readonly failure: string | null;
  readonly correction: string | null;
  readonly at: number;
  /** The actor of the rerun that began the generation, and the act of the rule that it was; null: nobody, or no rule. */
  readonly actor: string | null;
  readonly depth: number | null;
}

/** Whether there is anything to do: one statement, as it is asked twice a second. */
export async function hasRuleWork(client: Queryable): Promise<boolean> {
  const found = await client.query<{ work: boolean }>({
    name: 'rule-work',
    text: `select (exists (select 1 from rule_facts) or exists (select 1 from rule_acts where state = 'gathering'))
      and not exists (select 1 from pauses where scope = 'rules' and to_ms is null) as work`,
  });
  return found.rows[0]!.work;
}

/** The kind of failure with which the last attempt of a generation `f` ended. */
export const LAST_FAILURE = `(select coalesce(failure_kind, outcome) as failure from attempts
        where run_id = f.run_id and flow_id = f.flow_id and generation = f.generation order by attempt desc limit 1)`;

/** Facts that no rule has looked at, the oldest first. */
export async function readFacts(client: Queryable, limit: number): Promise<RuleFact[]> {
  const found = await client.query<RuleFact>({
    name: 'rule-facts',
    text: `select f.id, f.kind, f.run_id as run, f.flow_id as flow, f.generation, f.correction_id as correction, f.at_ms as at,
        o.actor, a.depth, t.failure
      from (select * from rule_facts order by id limit $1) f
      left join flow_generations g on g.run_id = f.run_id and g.flow_id = f.flow_id and g.generation = f.generation - 1
      left join operations o on o.id = g.operation_id
      left join rule_acts a on a.plan_id = o.body->'plan'->>'id' and a.lead is null
      left join lateral ${LAST_FAILURE} t on f.kind = 'failed'
      order by f.id`,
    values: [limit],
  });
  return found.rows;
}
