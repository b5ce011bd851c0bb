/** Facts for the rules (protocol F1), written by the exchange together with what they tell. */
import type { Effect } from '../../graph/run/decisions.ts';
import { codeOf } from '../../graph/run/status.ts';
import type { Transaction } from '../schema/pool.ts';
import type { RunContext } from './run-context.ts';
import type { FlowWrite } from './run-flows.ts';

const SUCCEEDED = codeOf('succeeded');
const FAILED = codeOf('failed');

/** What an exchange has decided. */
interface Decided {
  readonly now: number;
  readonly writes: readonly FlowWrite[];
  readonly effects: readonly Effect[];
}

/** Flows have a newer result than others may have used, or have failed for good. Rehearsals tell nothing. */
export function writeRuleFacts(client: Transaction, context: RunContext, decided: Decided): void {
  if (context.run.purpose === 'rehearsal') return;
  writeNewerResults(client, context, decided);
  writeFailures(client, context, decided);
}

/** A flow that succeeded again, or an attempt of which the result no longer counted has left its effect (protocol C7). */
function writeNewerResults(
  client: Transaction,
  { graph, run }: RunContext,
  { now, writes, effects }: Decided,
): void {
  const generations = new Map<number, number>();
  for (const { v, result, generation } of writes)
    if (result === SUCCEEDED && generation > 1) generations.set(v, generation);
  for (const effect of effects)
    if (effect.t === 'notice' && effect.kind === 'late_effect' && !generations.has(effect.v))
      generations.set(effect.v, 0);
  if (generations.size === 0) return;
  client.send({
    name: 'rule-facts-redone',
    text: `insert into rule_facts (kind, run_id, flow_id, generation, at_ms)
      select 'redone', $1, flow_id, nullif(generation, 0), $2 from unnest($3::text[], $4::int[]) as x (flow_id, generation)`,
    values: [run.id, now, [...generations.keys()].map((v) => graph.ids[v]!), [...generations.values()]],
  });
}

/** Flows of agents that have failed for good. What a person rejected or cancelled is not among them. */
function writeFailures(client: Transaction, { graph, run }: RunContext, { now, writes }: Decided): void {
  const failed = writes.filter(({ v, result }) => result === FAILED && graph.attrOf(v).runner === 'agent');
  if (failed.length === 0) return;
  client.send({
    name: 'rule-facts-failed',
    text: `insert into rule_facts (kind, run_id, flow_id, generation, at_ms)
      select 'failed', $1, flow_id, generation, $2 from unnest($3::text[], $4::int[]) as x (flow_id, generation)`,
    values: [run.id, now, failed.map(({ v }) => graph.ids[v]!), failed.map(({ generation }) => generation)],
  });
}
