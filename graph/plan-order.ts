/** Members of a rerun plan wait for the members above them, whatever lies between (protocol E): an end that released without an edge. */
import type { Graph } from './compact.ts';
import { type Generation, type History, lastEnd } from './flow-history.ts';
import type { AppliedPlan } from './run-facts.ts';

const memberAbove = new WeakMap<AppliedPlan, Uint8Array>();

/** Per vertex: 1 when a member of the plan is it or lies above it. O(V + E), once per plan. */
function aboveOf(graph: Graph, plan: AppliedPlan): Uint8Array {
  let above = memberAbove.get(plan);
  if (above !== undefined) return above;
  above = new Uint8Array(graph.n);
  for (let v = 0; v < graph.n; v++) {
    above[v] = plan.members.has(v) ? 1 : 0;
    for (let e = graph.upOff[v]!; above[v] === 0 && e < graph.upOff[v + 1]!; e++)
      if (graph.loopEdge[e] === 0) above[v] = above[graph.up[e]!]!;
  }
  memberAbove.set(plan, above);
  return above;
}

/** The latest end, after the plan's application and by `limit`, of a member above `v` that is reached over flows that are no members. */
export function planMemberEnd(
  at: History,
  v: number,
  gen: Generation,
  limit: number,
): { v: number; index: number; at: number } | null {
  const { graph, facts } = at;
  let best: { v: number; index: number; at: number } | null = null;
  for (const plan of facts.plans) {
    if (plan.at > limit || !plan.members.has(v) || (gen.index > 0 && plan.at < gen.begunAt)) continue;
    const above = aboveOf(graph, plan);
    const seen = new Set<number>();
    const stack = [v];
    while (stack.length > 0) {
      const d = stack.pop()!;
      for (let e = graph.upOff[d]!; e < graph.upOff[d + 1]!; e++) {
        const u = graph.up[e]!;
        if (graph.loopEdge[e] === 1 || above[u] === 0 || seen.has(u)) continue;
        seen.add(u);
        if (!plan.members.has(u)) {
          stack.push(u);
          continue;
        }
        const end = lastEnd(at, u, limit);
        if (end !== null && end.at > plan.at && end.at > (best?.at ?? 0)) best = { v: u, ...end };
      }
    }
  }
  return best;
}
