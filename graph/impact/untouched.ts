/** Flows that a rerun redoes although none of the tables that they read is written again. Pure. */
import type { Graph } from '../compiled/compact.ts';
import { below } from '../compiled/reach.ts';

/** Tables that a flow reads and writes, as keys that are equal for the same table; null = not known, so it may be any table. */
export interface FlowTables {
  readonly reads: readonly string[] | null;
  readonly writes: readonly string[] | null;
}

/**
 * Flows below the roots that read none of the tables that are written again, in the order of the graph. `tablesOf` is null for flows that
 * move no data (gates, notices): they are not listed and pass nothing on. A flow whose reads are not known counts as affected; one whose writes
 * are not known affects the flows that wait for it directly. O(V + E + tables) for each round; there is one round, and more only in loops.
 */
export function untouchedFlows(
  graph: Graph,
  roots: readonly number[],
  tablesOf: (v: number) => FlowTables | null,
): number[] {
  const candidates = below(graph, roots);
  const touched = new Set(roots);
  const written = new Set<string>();
  for (const v of roots) for (const table of tablesOf(v)?.writes ?? []) written.add(table);
  const unknownWriter = (u: number): boolean => touched.has(u) && tablesOf(u)?.writes === null;
  for (let news = true; news; ) {
    news = false;
    for (const v of candidates) {
      if (touched.has(v)) continue;
      const tables = tablesOf(v);
      if (tables === null) continue;
      if (
        !(
          tables.reads === null ||
          tables.reads.some((table) => written.has(table)) ||
          upstream(graph, v).some(unknownWriter)
        )
      )
        continue;
      touched.add(v);
      for (const table of tables.writes ?? []) written.add(table);
      news = true;
    }
  }
  return candidates.filter((v) => !touched.has(v) && tablesOf(v) !== null);
}

const upstream = (graph: Graph, v: number): number[] => [
  ...graph.up.subarray(graph.upOff[v], graph.upOff[v + 1]),
];
