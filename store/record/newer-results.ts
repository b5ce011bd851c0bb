/** Facts for the rules (protocol F2), written by the exchange together with what they tell: flows have a newer result than others may have used. */
import type { Effect } from '../../graph/run/decisions.ts';
import { codeOf } from '../../graph/run/status.ts';
import type { Transaction } from '../schema/pool.ts';
import type { RunContext } from './run-context.ts';
import type { FlowWrite } from './run-flows.ts';

const SUCCEEDED = codeOf('succeeded');

/** A flow that succeeded again, or an attempt of which the result no longer counted has left its effect (protocol C7). */
export function writeNewerResults(
  client: Transaction,
  context: RunContext,
  now: number,
  writes: readonly FlowWrite[],
  effects: readonly Effect[],
): void {
  const { graph, run } = context;
  if (run.purpose === 'rehearsal') return;
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
