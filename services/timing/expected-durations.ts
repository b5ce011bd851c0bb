/** How long the flows of a run are expected to run, as what is planned or changed is weighed by it. */
import type pg from 'pg';
import type { ExpectedOrigin } from '../../graph/usual/expected.ts';
import { readUsual, type UsualOf } from '../../store/record/usual-times.ts';

export interface ExpectedDurations {
  /** Per vertex; 0 for what no agent runs: persons and the engine take no time that anybody could expect. */
  readonly ms: Float64Array;
  /** Per vertex, where the figure comes from; null where no agent runs it. */
  readonly origin: readonly (ExpectedOrigin | null)[];
}

export type ExpectDurations = (of: UsualOf) => ExpectedDurations | Promise<ExpectedDurations>;

/** Medians of what was learned (decision 0013). O(V). */
export const usualDurations =
  (pool: pg.Pool): ExpectDurations =>
  async (of) => {
    const { graph } = of.version.graphOf(of.run.cycle);
    const usual = await readUsual(pool, of);
    const byAgent = graph.ids.map((_, v) => graph.attrOf(v).runner === 'agent');
    return {
      ms: usual.durations.map((ms, v) => (byAgent[v] ? ms : 0)),
      origin: byAgent.map((runs, v) => (runs ? usual.expected(v).origin : null)),
    };
  };
