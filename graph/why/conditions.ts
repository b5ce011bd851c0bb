/**
 * What keeps one flow from running, apart from the flows above it: codes of `why` (docs/answers.md). Conditions of the engine come from
 * graph/run/blockers.ts, so the answer cannot contradict the engine; those of a claim (slot, pool, lock, pause, agents) come from the record.
 */

import { type Blocker, blockers } from '../run/blockers.ts';
import type { OpenLease, Override, WhyFacts } from '../run/run-facts.ts';
import { FLAG, has } from '../run/state.ts';
import { isClaimed } from '../run/state-of.ts';
import { resultOf } from '../run/status.ts';
import { overLong } from '../usual/expected.ts';
import { gaveUpText } from './cause-text.ts';
import { type CauseCode, failedCause } from './causes.ts';
import { claimSide, noLiveAgent } from './claim-conditions.ts';
import { type Condition, condition, HUNG_MS } from './condition.ts';
import type { Situation } from './situation.ts';

/**
 * All conditions of a flow that is not done. With `final` nothing above it is unmet, so conditions of agents and persons count, too, and the list
 * is never empty. Without it, only those that would still hold when everything above is done.
 */
export function conditionsOf(at: Situation, v: number, final: boolean): Condition[] {
  const { graph, s, facts } = at;
  if (has(s, v, FLAG.RETIRED))
    return [byOverride(at, v, { code: 'retired', kind: 'retire' }, facts.generationAt[v]!)];
  const result = resultOf(s.result[v]!);
  if (result !== null) return [ended(at, v), ...unconfigured(at, v, final)];
  if (isClaimed(s, v)) return [claimed(at, v), ...unconfigured(at, v, final)];
  const skips = has(s, v, FLAG.SKIP);
  const list = blockers(graph, s, v)
    .flatMap((blocker) => fromBlocker(at, v, blocker))
    .map((entry) => (skips ? { ...entry, skips } : entry));
  const { runner, platform } = graph.attrOf(v);
  // A flow that is skipped needs neither trigger nor person nor agent.
  if (runner === 'person' && !has(s, v, FLAG.CONFIRMED) && !skips) list.push(unconfirmed(at, v));
  if (!final) return list;
  const claim = facts.claimOf(v);
  if (runner === 'agent' && !skips) {
    if (list.length === 0 && claim !== undefined) list.push(...claimSide(at, v, claim));
    // It would stand all the same when it is no longer held.
    if (has(s, v, FLAG.HELD)) list.push(...noLiveAgent(at, platform!, facts.generationAt[v]!));
  }
  list.push(...unconfigured(at, v, final));
  return list.length > 0 ? list : [condition('engine_pending', readySince(at, v))];
}

/** The loading platform silently leaves out an interface that one of its tables lacks, so this is added to all other conditions. */
function unconfigured({ facts }: Situation, v: number, final: boolean): Condition[] {
  const missing = final ? facts.missingTables(v) : [];
  if (missing.length === 0) return [];
  return [condition('interface_not_configured', facts.openedAt, { by: missing.join(', ') })];
}

/** When the last of its upstream flows was done: before that, its own conditions kept nothing from running. O(in-degree). */
function readySince({ graph, facts }: Situation, v: number): number {
  let since = Math.max(facts.generationAt[v]!, facts.openedAt);
  for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++)
    since = Math.max(since, facts.resultAt[graph.up[e]!]!);
  return since;
}

function overrideOf(facts: WhyFacts, v: number, kind: string): Override | undefined {
  return facts.overrides.get(v)?.findLast((entry) => entry.kind === kind);
}

/** A condition that a person's decision of `kind` made; it stands since then, or since `otherwise` when the decision is not known. */
function byOverride(
  { facts }: Situation,
  v: number,
  { code, kind }: { code: CauseCode; kind: string },
  otherwise: number,
): Condition {
  const found = overrideOf(facts, v, kind);
  return condition(code, found?.at ?? otherwise, {
    by: found?.actor ?? null,
    reason: found?.reason || null,
  });
}

/** The condition of a flow with a result that frees nothing. */
function ended(at: Situation, v: number): Condition {
  const { graph, s, facts } = at;
  const attempt = facts.lastAttempts.get(v);
  const since = facts.resultAt[v]!;
  const gaveUp = attempt?.gaveUp ?? null;
  const reason = attempt?.message ?? (gaveUp === null ? null : gaveUpText(gaveUp).en);
  const said = { by: attempt?.agent ?? null, reason, gaveUp };
  const result = resultOf(s.result[v]!);
  if (result === 'cancelled') return byOverride(at, v, { code: 'cancelled', kind: 'cancel' }, since);
  if (result === 'outcome_unknown') return condition('outcome_unknown', since, said);
  const { kind, runner } = graph.attrOf(v);
  if (runner === 'person') return byOverride(at, v, { code: 'gate_rejected', kind: 'reject' }, since);
  return condition(failedCause(kind), since, said);
}

function claimed({ graph, s, facts }: Situation, v: number): Condition {
  const lease = facts.leases.get(v);
  const { kind } = graph.attrOf(v);
  // The end of the attempt is in the log, and the coordinator has not read it yet.
  if (lease === undefined) return condition('engine_pending', facts.unread.since);
  const by = lease.agent;
  const agent = facts.agents.find((agent) => agent.name === by);
  // Nothing more is known until the lease ends; then the reaper decides.
  if (agent !== undefined && !agent.live)
    return condition('agent_silent', Math.max(agent.seenAt, lease.sentAt), { by });
  if (lease.startedAt === null) {
    const hung = facts.now - lease.sentAt > HUNG_MS;
    return condition(hung ? 'agent_hung' : 'sent_to_agent', lease.sentAt, { by });
  }
  if (lease.waits !== undefined) return waitsOf(lease.waits);
  const since = lease.startedAt;
  if (kind === 'interface' && isLate(facts, v))
    return condition('interface_late', since, { by, until: dueOf(facts, v) });
  const usual = facts.usualMs(v);
  const until = usual === null ? null : since + usual;
  const long = overLong(facts.now - since, usual) !== null;
  if (kind === 'distribution' && !long) return condition('distribution_pending', since, { by, until });
  const pending = has(s, v, FLAG.RERUN_PENDING) ? 'rerun_pending' : null;
  return condition(long ? 'upstream_running_long' : 'upstream_running', since, {
    by,
    until,
    reason: pending,
  });
}

/** What the agent reports of a running program: a fence that it waits for, processes that it cannot end. */
const waitsOf = ({ code = 'fence_held_elsewhere', since, by }: NonNullable<OpenLease['waits']>): Condition =>
  condition(code, since, { by });

/** The earlier of deadline and reference time, ms; 0 = it has neither. */
function dueOf(facts: WhyFacts, v: number): number {
  const [deadline, reference] = [facts.deadline[v]!, facts.referenceAt(v)];
  return deadline === 0 || reference === 0 ? deadline || reference : Math.min(deadline, reference);
}

const isLate = (facts: WhyFacts, v: number): boolean => dueOf(facts, v) !== 0 && facts.now > dueOf(facts, v);

function fromBlocker(at: Situation, v: number, blocker: Blocker): Condition[] {
  const { graph, s, facts } = at;
  switch (blocker.code) {
    case 'upstream':
    case 'loop':
    case 'dependency_invalid':
    case 'other_run':
    case 'rerun_above':
      // An upstream is not done: the walk goes on there.
      return [];
    case 'run_closed':
      // This is a cause of the whole run.
      return [];
    case 'retired':
      return [byOverride(at, v, { code: 'retired', kind: 'retire' }, facts.generationAt[v]!)];
    case 'held':
      return [byOverride(at, v, { code: 'held', kind: 'hold' }, facts.generationAt[v]!)];
    case 'not_triggered': {
      if (has(s, v, FLAG.SKIP)) return [];
      if (has(s, v, FLAG.EXCLUDED)) return [condition('procedure_excluded', facts.openedAt)];
      const { trigger, event, kind } = graph.attrOf(v);
      // The event of an interface means that its files have arrived.
      if (trigger === 'event' && kind === 'interface' && isLate(facts, v))
        return [condition('interface_late', readySince(at, v), { by: event, until: dueOf(facts, v) })];
      const code = trigger === 'event' ? 'event_condition_unmet' : 'not_triggered';
      return [condition(code, readySince(at, v), { by: event })];
    }
    case 'start_time': {
      const code = graph.attrOf(v).kind === 'interface' ? 'interface_not_due' : 'schedule_not_reached';
      return [condition(code, readySince(at, v), { until: blocker.until })];
    }
    case 'retry_backoff': {
      const last = facts.lastAttempts.get(v);
      const code = last?.outcome === 'false' ? 'check_false' : 'retry_backoff';
      const since = last?.endedAt ?? readySince(at, v);
      return [condition(code, since, { until: blocker.until, reason: last?.message ?? null })];
    }
    case 'previous_attempt_ending': {
      const lease = facts.leases.get(v);
      if (lease?.waits !== undefined) return [waitsOf(lease.waits)];
      const until = blocker.until === 0 ? null : blocker.until;
      return [condition(blocker.code, facts.generationAt[v]!, { until, by: lease?.agent ?? null })];
    }
    case 'rerun_pending':
      return [condition('rerun_pending', facts.generationAt[v]!)];
    default:
      blocker satisfies never;
      return [];
  }
}

function unconfirmed(at: Situation, v: number): Condition {
  const { graph, s, facts } = at;
  const since = s.released[v]! || readySince(at, v);
  const deadline = facts.deadline[v]!;
  return condition('gate_unconfirmed', since, {
    until: deadline === 0 ? null : deadline,
    by: graph.attrOf(v).role,
  });
}
