/** Expected durations of the flows of a run, by which plans and changes are weighed. */
import type pg from 'pg';
import type { ExpectedOrigin } from '../../graph/usual/expected.ts';
import { readUsual, type UsualOf } from '../../store/record/usual-times.ts';

export interface ExpectedDurations {
  /** Per vertex, ms; 0 for flows that no agent runs: how long a person takes cannot be expected. */
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
