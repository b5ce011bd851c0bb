/** When the flows of a run began to read data and when they finished, for graph/rules/redo-walk.ts. Reading only. */
import type pg from 'pg';
import { hasStarted } from '../../graph/run/settle.ts';
import { FLAG, has, type RunState } from '../../graph/run/state.ts';
import { codeOf } from '../../graph/run/status.ts';
import type { RunContext } from '../record/run-context.ts';
import { inSnapshot, type Reading } from '../record/snapshot.ts';
import type { Queryable } from '../schema/pool.ts';
import { readRows } from '../schema/rows-as-text.ts';

export interface DataTimes {
  readonly state: RunState;
  /** PostgreSQL's clock, ms. */
  readonly now: number;
  /** By vertex, ms: when the newest attempt of its generation began; 0 = it has not started. */
  readonly startedAt: Float64Array;
  /** By vertex, ms: when it succeeded; 0 = it has not. */
  readonly finishedAt: Float64Array;
  /** By vertex: 1 = it was passed, skipped or retired. */
  readonly stops: Uint8Array;
}

/** One snapshot. O(V + attempts of the run). */
export async function readDataTimes(pool: pg.Pool, context: RunContext, graceMs: number): Promise<DataTimes> {
  return inSnapshot(pool, { context, graceMs }, readStarts, ({ state, resultAt, now }, starts) => {
    const { n } = context.graph;
    const startedAt = new Float64Array(n);
    const finishedAt = new Float64Array(n);
    const stops = new Uint8Array(n);
    for (let v = 0; v < n; v++) {
      const result = state.result[v]!;
      if (result === codeOf('succeeded')) finishedAt[v] = resultAt[v]!;
      if (has(state, v, FLAG.RETIRED) || result === codeOf('force_passed') || result === codeOf('skipped'))
        stops[v] = 1;
      if (!hasStarted(state, v)) continue;
      const started = starts.get(`${context.graph.ids[v]} ${state.generation[v]}`);
      // A gate is confirmed when it has its result. A program that was sent and is not known to have started reads from now on.
      startedAt[v] = started ?? (result === 0 ? now : resultAt[v]!);
    }
    return { state, now, startedAt, finishedAt, stops };
  });
}

/** Flow, generation and start of all attempts of a run that have started, the oldest first. */
export const startRows = (client: Queryable, run: string): Promise<Iterable<string[]>> =>
  readRows(client, {
    name: 'starts-text',
    columns: ['flow_id', 'generation', 'started_ms'],
    from: 'from attempts where run_id = $1 and started_ms is not null',
    order: 'epoch',
    values: [run],
  });

/** Start of the newest attempt by flow and generation. */
async function readStarts({ client, context }: Reading): Promise<Map<string, number>> {
  const starts = new Map<string, number>();
  for (const [flow, generation, started] of await startRows(client, context.run.id))
    starts.set(`${flow} ${generation}`, Number(started));
  return starts;
}
