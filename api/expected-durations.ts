/** How long the flows of a run are expected to run: what the catalogue says, and a minute where it says nothing. */
import { DEFAULT_DURATION_MS } from '../graph/expected.ts';
import type { Cycle } from '../graph/model.ts';
import type { CatalogueVersion } from '../store/catalogue.ts';

export interface ExpectedDurations {
  /** Per vertex; 0 for what no agent runs: persons and the engine take no time that anybody could expect. */
  readonly ms: Float64Array;
  /** Per vertex, where the figure comes from: `configured`, `default`; null where no agent runs it. */
  readonly origin: readonly (string | null)[];
}

/** A run's cycle and period, and the catalogue whose graph the vertices are of. */
export interface DurationsOf {
  readonly run: { readonly cycle: Cycle; readonly period: string };
  readonly version: CatalogueVersion;
}

export type ExpectDurations = (of: DurationsOf) => ExpectedDurations | Promise<ExpectedDurations>;

/** O(V). */
export const declaredDurations = ({ run, version }: DurationsOf): ExpectedDurations => {
  const { graph } = version.graphOf(run.cycle);
  const ms = new Float64Array(graph.n);
  const origin = graph.ids.map((id, v): string | null => {
    if (graph.attrOf(v).runner !== 'agent') return null;
    const { expectedMs } = version.flows.get(id)!;
    ms[v] = expectedMs ?? DEFAULT_DURATION_MS;
    return expectedMs === undefined ? 'default' : 'configured';
  });
  return { ms, origin };
};
