/** What a rerun leaves as it is: flows below whose input does not change. Pure. */
import type { Graph } from './compact.ts';

export interface UntouchedBranch {
  /** The flow that stays as it is. */
  readonly behind: number;
  /** In the order of the graph. */
  readonly flows: readonly number[];
}

/**
 * What lies below the roots and gets the same input as before, because each way to it leads over a flow that `stays` as it is. A flow behind
 * several of them is listed at the first in the order of the graph. O(V + E).
 */
export function untouchedBranches(
  graph: Graph,
  roots: readonly number[],
  stays: (v: number) => boolean,
): UntouchedBranch[] {
  const touched = new Uint8Array(graph.n);
  const isRoot = new Uint8Array(graph.n);
  for (const v of roots) isRoot[v] = 1;
  walk(graph, roots, touched, (v) => isRoot[v] === 1 || !stays(v));
  const seen = touched.slice();
  const branches: UntouchedBranch[] = [];
  for (let v = 0; v < graph.n; v++) {
    if (touched[v] === 0 || isRoot[v] === 1 || !stays(v)) continue;
    const flows = walk(graph, [v], seen, () => true).sort((a, b) => a - b);
    if (flows.length > 0) branches.push({ behind: v, flows });
  }
  return branches;
}

/** Marks everything below `from`, but not below what `leads` nowhere; returns what was not marked before. */
function walk(
  graph: Graph,
  from: readonly number[],
  mark: Uint8Array,
  leads: (v: number) => boolean,
): number[] {
  const found: number[] = [];
  const stack = [...from];
  for (const v of stack) mark[v] = 1;
  while (stack.length > 0) {
    const u = stack.pop()!;
    if (!leads(u)) continue;
    for (let k = graph.downOff[u]!; k < graph.downOff[u + 1]!; k++) {
      const d = graph.down[k]!;
      if (mark[d] === 1) continue;
      mark[d] = 1;
      found.push(d);
      stack.push(d);
    }
  }
  return found;
}
