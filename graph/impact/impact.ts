/**
 * What a change of flows affects: everything below them in all cycles, with its procedures, owners, groups and deadlines. Pure.
 *
 * An estate holds the flows of a catalogue of all cycles, not those of one run. An edge to an earlier period is an edge like any other, so
 * the graph may have loops.
 */
import { type Edges, type Reach, reachOf } from '../compiled/reach.ts';
import type { Flow } from '../model.ts';

/** Vertices are places in `flows`. */
export interface Estate extends Edges {
  readonly flows: readonly Flow[];
  readonly index: ReadonlyMap<string, number>;
}

/**
 * The graph of all flows. With `before`, the flows of an older version, it has the flows and edges of both, because a change also affects the
 * flows that depended on a flow before it. Edges to flows that do not exist are left out. O(V + E).
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

export interface Impact {
  /** Flows below the roots, nearest first, without the roots. */
  readonly below: readonly number[];
  /** Key flows at or below the roots, nearest first. `wayTo(reach, v)` is the shortest way to one. */
  readonly keys: readonly number[];
  readonly reach: Reach;
  /** Number of flows at or below the roots by procedure, by owner, by group. */
  readonly procedures: ReadonlyMap<string, number>;
  readonly owners: ReadonlyMap<string, number>;
  readonly groups: ReadonlyMap<string, number>;
  /** Flows with a deadline at or below the roots, nearest first. */
  readonly deadlines: readonly number[];
}

/** What a change of the roots affects. O(V + E). */
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
