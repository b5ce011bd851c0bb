/** Walks over a run's graph for lists: everything above or below a flow, with its distance. */
import type { Graph } from '../../graph/compact.ts';

/** Vertices below `v` over edges of the run, nearest first, `v` itself not among them. O(V + E). */
export const below = (graph: Graph, v: number): Map<number, number> =>
  walk(v, graph.downOff, (k) => graph.down[k]!);

/** Vertices above `v`. */
export const above = (graph: Graph, v: number): Map<number, number> =>
  walk(v, graph.upOff, (e) => graph.up[e]!);

/** Vertex -> distance, in the order in which they were reached; a loop leads back to `v` and ends there. */
function walk(v: number, offsets: Graph['upOff'], next: (k: number) => number): Map<number, number> {
  const depth = new Map([[v, 0]]);
  for (const [u, d] of depth)
    for (let k = offsets[u]!; k < offsets[u + 1]!; k++) {
      const w = next(k);
      if (!depth.has(w)) depth.set(w, d + 1);
    }
  depth.delete(v);
  return depth;
}
