/** How long flows are expected to run: what the catalogue says, and a minute where it says nothing. */
import type { Graph } from '../graph/compact.ts';
import type { Flow } from '../graph/model.ts';
import { DEFAULT_DURATION_MS } from '../graph/expected.ts';

export interface ExpectedDurations {
  /** Per vertex; 0 for what no agent runs: persons and the engine take no time that anybody could expect. */
  readonly ms: Float64Array;
  /** Per vertex, where the figure comes from: `catalogue`, `default`; null where no agent runs it. */
  readonly origin: readonly (string | null)[];
}

export type ExpectDurations = (
  graph: Graph,
  flow: (id: string) => Flow,
) => ExpectedDurations | Promise<ExpectedDurations>;

/** O(V). */
export const declaredDurations = (graph: Graph, flow: (id: string) => Flow): ExpectedDurations => {
  const ms = new Float64Array(graph.n);
  const origin = graph.ids.map((id, v): string | null => {
    if (graph.attrOf(v).runner !== 'agent') return null;
    const { expectedMs } = flow(id);
    ms[v] = expectedMs ?? DEFAULT_DURATION_MS;
    return expectedMs === undefined ? 'default' : 'catalogue';
  });
  return { ms, origin };
};
