/** Why no agent has claimed a flow that is in the outbox: what a claim would lack now (protocol C8, C9), and signs that agents hang. */

import { keptAgainst } from '../run/room.ts';
import type { AgentFacts, WaitingClaim, WhyFacts } from '../run/run-facts.ts';
import { type Condition, condition, HUNG_MS, IDLE_MS, STANDSTILL_MS } from './condition.ts';
import { holderKey } from './room-holders.ts';
import type { Situation } from './situation.ts';

/** All conditions of a flow in the outbox; never empty. O(agents + pools and locks of the flow). */
export function claimSide(at: Situation, v: number, claim: WaitingClaim): Condition[] {
  const { graph, facts } = at;
  const list: Condition[] = [];
  const since = claim.releasedAt;
  const scopes = [`run:${facts.run}`, `platform:${claim.platform}`];
  for (const pause of facts.pauses)
    if (scopes.includes(pause.scope))
      list.push(
        condition('paused', Math.max(pause.from, since), {
          by: `${pause.scope} ${pause.actor}`,
          reason: pause.reason || null,
        }),
      );
  list.push(...agentSide(at, claim));
  claim.pools.forEach((name, i) => {
    const pool = facts.pools.get(name);
    if (pool === undefined || pool.used + claim.poolAmounts[i]! > pool.size)
      list.push(
        condition('pool_full', since, {
          by: name,
          reason: poolText(pool, claim.poolAmounts[i]!),
          until: roomInPool(at, name, claim.poolAmounts[i]!),
        }),
      );
  });
  for (const key of claim.locks) {
    const holder = facts.locks.get(key);
    if (holder === undefined) continue;
    const where = holder.run === facts.run ? '' : `${holder.run} `;
    list.push(
      condition('lock_held', Math.max(holder.since, since), {
        by: where + holder.flow,
        reason: (key.startsWith('work:') ? facts.workText?.(v) : null) ?? key,
        until: at.holders.byFlow.get(holderKey(holder.run, holder.flow))?.until ?? null,
      }),
    );
  }
  if (list.length === 0) list.push(...keptFromIt(at, v, claim));
  if (list.length > 0) return list;
  const waited = facts.now - since;
  if (graph.ids[v]!.endsWith('.import') && graph.attrOf(v).kind === 'distribution' && waited > HUNG_MS)
    return [condition('distribution_waiting_import', since)];
  const taking = takingAgents(facts, claim);
  if (waited > IDLE_MS && taking.every((agent) => agent.used === 0))
    return [condition('tasktracker_hung', since, { by: namesOf(taking) })];
  return [standstill(at, claim) ?? condition('waiting_agent', since)];
}

const fits = (agent: AgentFacts, { platform, labels }: WaitingClaim): boolean =>
  agent.platform === platform && agent.live && labels.every((label) => agent.labels.includes(label));

const takingAgents = (facts: WhyFacts, claim: WaitingClaim): AgentFacts[] =>
  facts.agents.filter((agent) => fits(agent, claim) && !agent.drained);

const namesOf = (agents: readonly AgentFacts[]): string => agents.map((agent) => agent.name).join(', ');

/**
 * The condition that nothing moves on the platform: no flow of the run has ended there, and no agent there has claimed anything, for a while.
 * Claims show what other runs do, whose results are not read here.
 */
function standstill(at: Situation, { platform, releasedAt }: WaitingClaim): Condition | null {
  const { facts } = at;
  const ofPlatform = facts.agents.filter((agent) => agent.platform === platform);
  const taken = Math.max(0, ...ofPlatform.map((agent) => agent.takenAt));
  const since = Math.max(releasedAt, taken, at.lastEndOn(platform));
  return facts.now - since > STANDSTILL_MS ? condition('no_progress', since, { by: platform }) : null;
}

function agentSide(at: Situation, claim: WaitingClaim): Condition[] {
  const { facts } = at;
  const { platform, releasedAt: since, labels } = claim;
  const ofPlatform = facts.agents.filter((agent) => agent.platform === platform);
  const none = noLiveAgent(at, platform, since);
  if (none.length > 0) return none;
  const live = ofPlatform.filter((agent) => agent.live);
  const fitting = live.filter((agent) => fits(agent, claim));
  if (fitting.length === 0)
    return [condition('no_fitting_agent', since, { by: namesOf(live), reason: labels.join(', ') })];
  const taking = fitting.filter((agent) => !agent.drained);
  if (taking.length === 0) return [condition('agents_drained', since, { by: namesOf(fitting) })];
  if (taking.some((agent) => agent.used < agent.slots)) return [];
  const { firstEnd } = at.holders;
  const until = taking.reduce<number | null>(
    (first, entry) => earlier(first, firstEnd.get(entry.name) ?? null),
    null,
  );
  return [standstill(at, claim) ?? condition('no_free_slot', since, { by: namesOf(taking), until })];
}

const earlier = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? (a ?? b) : Math.min(a, b);

/** When `n` units of a pool should be free, ms; null = not known, as for one of the flows that hold it nothing is known. */
function roomInPool({ facts, holders }: Situation, name: string, n: number): number | null {
  const pool = facts.pools.get(name);
  if (pool === undefined || n > pool.size) return null;
  let free = pool.size - pool.used;
  for (const { pools, amounts, until } of holders.byPool.get(name) ?? []) {
    free += amounts[pools.indexOf(name)]!;
    if (free >= n) return until;
  }
  return null;
}

/** Conditions that room is kept for a flow that goes first: by graph/run/room.ts, which claims use, too. */
function keptFromIt({ graph, facts }: Situation, v: number, claim: WaitingClaim): Condition[] {
  const asks = { run: facts.run, flow: graph.ids[v]!, pools: claim.pools, amounts: claim.poolAmounts };
  return keptAgainst(
    { ...asks, locks: claim.locks },
    facts.kept,
    facts.pools,
    takingAgents(facts, claim).map(({ name, slots, used }) => ({ name, free: slots - used })),
  ).map(({ by, reason }) =>
    condition('room_kept', claim.releasedAt, {
      by: by.run === facts.run ? by.flow : `${by.run} ${by.flow}`,
      reason,
    }),
  );
}

const poolText = (pool: { size: number; used: number } | undefined, n: number): string =>
  pool === undefined
    ? `needs ${n} of a pool that does not exist`
    : `needs ${n}, ${pool.used} of ${pool.size} used`;

/** Nobody could take a flow of the platform; empty: somebody could. O(agents). */
export function noLiveAgent({ facts }: Situation, platform: string, since: number): Condition[] {
  const ofPlatform = facts.agents.filter((agent) => agent.platform === platform);
  if (ofPlatform.some((agent) => agent.live)) return [];
  const seen = Math.max(0, ...ofPlatform.map((agent) => agent.seenAt));
  return [condition('no_live_agent', Math.max(since, seen), { by: platform })];
}
