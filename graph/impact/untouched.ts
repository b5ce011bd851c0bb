/** What a rerun redoes although nothing that it reads is written again: by the tables that flows use. Pure. */
import type { Graph } from '../compiled/compact.ts';
import { below } from '../compiled/reach.ts';

/** What a flow reads and writes, as keys that are equal when it is the same table; null: nothing is known, so it may be anything. */
export interface FlowTables {
  readonly reads: readonly string[] | null;
  readonly writes: readonly string[] | null;
}

/**
 * Flows below the roots that read none of the tables that are written again, in the order of the graph. `tablesOf` is null for flows that
 * move no data (people, notices): they are neither listed nor do they hand anything on. A flow of whose reads nothing is known counts
 * as touched, and one of whose writes nothing is known touches what waits for it directly. O(V + E + tables) for each round, of which
 * there are as many as the longest way against the order of the graph (one without loops).
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
