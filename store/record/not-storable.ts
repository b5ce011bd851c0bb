/** Flows that the exchange could not hand over to an agent, because the database refuses the content of their row (protocol A5). */
import { storable } from '../../graph/text/storable-text.ts';
import type { Queryable, Transaction } from '../schema/pool.ts';
import { notStorable } from '../schema/under-savepoint.ts';
import { takingEpochs } from './epochs.ts';
import type { RunContext } from './run-context.ts';
import type { RefusedFlow } from './run-flows.ts';
import { appendLog } from './run-log.ts';

/** Stands for the agent of such an attempt: it had none. */
const ENGINE = 'engine';

/**
 * Writes that their attempts have failed, into the run's log and, with the reason, into the list of attempts. The coordinator decides what
 * follows, as after any failure of a program.
 */
export async function failRefused(
  client: Transaction,
  context: RunContext,
  now: number,
  refused: readonly RefusedFlow[],
): Promise<void> {
  if (refused.length === 0) return;
  const rows = refused.map(({ write: { v, generation, attempt }, state, message }) => ({
    flow: context.graph.ids[v]!,
    generation,
    attempt,
    message: storable(
      `${notStorable(state)} the database refuses what an agent would get of this flow: ${message}`,
    ),
  }));
  const taken = await client.query<{ last: number }>(takingEpochs(rows.length));
  const first = taken.rows[0]!.last - rows.length + 1;
  client.send(
    `insert into attempts (epoch, run_id, flow_id, generation, attempt, agent, sent_ms, ended_ms, outcome, failure_kind, message)
     select epoch, $1, flow_id, generation, attempt, $2, $3, $3, 'failed', 'program', message
     from unnest($4::bigint[], $5::text[], $6::int[], $7::int[], $8::text[]) as x (epoch, flow_id, generation, attempt, message)`,
    [
      context.run.id,
      ENGINE,
      now,
      rows.map((_, i) => first + i),
      rows.map((row) => row.flow),
      rows.map((row) => row.generation),
      rows.map((row) => row.attempt),
      rows.map((row) => row.message),
    ],
  );
  await appendLog(
    client,
    context.run.id,
    rows.map((row, i) => ({
      kind: 'not_storable' as const,
      flow: row.flow,
      generation: row.generation,
      attempt: row.attempt,
      epoch: first + i,
      outcome: 'failed:not_storable',
      operation: null,
      body: null,
    })),
  );
}

/** A row of an open run whose content the database has refused. */
export interface NotStorable {
  readonly run: string;
  readonly flow: string | null;
  readonly what: 'flow' | 'override' | 'notice' | 'audit';
  readonly at: number;
  readonly detail: string;
}

/** Refused rows of open runs, the newest first, at most `limit` of each kind. */
export async function listNotStorable(client: Queryable, limit: number): Promise<NotStorable[]> {
  const found = await client.query<NotStorable>(
    `with open as (select id from runs where state = 'open')
     (select run_id as run, flow_id as flow, 'flow' as what, ended_ms as at, message as detail from attempts
        where agent = $2 and message like $3 and run_id in (select id from open) order by ended_ms desc limit $1)
     union all (select run_id, flow_id, 'override', at_ms, case when reason like $3 then reason else evidence end from overrides
        where run_id in (select id from open) and (reason like $3 or evidence like $3) order by at_ms desc limit $1)
     union all (select run_id, flow_id, 'notice', at_ms, en from notices
        where run_id in (select id from open) and en like $3 order by at_ms desc limit $1)
     union all (select run_id, null, 'audit', at_ms, reason from audit
        where run_id in (select id from open) and reason like $3 order by at_ms desc limit $1)
     order by at desc`,
    [limit, ENGINE, '[not storable: %'],
  );
  return found.rows;
}
