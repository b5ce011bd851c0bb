/**
 * What stands in the way of one flow by itself, apart from flows above it: codes of `why` (docs/answers.md). The engine's side is asked of
 * graph/blockers.ts, so the answer cannot contradict the engine; the claim's side (slot, pool, lock, pause, agents) is in the record.
 */
import { type Blocker, blockers } from './blockers.ts';
import { gaveUpText } from './cause-text.ts';
import { claimSide } from './claim-conditions.ts';
import { type Condition, condition, HUNG_MS, type Situation } from './condition.ts';
import { overLong } from './expected.ts';
import type { OpenLease, Override, WhyFacts } from './run-facts.ts';
import { FLAG, has } from './state.ts';
import { resultOf } from './status.ts';
import { isInHand } from './unmet.ts';

/** Codes of `why`, each with what it means. Served with the API's schema. */
export const CAUSES = {
  agent_hung: 'sent to an agent more than 10 minutes ago and not started',
  agent_silent: 'the agent that has it has not been heard of for a whole lease time',
  agents_drained: 'every agent that could take it is drained',
  already_ran: 'it is done',
  backlog: 'an earlier period is not finished: its own, or the run before it',
  cancelled: 'its execution was cancelled',
  check_false: 'a check on data says no; it is tried again',
  dependency_invalid: 'it waits for a flow that does not exist',
  distribution_failed: 'a distribution failed',
  distribution_pending: 'a distribution is not complete',
  distribution_waiting_import: 'a distribution has waited more than 10 minutes for its import',
  engine_pending: 'its turn has come; the coordinator has not acted on it yet',
  event_condition_unmet: 'the event that triggers it has not come',
  fence_held_elsewhere:
    'its program waits on the platform: a session of elsewhere holds the fence of its work',
  gate_rejected: 'a person rejected it',
  gate_unconfirmed: 'a person has not confirmed it',
  held: 'an operator holds it',
  interface_failed: 'the load of an interface failed',
  interface_late: 'an interface is not loaded and its deadline or reference time has passed',
  interface_not_configured: 'the interface is missing in a load table of its target platform',
  interface_not_due: 'an interface is not due yet',
  lock_held: 'another flow holds a lock that it needs',
  loop: 'flows wait for one another',
  no_fitting_agent: 'no agent of the platform has the labels that it needs',
  no_free_slot: 'all slots of the agents that could take it are in use',
  no_live_agent: 'no agent of its platform is alive',
  no_progress:
    'nothing of the run has ended on its platform, and no agent there has taken anything, for 15 minutes',
  not_in_catalogue: 'the catalogue has no such flow',
  not_in_run: 'the run does not contain it: another cycle, or another catalogue version',
  not_triggered: 'it starts only when somebody triggers it',
  other_run: 'it waits for a flow of another run',
  outcome_unknown: 'its agent was lost; nobody knows whether it ran',
  paused: 'its run or platform is paused',
  pool_full: 'a pool that it needs is full',
  previous_attempt_ending: 'an older attempt has not reported its end',
  procedure_excluded: 'the run was opened for other procedures',
  processes_survive: 'its program is to end, and processes of it cannot be ended',
  rerun_pending: 'it is about to be rerun',
  retired: 'it was retired',
  retry_backoff: 'it failed and waits for the next attempt',
  room_kept: 'what it needs is kept for an expedited or key flow that stands before it',
  run_closed: 'the run is closed',
  run_frozen: 'the run is frozen until a person decides',
  run_not_opened: 'the run of this period was not opened',
  schedule_not_reached: 'its start time has not come',
  schedule_shifted: 'a blackout moved the opening of the run',
  sent_to_agent: 'it was sent to an agent and starts in a moment',
  tasktracker_hung: 'agents are alive and idle, and have not taken it for more than an hour',
  upstream_failed: 'it failed',
  upstream_running: 'it is running',
  upstream_running_long: 'it has been running for more than an hour, or for half as long again as usual',
  waiting_agent: 'it waits for an agent to take it',
} as const;
export type CauseCode = keyof typeof CAUSES;

/**
 * All conditions of a flow that is not done. `final`: nothing above it is unmet, so who carries it out counts too; never empty then.
 * Otherwise only what would still hold it back when everything above is done.
 */
export function conditionsOf(at: Situation, v: number, final: boolean): Condition[] {
  const { graph, s, facts } = at;
  if (has(s, v, FLAG.RETIRED)) return [byOverride(at, v, 'retired', 'retire', facts.generationAt[v]!)];
  const result = resultOf(s.result[v]!);
  if (result !== null) return [ended(at, v), ...unconfigured(at, v, final)];
  if (isInHand(s, v)) return [inHand(at, v), ...unconfigured(at, v, final)];
  const list = blockers(graph, s, v).flatMap((blocker) => fromBlocker(at, v, blocker));
  if (!final) return list;
  const { runner } = graph.attrOf(v);
  if (runner === 'person' && !has(s, v, FLAG.CONFIRMED)) list.push(unconfirmed(at, v));
  const claim = facts.claimOf(v);
  if (list.length === 0 && runner === 'agent' && claim !== undefined) list.push(...claimSide(at, v, claim));
  list.push(...unconfigured(at, v, final));
  return list.length > 0 ? list : [condition('engine_pending', readySince(at, v))];
}

/** The loading platform passes over what is not in all of its tables, without a word: said beside whatever else is in the way. */
function unconfigured({ facts }: Situation, v: number, final: boolean): Condition[] {
  const missing = final ? facts.missingTables(v) : [];
  if (missing.length === 0) return [];
  return [condition('interface_not_configured', facts.openedAt, { by: missing.join(', ') })];
}

/** When the last of its upstream flows was done: before, its own conditions were in nobody's way. O(in-degree). */
function readySince({ graph, facts }: Situation, v: number): number {
  let since = Math.max(facts.generationAt[v]!, facts.openedAt);
  for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++)
    since = Math.max(since, facts.resultAt[graph.up[e]!]!);
  return since;
}

function overrideOf(facts: WhyFacts, v: number, kind: string): Override | undefined {
  return facts.overrides.get(v)?.findLast((it) => it.kind === kind);
}

function byOverride(
  { facts }: Situation,
  v: number,
  code: CauseCode,
  kind: string,
  otherwise: number,
): Condition {
  const found = overrideOf(facts, v, kind);
  return condition(code, found?.at ?? otherwise, {
    by: found?.actor ?? null,
    reason: found?.reason || null,
  });
}

/** It has a result that frees nothing. */
function ended(at: Situation, v: number): Condition {
  const { graph, s, facts } = at;
  const attempt = facts.lastAttempts.get(v);
  const since = facts.resultAt[v]!;
  const gaveUp = attempt?.gaveUp ?? null;
  const reason = attempt?.message ?? (gaveUp === null ? null : gaveUpText(gaveUp).en);
  const said = { by: attempt?.agent ?? null, reason, gaveUp };
  const result = resultOf(s.result[v]!);
  if (result === 'cancelled') return byOverride(at, v, 'cancelled', 'cancel', since);
  if (result === 'outcome_unknown') return condition('outcome_unknown', since, said);
  const { kind, runner } = graph.attrOf(v);
  if (runner === 'person') return byOverride(at, v, 'gate_rejected', 'reject', since);
  if (kind === 'distribution') return condition('distribution_failed', since, said);
  return condition(kind === 'interface' ? 'interface_failed' : 'upstream_failed', since, said);
}

function inHand({ graph, s, facts }: Situation, v: number): Condition {
  const lease = facts.leases.get(v);
  const { kind } = graph.attrOf(v);
  // Its end is in the log and not read yet.
  if (lease === undefined) return condition('engine_pending', facts.unread.since);
  const by = lease.agent;
  const agent = facts.agents.find((it) => it.name === by);
  // Until its lease is over nobody can say more; then the reaper decides.
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

/** What its program waits for, or cannot get rid of, as its agent says. */
const waitsOf = ({ code = 'fence_held_elsewhere', since, by }: NonNullable<OpenLease['waits']>): Condition =>
  condition(code, since, { by });

/** Deadline or reference time, the earlier of those that there are; 0 = neither. */
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
      // Something above it: the walk goes there.
      return [];
    case 'run_closed':
      // A cause of the run as a whole.
      return [];
    case 'retired':
      return [byOverride(at, v, 'retired', 'retire', facts.generationAt[v]!)];
    case 'held':
      return [byOverride(at, v, 'held', 'hold', facts.generationAt[v]!)];
    case 'not_triggered': {
      if (has(s, v, FLAG.EXCLUDED)) return [condition('procedure_excluded', facts.openedAt)];
      const { trigger, event, kind } = graph.attrOf(v);
      // The event of an interface says that its files are there.
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
