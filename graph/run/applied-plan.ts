/** A rerun plan that was applied: its members wait for the members above them (protocol E3). */
import type { Graph } from '../compiled/compact.ts';

export class AppliedPlan {
  /** When it was applied, ms. */
  readonly at: number;
  readonly members: ReadonlySet<number>;
  readonly #graph: Graph;
  #above: Uint8Array | null = null;

  constructor(graph: Graph, at: number, members: ReadonlySet<number>) {
    this.#graph = graph;
    this.at = at;
    this.members = members;
  }

  /** Whether `v` is a member or lies below one. O(V + E) for the first question, then O(1). */
  isAtOrBelowMember(v: number): boolean {
    this.#above ??= this.#findAbove();
    return this.#above[v] === 1;
  }

  /** Per vertex: 1 when it is a member or a member lies above it; edges inside loops do not count. */
  #findAbove(): Uint8Array {
    const { n, upOff, up, loopEdge } = this.#graph;
    const above = new Uint8Array(n);
    for (let v = 0; v < n; v++) {
      above[v] = this.members.has(v) ? 1 : 0;
      for (let e = upOff[v]!; above[v] === 0 && e < upOff[v + 1]!; e++)
        if (loopEdge[e] === 0) above[v] = above[up[e]!]!;
    }
    return above;
  }
}
