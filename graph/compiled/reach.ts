/** What lies below or above vertices, in the graph of a run or of a whole catalogue. Pure. */
import type { Graph } from './compact.ts';

/** Edges in both directions: downstream of `v` are `down[k]` for k in `downOff[v] .. downOff[v + 1] - 1`, upstream likewise. */
export type Edges = Pick<Graph, 'downOff' | 'down' | 'upOff' | 'up'>;

/** What was reached from some roots. */
export interface Reach {
  /** The roots, then everything else by its distance from them. */
  readonly order: readonly number[];
  /** Per vertex: number of edges on a shortest way from a root; -1 when it is not reached. */
  readonly distance: Int32Array;
  /** Per vertex: the vertex before it on that way; -1 at roots and at what is not reached. */
  readonly by: Int32Array;
}

/**
 * The roots and everything below (`down`) or above (`up`) them, at most `depth` edges away. The graph may have loops.
 * O(V) memory, O(V + E) time.
 */
export function reachOf(
  edges: Edges,
  roots: Iterable<number>,
  direction: 'down' | 'up' = 'down',
  depth = Number.POSITIVE_INFINITY,
): Reach {
  const [off, next] = direction === 'down' ? [edges.downOff, edges.down] : [edges.upOff, edges.up];
  const distance = new Int32Array(off.length - 1).fill(-1);
  const by = new Int32Array(off.length - 1).fill(-1);
  const order: number[] = [];
  for (const v of roots)
    if (distance[v] === -1) {
      distance[v] = 0;
      order.push(v);
    }
  for (let i = 0; i < order.length; i++) {
    const u = order[i]!;
    if (distance[u]! >= depth) break;
    for (let k = off[u]!; k < off[u + 1]!; k++) {
      const d = next[k]!;
      if (distance[d] !== -1) continue;
      distance[d] = distance[u]! + 1;
      by[d] = u;
      order.push(d);
    }
  }
  return { order, distance, by };
}

/** The shortest way from a root to `v`, which was reached; both are included. O(length of the way). */
export function wayTo({ by }: Reach, v: number): number[] {
  const way = [v];
  for (let u = by[v]!; u !== -1; u = by[u]!) way.push(u);
  return way.reverse();
}

/** Everything below the roots without the roots themselves, in ascending order (topological in a run's graph). O(V + E + sorting). */
export function below(edges: Edges, roots: readonly number[]): number[] {
  const { order, distance } = reachOf(edges, roots);
  return order.filter((v) => distance[v]! > 0).sort((a, b) => a - b);
}
