/**
 * A small estate that plays claims over and over: pools, agents with slots and labels, locks, pauses, flows that come at random moments
 * and take random times. Claims come one agent at a time, in random order, as they do through the API.
 */
import {
  type AgentRoom,
  type Allotment,
  allot,
  type PriorityFlow,
  type WaitingFlow,
} from '../../../graph/run/room.ts';

export interface SimFlow extends WaitingFlow {
  readonly id: number;
  readonly run: number;
  readonly comesAt: number;
  readonly takes: number;
  readonly key: boolean;
  /** An operator expedites it then; Infinity = never. */
  readonly expeditedAt: number;
  /** Infinity = without deadline. */
  readonly latestStart: number;
}

interface SimAgent {
  readonly name: string;
  readonly platform: string;
  readonly labels: readonly string[];
  readonly slots: number;
}

interface SimPause {
  readonly scope: string;
  readonly from: number;
  readonly to: number;
}

export interface Estate {
  readonly pools: ReadonlyMap<string, number>;
  readonly agents: readonly SimAgent[];
  readonly flows: readonly SimFlow[];
  readonly pauses: readonly SimPause[];
}

/** mulberry32: the same numbers for the same seed. */
export function dice(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function randomEstate(seed: number): Estate {
  const roll = dice(seed);
  const upTo = (n: number): number => 1 + Math.floor(roll() * n);
  const some = <T>(list: readonly T[], chance: number): T[] => list.filter(() => roll() < chance);
  const pools = new Map(Array.from({ length: upTo(3) }, (_, i) => [`pool${i}`, upTo(6)]));
  const platforms = ['yt', 'gp'].slice(0, upTo(2));
  // Each platform has an agent with every label: whatever comes can be carried out.
  const agents = platforms.flatMap((platform) =>
    Array.from({ length: upTo(3) }, (_, i) => ({
      name: `${platform}${i}`,
      platform,
      labels: i === 0 ? ['gpu', 'big'] : some(['gpu', 'big'], 0.3),
      slots: upTo(4),
    })),
  );
  const flows = Array.from({ length: 20 + upTo(60) }, (_, id): SimFlow => {
    const uses = some([...pools.keys()], 0.5);
    const comesAt = Math.floor(roll() * 200);
    return {
      id,
      run: upTo(3),
      comesAt,
      takes: roll() < 0.1 ? upTo(100) : upTo(20),
      key: roll() < 0.1,
      expeditedAt: roll() < 0.03 ? comesAt + upTo(50) : Number.POSITIVE_INFINITY,
      latestStart: roll() < 0.3 ? Math.floor(roll() * 400) : Number.POSITIVE_INFINITY,
      platform: platforms[Math.floor(roll() * platforms.length)]!,
      labels: some(['gpu', 'big'], 0.1),
      pools: uses,
      // Half of them take one unit, as most flows do.
      amounts: uses.map((name) => (roll() < 0.5 ? 1 : upTo(pools.get(name)!))),
      locks: some(['lock:a', 'lock:b', 'program:c'], 0.05),
    };
  });
  const pauses = some(['platform:yt', 'run:1', 'run:2'], 0.3).map((scope) => {
    const from = Math.floor(roll() * 200);
    return { scope, from, to: from + upTo(60) };
  });
  return { pools, agents, flows, pauses };
}

export interface Ended {
  readonly endedAt: number;
  /** By flow. */
  readonly startedAt: readonly number[];
  /** What went wrong, in words; empty = nothing. */
  readonly faults: readonly string[];
  /** How often an expedited or key flow waited for room and nothing else. */
  readonly waits: number;
}

const needsRoom = ({ pools, labels, locks }: WaitingFlow): boolean =>
  pools.length > 0 || labels.length > 0 || locks.some((key) => key.startsWith('lock:'));

/** Plays until everything has ended. `keeps` false: whatever fits is taken, in the waiting order. */
export function play(estate: Estate, seed: number, keeps: boolean): Ended {
  const roll = dice(seed ^ 0x5eed);
  const faults: string[] = [];
  const waiting: SimFlow[] = [];
  const running = new Map<number, { flow: SimFlow; agent: string; until: number }>();
  const startedAt = estate.flows.map(() => -1);
  const moments = new Set<number>([0]);
  for (const it of estate.flows) for (const at of [it.comesAt, it.expeditedAt]) moments.add(at);
  for (const it of estate.pauses) for (const at of [it.from, it.to]) moments.add(at);
  /** Flows that lacked nothing but room: by when they have to start. */
  const bounds = new Map<SimFlow, number>();
  let now = 0;
  let waits = 0;

  const used = (pool: string): number => {
    let units = 0;
    for (const { flow } of running.values())
      flow.pools.forEach((name, i) => {
        if (name === pool) units += flow.amounts[i]!;
      });
    return units;
  };
  const isExpedited = (flow: SimFlow): boolean => flow.expeditedAt <= now;
  const isPaused = (flow: SimFlow): boolean =>
    estate.pauses.some(
      ({ scope, from, to }) =>
        from <= now && to > now && (scope === `run:${flow.run}` || scope === `platform:${flow.platform}`),
    );
  const order = (a: SimFlow, b: SimFlow): number =>
    Number(isExpedited(b)) - Number(isExpedited(a)) ||
    (a.latestStart === b.latestStart ? 0 : a.latestStart - b.latestStart) ||
    Number(b.key) - Number(a.key) ||
    a.comesAt - b.comesAt ||
    a.id - b.id;

  const claim = (asks: SimAgent): Allotment<SimFlow> => {
    const open = waiting.filter((entry) => !isPaused(entry)).sort(order);
    const goesFirst = (flow: SimFlow): boolean => keeps && (flow.key || isExpedited(flow)) && needsRoom(flow);
    const first = open.filter(goesFirst).map((asking): PriorityFlow<SimFlow> => ({ asking, takeable: true }));
    const rest = open.filter(
      (entry) =>
        !goesFirst(entry) &&
        entry.platform === asks.platform &&
        entry.labels.every((l) => asks.labels.includes(l)),
    );
    const inUse = (name: string): number =>
      [...running.values()].filter((entry) => entry.agent === name).length;
    const agents = estate.agents.map((agent): AgentRoom => {
      const free = agent.slots - inUse(agent.name);
      return { ...agent, free, takes: agent === asks ? free : 0 };
    });
    const pools = new Map([...estate.pools].map(([name, size]) => [name, { size, used: used(name) }]));
    const heldLocks = new Set([...running.values()].flatMap((entry) => entry.flow.locks));
    return allot(first, [{ agents: [asks.name], waiting: rest }], { pools, heldLocks, agents }, order);
  };

  const begin = (flow: SimFlow, agent: string): void => {
    const bound = bounds.get(flow);
    if (bound !== undefined && now > bound)
      faults.push(`flow ${flow.id} started at ${now}, its room was to be free at ${bound}`);
    bounds.delete(flow);
    // What stands before others in line may take what they wait for: their count begins again.
    for (const other of [...bounds.keys()])
      if (order(flow, other) < 0 && (flow.key || isExpedited(flow))) bounds.delete(other);
    startedAt[flow.id] = now;
    waiting.splice(waiting.indexOf(flow), 1);
    running.set(flow.id, { flow, agent, until: now + flow.takes });
    moments.add(now + flow.takes);
    check(flow, agent);
  };

  const check = (flow: SimFlow, agent: string): void => {
    for (const name of flow.pools)
      if (used(name) > estate.pools.get(name)!) faults.push(`pool ${name} holds ${used(name)} at ${now}`);
    const by = estate.agents.find((other) => other.name === agent)!;
    const inHand = [...running.values()].filter((entry) => entry.agent === agent).length;
    if (inHand > by.slots) faults.push(`agent ${agent} has ${inHand} flows at ${now}`);
    if (by.platform !== flow.platform || !flow.labels.every((label) => by.labels.includes(label)))
      faults.push(`agent ${agent} cannot do flow ${flow.id}`);
    for (const other of running.values())
      if (other.flow !== flow && other.flow.locks.some((key) => flow.locks.includes(key)))
        faults.push(`flows ${flow.id} and ${other.flow.id} hold one lock at ${now}`);
    if (isPaused(flow)) faults.push(`flow ${flow.id} began in a pause`);
  };

  while (waiting.length > 0 || running.size > 0 || moments.size > 0) {
    const next = Math.min(...moments);
    if (!Number.isFinite(next)) break;
    moments.delete(next);
    now = next;
    for (const [id, it] of [...running]) if (it.until <= now) running.delete(id);
    waiting.push(
      ...estate.flows.filter(
        (flow) => flow.comesAt === now && startedAt[flow.id] === -1 && !waiting.includes(flow),
      ),
    );
    for (const it of [...bounds.keys()]) if (isPaused(it)) bounds.delete(it);
    let last: Allotment<SimFlow> = { assigned: [], kept: [] };
    for (let found = true; found; ) {
      found = false;
      for (const agent of [...estate.agents].sort(() => roll() - 0.5)) {
        last = claim(agent);
        for (const it of last.assigned) begin(it.asking, it.agent);
        found ||= last.assigned.length > 0;
      }
    }
    for (const { asking, pools } of last.kept) {
      if (!pools || bounds.has(asking)) continue;
      waits++;
      const holders = [...running.values()].filter(({ flow }) =>
        flow.pools.some((pool) => asking.pools.includes(pool)),
      );
      bounds.set(asking, Math.max(...holders.map((holder) => holder.until)));
    }
  }
  for (const it of waiting) faults.push(`flow ${it.id} never started`);
  return { endedAt: now, startedAt, faults, waits };
}
