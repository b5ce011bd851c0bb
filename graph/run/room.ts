/**
 * Which agent gets which waiting flow, and for which flows room is kept (protocol C8, C9, C10). Pure: store/agents/claims.ts calls it in the
 * transaction of a claim, `why` calls it with the same rows, and a simulation tests it.
 *
 * If a claim took whatever fits, small flows could fill a pool one after the other while a flow that needs several units of it waits for
 * ever. So expedited and key flows that need more than a slot (a pool, a named lock, a label) go first, and what becomes free is kept for
 * them. Keeping holds nothing: each claim computes it again, in the waiting order, from the flows that wait then. So two flows that need
 * the same pools cannot block each other, and no room is kept for a flow that was held, cancelled or paused, or whose pool is too small.
 */

/** A waiting flow. Its pools and locks, and a slot of an agent of its platform with its labels, must be free at the same time. */
export interface WaitingFlow {
  readonly platform: string;
  readonly labels: readonly string[];
  readonly pools: readonly string[];
  readonly amounts: readonly number[];
  readonly locks: readonly string[];
}

/** An agent that is alive and not drained. */
export interface AgentRoom {
  readonly name: string;
  readonly platform: string;
  readonly labels: readonly string[];
  readonly free: number;
  /** How many flows it takes in this claim; 0 = it has not asked for any. */
  readonly takes: number;
}

/** What there is to take: pools with their sizes and used units, held locks, agents with their free slots. */
export interface Rooms {
  readonly pools: ReadonlyMap<string, { readonly size: number; readonly used: number }>;
  /** Keys of locks that are held. */
  readonly heldLocks: ReadonlySet<string>;
  readonly agents: readonly AgentRoom[];
}

/** A flow that goes first: an expedited flow or a key flow. */
export interface PriorityFlow<T> {
  readonly asking: T;
  /** False: another claim has its row locked, so this claim cannot take it. Room is kept for it all the same. */
  readonly takeable: boolean;
}

/** Flows of one platform that the same agents can take, in the waiting order. */
export interface Line<T> {
  readonly agents: readonly string[];
  readonly waiting: readonly T[];
}

export interface Assigned<T> {
  readonly asking: T;
  readonly agent: string;
}

/** Room that is kept for a flow, and that other flows cannot use. */
export interface Kept<T> {
  readonly asking: T;
  /** The agent on which a slot is kept. null = no slot is free: only locks are kept, and the flow gets the next free slot. */
  readonly agent: string | null;
  /** True: only pools are missing, so they are kept, too. */
  readonly pools: boolean;
  /** Lock keys kept for it. */
  readonly locks: readonly string[];
}

export interface Allotment<T> {
  readonly assigned: readonly Assigned<T>[];
  readonly kept: readonly Kept<T>[];
}

/**
 * Assigns waiting flows to agents. `first`: flows that go first, in the waiting order. Each is assigned, or room is kept for
 * it as far as it lacks nothing else: locks at once, a slot when its locks are free, pools when it has a slot. `lines`: all other flows;
 * the agents of a line take its flows in turn, and `order` compares flows of two lines. Never more than the rooms hold.
 * O(first * agents + waiting).
 */
export function allot<T extends WaitingFlow>(
  first: readonly PriorityFlow<T>[],
  lines: readonly Line<T>[],
  rooms: Rooms,
  order: (a: T, b: T) => number,
): Allotment<T> {
  const left = new RemainingRoom(rooms);
  const assigned: Assigned<T>[] = [];
  const kept: Kept<T>[] = [];
  for (const { asking, takeable } of first) {
    const seats = left.seats(asking);
    // No agent could run it, or its pool is too small: nothing may stand idle until somebody changes that.
    if (seats.length === 0 || !left.couldEverHold(asking)) continue;
    const unlocked = asking.locks.every((key) => left.isUnlocked(key));
    const locks = left.keepLocks(asking);
    if (!unlocked) {
      kept.push({ asking, agent: null, pools: false, locks });
      continue;
    }
    const taker = takeable && left.fits(asking) ? left.bestTaker(seats) : undefined;
    const seat = taker ?? left.bestSeat(seats);
    if (seat === undefined) {
      kept.push({ asking, agent: null, pools: false, locks });
      continue;
    }
    left.take(asking, seat);
    if (taker === undefined) kept.push({ asking, agent: seat.name, pools: true, locks });
    else assigned.push({ asking, agent: taker.name });
  }
  const turns = lines.map((line) => ({ line, turn: [] as AgentRoom[] }));
  for (const [asking, at] of merged(lines, order)) {
    if (!left.fits(asking) || !asking.locks.every((key) => left.isUnlocked(key))) continue;
    const queue = turns[at]!;
    if (queue.turn.length === 0) queue.turn = left.takersOf(queue.line.agents);
    // Another line may have filled the agent meanwhile.
    while (queue.turn.length > 0 && !left.takes(queue.turn[0]!)) queue.turn.shift();
    const agent = queue.turn.shift();
    if (agent === undefined) continue;
    left.keepLocks(asking);
    left.take(asking, agent);
    assigned.push({ asking, agent: agent.name });
  }
  return { assigned, kept };
}

/** The free slots, units and locks less what the claim has assigned or kept so far. */
class RemainingRoom {
  readonly #rooms: Rooms;
  readonly #pools: Map<string, number>;
  readonly #locked: Set<string>;
  readonly #free: Map<string, number>;
  readonly #takes: Map<string, number>;
  readonly #byName: ReadonlyMap<string, AgentRoom>;

  constructor(rooms: Rooms) {
    this.#rooms = rooms;
    this.#pools = new Map([...rooms.pools].map(([name, pool]) => [name, pool.size - pool.used]));
    this.#locked = new Set(rooms.heldLocks);
    this.#free = new Map(rooms.agents.map((agent) => [agent.name, agent.free]));
    this.#takes = new Map(rooms.agents.map((agent) => [agent.name, agent.takes]));
    this.#byName = new Map(rooms.agents.map((agent) => [agent.name, agent]));
  }

  /** Agents that could carry it out. */
  seats({ platform, labels }: WaitingFlow): AgentRoom[] {
    return this.#rooms.agents.filter(
      (agent) => agent.platform === platform && labels.every((label) => agent.labels.includes(label)),
    );
  }

  couldEverHold({ pools, amounts }: WaitingFlow): boolean {
    return pools.every((name, i) => (this.#rooms.pools.get(name)?.size ?? -1) >= amounts[i]!);
  }

  isUnlocked(key: string): boolean {
    return !this.#locked.has(key);
  }

  keepLocks({ locks }: WaitingFlow): string[] {
    const now = locks.filter((key) => !this.#locked.has(key));
    for (const key of now) this.#locked.add(key);
    return now;
  }

  fits({ pools, amounts }: WaitingFlow): boolean {
    return pools.every((name, i) => (this.#pools.get(name) ?? -1) >= amounts[i]!);
  }

  takes(agent: AgentRoom): boolean {
    return this.#free.get(agent.name)! > 0 && this.#takes.get(agent.name)! > 0;
  }

  takersOf(names: readonly string[]): AgentRoom[] {
    return names.map((name) => this.#byName.get(name)!).filter((agent) => this.takes(agent));
  }

  bestTaker(seats: readonly AgentRoom[]): AgentRoom | undefined {
    return this.bestSeat(seats.filter((agent) => this.takes(agent)));
  }

  /**
   * Where a slot is kept: among the agents with the fewest labels, so that rare ones stay free, the one with the most free slots. It does
   * not depend on who asks: otherwise each agent would keep a slot of its own for the same flow.
   */
  bestSeat(seats: readonly AgentRoom[]): AgentRoom | undefined {
    const free = (agent: AgentRoom): number => this.#free.get(agent.name)!;
    return seats
      .filter((agent) => free(agent) > 0)
      .sort(
        (a, b) => a.labels.length - b.labels.length || free(b) - free(a) || (a.name < b.name ? -1 : 1),
      )[0];
  }

  take({ pools, amounts }: WaitingFlow, { name }: AgentRoom): void {
    pools.forEach((pool, i) => {
      this.#pools.set(pool, (this.#pools.get(pool) ?? 0) - amounts[i]!);
    });
    this.#free.set(name, this.#free.get(name)! - 1);
    this.#takes.set(name, this.#takes.get(name)! - 1);
  }
}

/** Flows of all lines in the waiting order, each with the number of its line. */
function merged<T>(lines: readonly Line<T>[], order: (a: T, b: T) => number): [T, number][] {
  const all = lines.flatMap(({ waiting }, at) => waiting.map((asking): [T, number] => [asking, at]));
  return lines.length < 2 ? all : all.sort(([a], [b]) => order(a, b));
}

/** Room that is kept for a flow, or that it is about to take. */
export interface KeptRoom {
  readonly run: string;
  readonly flow: string;
  readonly agent: string | null;
  readonly units: ReadonlyMap<string, number>;
  readonly locks: readonly string[];
}

/** For whom room would be kept if every agent asked now, in the waiting order. */
export function keptRoom(
  first: readonly (WaitingFlow & { readonly run: string; readonly flow: string })[],
  rooms: Rooms,
): KeptRoom[] {
  const { assigned, kept } = allot(
    first.map((asking) => ({ asking, takeable: true })),
    [],
    rooms,
    () => 0,
  );
  const taken = assigned.map(({ asking, agent }) => ({ asking, agent, pools: true, locks: asking.locks }));
  const byFlow = new Map([...kept, ...taken].map((entry) => [entry.asking, entry]));
  return first.flatMap((asking) => {
    const room = byFlow.get(asking);
    if (room === undefined) return [];
    const { agent, locks } = room;
    return [{ run: asking.run, flow: asking.flow, agent, units: keptUnits([room]), locks }];
  });
}

/**
 * What a waiting flow misses because it is kept for others that stand before it, with whom and what; empty when it could be taken.
 * `agents`: those that could carry it out, with their free slots.
 */
export function keptAgainst(
  asks: Pick<WaitingFlow, 'pools' | 'amounts' | 'locks'> & { readonly run: string; readonly flow: string },
  kept: readonly KeptRoom[],
  pools: Rooms['pools'],
  agents: readonly { readonly name: string; readonly free: number }[],
): { readonly by: KeptRoom; readonly reason: string }[] {
  const own = kept.findIndex((entry) => entry.run === asks.run && entry.flow === asks.flow);
  const before = own < 0 ? kept : kept.slice(0, own);
  const list: { by: KeptRoom; reason: string }[] = [];
  asks.pools.forEach((name, i) => {
    const { size, used } = pools.get(name) ?? { size: 0, used: 0 };
    const keeping = before.filter((entry) => entry.units.has(name));
    const units = keeping.reduce((sum, entry) => sum + entry.units.get(name)!, 0);
    const n = asks.amounts[i]!;
    if (keeping.length > 0 && used + units + n > size)
      list.push({ by: keeping[0]!, reason: `pool ${name}, needs ${n}, ${used} of ${size} used` });
  });
  for (const key of asks.locks) {
    const by = before.find((entry) => entry.locks.includes(key));
    if (by !== undefined) list.push({ by, reason: key });
  }
  const keepsAt = (name: string): KeptRoom[] => before.filter((entry) => entry.agent === name);
  const seat = agents.find(({ name }) => keepsAt(name).length > 0);
  if (seat !== undefined && agents.every(({ name, free }) => free <= keepsAt(name).length))
    list.push({ by: keepsAt(seat.name)[0]!, reason: `a slot of ${seat.name}` });
  return list;
}

/** Units of each pool that are kept. */
export function keptUnits(kept: readonly Kept<WaitingFlow>[]): Map<string, number> {
  const units = new Map<string, number>();
  for (const { asking, pools } of kept)
    if (pools)
      asking.pools.forEach((name, i) => {
        units.set(name, (units.get(name) ?? 0) + asking.amounts[i]!);
      });
  return units;
}
