/** The attempts of a run for the critical path, in columns. */
import type { AttemptColumns, AttemptOutcome } from '../../graph/run/run-facts.ts';
import type { Reading } from '../record/snapshot.ts';
import { freeText, readRows } from '../schema/rows-as-text.ts';

/** All attempts of the run, sorted by flow, then by epoch: the order in which they were sent. */
export async function readAttemptColumns(reading: Reading): Promise<AttemptColumns> {
  const { graph, index } = reading.context;
  const columns = [
    'flow_id',
    'generation',
    'attempt',
    'sent_ms',
    'started_ms',
    'ended_ms',
    'outcome',
    freeText('agent'),
    'released_ms',
  ];
  const rows: [number, string[]][] = [];
  for (const row of await readRows(reading.client, {
    name: 'attempts-text',
    columns,
    from: 'from attempts where run_id = $1',
    order: 'epoch',
    values: [reading.context.run.id],
  })) {
    const v = index.get(row[0]!);
    if (v !== undefined) rows.push([v, row]);
  }
  const off = new Int32Array(graph.n + 1);
  for (const [v] of rows) off[v + 1]!++;
  for (let v = 0; v < graph.n; v++) off[v + 1]! += off[v]!;
  const next = off.slice(0, graph.n);
  const size = rows.length;
  const attempts = {
    off,
    generation: new Int32Array(size),
    attempt: new Int32Array(size),
    releasedAt: new Float64Array(size),
    sentAt: new Float64Array(size),
    startedAt: new Float64Array(size),
    endedAt: new Float64Array(size),
    outcome: new Array<AttemptOutcome | null>(size),
    agent: new Array<string>(size),
  };
  for (const [v, [, generation, attempt, sent, started, ended, outcome, agent, released]] of rows) {
    const i = next[v]!++;
    attempts.generation[i] = Number(generation);
    attempts.attempt[i] = Number(attempt);
    attempts.releasedAt[i] = Number(released);
    attempts.sentAt[i] = Number(sent);
    attempts.startedAt[i] = Number(started);
    attempts.endedAt[i] = Number(ended);
    attempts.outcome[i] = outcome === '' ? null : (outcome as AttemptOutcome);
    attempts.agent[i] = agent!;
  }
  return attempts;
}
