/** When the flows of a run had begun and finished at an instant of the past, for `rule try`. Reading only. */
import type { RunContext } from '../record/run-context.ts';
import type { Queryable } from '../schema/pool.ts';
import { readRows } from '../schema/rows-as-text.ts';
import { type DataTimes, startRows } from './data-times.ts';

export type PastTimes = Pick<DataTimes, 'startedAt' | 'finishedAt' | 'stops'>;

interface Generation {
  readonly v: number;
  readonly begunAt: number;
  /** Infinity: it is the present one. */
  readonly endedAt: number;
  readonly result: string;
  readonly resultAt: number;
  /** Starts of its attempts, the oldest first. */
  readonly starts: number[];
}

/** The past of a run: read once, asked for any instant. A flow that was retired meanwhile counts as it was before. O(generations + attempts). */
export async function readTimesOf(
  client: Queryable,
  context: RunContext,
): Promise<(at: number) => PastTimes> {
  const { run, graph, index } = context;
  const [past, present, attempts] = await Promise.all([
    readRows(client, {
      name: 'past-generations-text',
      columns: ['flow_id', 'generation', 'generation_ms', 'ended_ms', 'result', 'result_ms'],
      from: 'from flow_generations where run_id = $1',
      values: [run.id],
    }),
    readRows(client, {
      name: 'present-generations-text',
      columns: ['flow_id', 'generation', 'generation_ms', 'null::bigint', 'result', 'result_ms'],
      from: 'from run_flows where run_id = $1',
      values: [run.id],
    }),
    startRows(client, run.id),
  ]);
  const generations = new Map<string, Generation>();
  for (const rows of [past, present])
    for (const [flow, generation, begun, ended, result, resultAt] of rows) {
      const v = index.get(flow!);
      if (v === undefined) continue;
      generations.set(`${flow} ${generation}`, {
        v,
        begunAt: Number(begun),
        endedAt: ended === '' ? Number.POSITIVE_INFINITY : Number(ended),
        result: result!,
        resultAt: Number(resultAt),
        starts: [],
      });
    }
  for (const [flow, generation, started] of attempts)
    generations.get(`${flow} ${generation}`)?.starts.push(Number(started));
  return (at) => {
    const startedAt = new Float64Array(graph.n);
    const finishedAt = new Float64Array(graph.n);
    const stops = new Uint8Array(graph.n);
    for (const { v, begunAt, endedAt, result, resultAt, starts } of generations.values()) {
      if (begunAt > at || endedAt <= at) continue;
      const isOver = result !== '' && resultAt <= at;
      startedAt[v] = starts.findLast((start) => start <= at) ?? (isOver ? resultAt : 0);
      if (!isOver) continue;
      if (result === 'succeeded') finishedAt[v] = resultAt;
      if (result === 'force_passed' || result === 'skipped') stops[v] = 1;
    }
    return { startedAt, finishedAt, stops };
  };
}
