/** Flows that the exchange could not hand over to an agent, because the database refuses their row for its content (protocol A5). */
import { storable } from '../graph/storable-text.ts';
import { takingEpochs } from './epochs.ts';
import type { Transaction } from './pool.ts';
import type { RunContext } from './run-context.ts';
import type { RefusedFlow } from './run-flows.ts';
import { appendLog } from './run-log.ts';
import { notStorable } from './under-savepoint.ts';

/** Who is named as agent of such an attempt: none had it. */
export const ENGINE = 'engine';

/**
 * Their attempts have failed, by the run's log as by the list of attempts, which says why: the coordinator decides what follows, as for
 * any other failure of a program.
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
