/**
 * What a change of flows touches: everything below them in whichever cycle, and who and what that concerns. Pure.
 *
 * An estate is the flows of a catalogue over all cycles, not of one run: an edge to an earlier period counts like any other, so the graph may
 * have circles.
 */
import type { Flow } from '../model.ts';

/** Vertices are places in `flows`; downstream of `v` are `down[k]` for k in `downOff[v] .. downOff[v + 1] - 1`, upstream likewise. */
export interface Estate {
  readonly flows: readonly Flow[];
  readonly index: ReadonlyMap<string, number>;
  readonly downOff: Int32Array;
  readonly down: Int32Array;
  readonly upOff: Int32Array;
  readonly up: Int32Array;
}

/**
 * The graph of the flows. With `before`, the flows of another version, it has the flows and edges of both: what hung on a flow before a change
 * is touched by it, too. Edges to flows that do not exist are left out. O(V + E).
 */
export function estateOf(given: Iterable<Flow>, before: Iterable<Flow> = []): Estate {
  const flows = [...given];
  const index = new Map(flows.map(({ id }, v) => [id, v]));
  const old = [...before];
  for (const flow of old)
    if (!index.has(flow.id)) {
      index.set(flow.id, flows.length);
      flows.push(flow);
    }
  const ups: Set<number>[] = flows.map(() => new Set());
  for (const list of [flows, old])
    for (const { id, after } of list)
      for (const { from } of after) {
        const u = index.get(from);
        if (u !== undefined) ups[index.get(id)!]!.add(u);
      }
  const n = flows.length;
  const upOff = new Int32Array(n + 1);
  const downOff = new Int32Array(n + 1);
  ups.forEach((list, v) => {
    upOff[v + 1] = upOff[v]! + list.size;
    for (const u of list) downOff[u + 1]!++;
  });
  for (let v = 0; v < n; v++) downOff[v + 1]! += downOff[v]!;
  const up = new Int32Array(upOff[n]!);
  const down = new Int32Array(upOff[n]!);
  const next = downOff.slice(0, n);
  let e = 0;
  ups.forEach((list, v) => {
    for (const u of list) {
      up[e++] = u;
      down[next[u]!++] = v;
    }
  });
  return { flows, index, downOff, down, upOff, up };
}

/** Vertices by distance from the roots, which come first; `by` is the one before on a shortest way, -1 at roots and what is not reached. */
export interface Reach {
  readonly order: readonly number[];
  readonly distance: Int32Array;
  readonly by: Int32Array;
}

/** Everything below (or above) the roots in an estate or in a run's graph, no further than `depth` edges. O(V + E). */
export function reachOf(
  estate: Pick<Estate, 'downOff' | 'down' | 'upOff' | 'up'>,
  roots: Iterable<number>,
  direction: 'down' | 'up' = 'down',
  depth = Number.POSITIVE_INFINITY,
): Reach {
  const [off, next] = direction === 'down' ? [estate.downOff, estate.down] : [estate.upOff, estate.up];
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

/** The shortest way from a root to `v`, both included. */
export function wayTo({ by }: Reach, v: number): number[] {
  const way = [v];
  for (let u = by[v]!; u !== -1; u = by[u]!) way.push(u);
  return way.reverse();
}

export interface Impact {
  /** Below the roots, nearest first; no root is among them. */
  readonly below: readonly number[];
  /** Key flows among roots and below, nearest first; the shortest way to one is `wayTo(reach, v)`. */
  readonly keys: readonly number[];
  readonly reach: Reach;
  /** Of roots and below: number of flows by procedure, by owner, by group. */
  readonly procedures: ReadonlyMap<string, number>;
  readonly owners: ReadonlyMap<string, number>;
  readonly groups: ReadonlyMap<string, number>;
  /** Those with a deadline among roots and below, nearest first. */
  readonly deadlines: readonly number[];
}

/** O(V + E). */
export function impactOf(estate: Estate, roots: readonly number[]): Impact {
  const reach = reachOf(estate, roots);
  const procedures = new Map<string, number>();
  const owners = new Map<string, number>();
  const groups = new Map<string, number>();
  for (const v of reach.order) {
    const { procedure, owner, groups: of } = estate.flows[v]!;
    if (procedure !== undefined) count(procedures, procedure);
    if (owner !== undefined) count(owners, owner);
    for (const group of of) count(groups, group);
  }
  return {
    below: reach.order.filter((v) => reach.distance[v]! > 0),
    keys: reach.order.filter((v) => estate.flows[v]!.key),
    reach,
    procedures,
    owners,
    groups,
    deadlines: reach.order.filter((v) => estate.flows[v]!.deadline !== undefined),
  };
}

const count = (counts: Map<string, number>, key: string): void => {
  counts.set(key, (counts.get(key) ?? 0) + 1);
};
