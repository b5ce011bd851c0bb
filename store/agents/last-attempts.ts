/** How the last attempts of flows ended, for `why`. */
import type { LastAttempt } from '../../graph/run/run-facts.ts';
import type { FailureKind } from '../../graph/run/state.ts';
import { isReleasing } from '../../graph/run/status.ts';
import type { Snapshot } from '../record/snapshot.ts';
import { freeText, readRows } from '../schema/rows-as-text.ts';
import { gaveUpOf } from './attempt-lists.ts';

/** Of flows whose last attempt explains something: it ended without a releasing result. */
export async function readLastAttempts(snapshot: Snapshot): Promise<Map<number, LastAttempt>> {
  const { client, context, state } = snapshot;
  const { graph, run } = context;
  const last = new Map<number, LastAttempt>();
  const asked: string[] = [];
  for (let v = 0; v < graph.n; v++) {
    const ended = state.result[v] !== 0 && !isReleasing(state.result[v]!);
    if (ended || (state.result[v] === 0 && state.attempt[v]! > 1)) asked.push(graph.ids[v]!);
  }
  if (asked.length === 0) return last;
  const rows = await readRows(client, {
    name: 'last-attempts-text',
    columns: [
      'flow_id',
      'ended_ms',
      freeText('agent'),
      'outcome',
      'failure_kind',
      freeText('left(message, 2000)'),
      'cause',
      'used',
      'allowed',
    ],
    from: `from (select distinct on (flow_id) * from attempts
      where run_id = $1 and flow_id = any($2::text[]) and ended_ms is not null order by flow_id, epoch desc) x
      left join give_ups using (run_id, flow_id, generation, attempt)`,
    values: [run.id, asked],
  });
  for (const [flow, ended, agent, outcome, failure, message, cause, used, allowed] of rows)
    last.set(context.index.get(flow!) ?? -1, {
      endedAt: Number(ended),
      agent: agent!,
      outcome: outcome!,
      failure: failure === '' ? null : (failure as FailureKind),
      message: message === '' ? null : message!,
      ...(cause === '' ? {} : { gaveUp: gaveUpOf(cause, used, allowed) }),
    });
  return last;
}
