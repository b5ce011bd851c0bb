/**
 * A member of a rerun plan waits for all members above it, also where the flows between them are no members (protocol E3). So the end of a member
 * can release a flow to which no edge of it leads; the critical path finds these ends here.
 */
import type { Graph } from '../compiled/compact.ts';
import type { AppliedPlan } from '../run/applied-plan.ts';
import {
  attemptsOf,
  type Generation,
  generationAt,
  type History,
  lastEnd,
  undoneSince,
} from './generations.ts';

/** Visits members of the plans above `v`; does not go on above a member for which `visit` returns true. O(V + E) at worst. */
function forMembersAbove(
  graph: Graph,
  plans: readonly AppliedPlan[],
  v: number,
  visit: (u: number) => boolean,
): void {
  const seen = new Set<number>();
  const stack = [v];
  while (stack.length > 0) {
    const d = stack.pop()!;
    for (let e = graph.upOff[d]!; e < graph.upOff[d + 1]!; e++) {
      const u = graph.up[e]!;
      if (graph.loopEdge[e] === 1 || seen.has(u) || !plans.some((plan) => plan.isAtOrBelowMember(u)))
        continue;
      seen.add(u);
      const settled = plans.some((plan) => plan.members.has(u)) && visit(u);
      if (!settled) stack.push(u);
    }
  }
}

/**
 * For a flow that is a member of a plan: which member above it ended last, at `limit` or before, and when. An end counts only when a plan with
 * that member had been applied before it. null = there is no such end, or no plan has this generation of the flow as a member. O(V + E) at
 * worst, and only for members.
 */
export function planMemberEnd(
  at: History,
  gen: Generation,
  limit: number,
): { v: number; index: number; at: number } | null {
  const { v } = gen;
  const plans = at.facts.plans.filter((plan) => plan.at <= limit);
  if (!plans.some((plan) => plan.members.has(v) && (gen.index === 0 || plan.at >= gen.begunAt))) return null;
  const latest = Math.max(...plans.map((plan) => plan.at));
  let best: { v: number; index: number; at: number } | null = null;
  forMembersAbove(at.graph, plans, v, (u) => {
    const end = lastEnd(at, u, limit);
    // An end before its plan was applied is not that of a member.
    if (end === null || !plans.some((plan) => plan.members.has(u) && plan.at < end.at)) return false;
    if (end.at > (best?.at ?? 0)) best = { v: u, ...end };
    // If it was sent after the last plan, it had waited for all members above it, unless start-now set them aside.
    if ((at.facts.overrides.get(u) ?? []).some((entry) => entry.kind === 'start-now')) return false;
    const sent = attemptsOf(at, generationAt(at, u, end.index), end.at).at(-1);
    return sent !== undefined && at.facts.attempts.sentAt[sent]! > latest;
  });
  return best;
}

/** Since when a member above `v` had not been done again at `decidedAt`; null when none was missing, or `v` was no member. O(V + E) at worst. */
export function memberMissingSince(at: History, v: number, decidedAt: number): number | null {
  const plans = at.facts.plans.filter((plan) => plan.at < decidedAt);
  if (!plans.some((plan) => plan.members.has(v))) return null;
  let since: number | null = null;
  forMembersAbove(at.graph, plans, v, (u) => {
    const missing = undoneSince(at, v, u, decidedAt);
    if (missing === null) return false;
    const both = Math.max(missing, memberSince(plans, u), memberSince(plans, v));
    since = Math.min(since ?? both, both);
    return false;
  });
  return since;
}

const memberSince = (plans: readonly AppliedPlan[], v: number): number =>
  plans.find((plan) => plan.members.has(v))?.at ?? 0;
