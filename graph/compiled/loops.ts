/** Dependency loops: sets of flows that wait for one another, and a shortest way round each. Pure, on typed arrays. */

/** Edges into each vertex: sources of `v` are `up[upOff[v] .. upOff[v + 1] - 1]`. */
export interface Upstreams {
  readonly upOff: Int32Array;
  readonly up: Int32Array;
}

export interface Components {
  /** Per vertex the number of its strongly connected component. Upstreams outside the component have smaller numbers. */
  readonly of: Int32Array;
  readonly count: number;
  /** The components that are loops (several members, or an edge to itself), each ascending. */
  readonly loops: number[][];
}

/** Strongly connected components, after Tarjan (1972), without recursion, because chains of 13,000 flows exist. O(V + E). */
export function components({ upOff, up }: Upstreams): Components {
  const n = upOff.length - 1;
  const of = new Int32Array(n).fill(-1);
  const order = new Int32Array(n);
  const low = new Int32Array(n);
  const next = upOff.slice(0, n);
  const path = new Int32Array(n);
  const open = new Int32Array(n);
  const loops: number[][] = [];
  let found = 0;
  let count = 0;
  let openTop = 0;
  for (let root = 0; root < n; root++) {
    if (order[root] !== 0) continue;
    let top = 0;
    path[top++] = root;
    while (top > 0) {
      const v = path[top - 1]!;
      if (order[v] === 0) {
        order[v] = low[v] = ++found;
        open[openTop++] = v;
      }
      let deeper = false;
      while (next[v]! < upOff[v + 1]!) {
        const u = up[next[v]!++]!;
        if (order[u] === 0) {
          path[top++] = u;
          deeper = true;
          break;
        }
        if (of[u] === -1 && order[u]! < low[v]!) low[v] = order[u]!;
      }
      if (deeper) continue;
      top--;
      if (top > 0) {
        const above = path[top - 1]!;
        if (low[v]! < low[above]!) low[above] = low[v]!;
      }
      if (low[v] !== order[v]) continue;
      const members: number[] = [];
      for (;;) {
        const u = open[--openTop]!;
        of[u] = count;
        members.push(u);
        if (u === v) break;
      }
      count++;
      if (members.length > 1 || hasEdge(upOff, up, v, v)) loops.push(members.sort((a, b) => a - b));
    }
  }
  return { of, count, loops };
}

/** Number of members of a loop from which a shortest way round is searched; bounds the time for loops of thousands. */
const STARTS = 200;

/**
 * A shortest way round a loop, downstream: `[a, b, c]` stands for a -> b -> c -> a (b waits for a). Shortest of all for loops of up to 200
 * members, else shortest through one of the first 200. O(members × edges inside).
 */
export function shortestWayRound({ upOff, up }: Upstreams, members: readonly number[]): number[] {
  const inside = new Set(members);
  let best: number[] | null = null;
  for (const start of members.slice(0, STARTS)) {
    const way = wayBack({ upOff, up }, inside, start, best?.length ?? members.length + 1);
    if (way !== null && (best === null || way.length < best.length)) best = way;
    if (best?.length === 1) break;
  }
  return best ?? [...members];
}

/** Breadth first from `start` over its upstreams, until one of them is `start` again; null when that takes `limit` steps or more. */
function wayBack(
  { upOff, up }: Upstreams,
  inside: ReadonlySet<number>,
  start: number,
  limit: number,
): number[] | null {
  const cameFrom = new Map<number, number>([[start, -1]]);
  let frontier = [start];
  for (let length = 1; length < limit && frontier.length > 0; length++) {
    const further: number[] = [];
    for (const v of frontier) {
      for (let e = upOff[v]!; e < upOff[v + 1]!; e++) {
        const u = up[e]!;
        if (u === start) {
          // v waits for start, and following cameFrom from v one comes to start: that is the order downstream, start first.
          const way = [start];
          for (let step = v; step !== start; step = cameFrom.get(step)!) way.push(step);
          return way;
        }
        if (!inside.has(u) || cameFrom.has(u)) continue;
        cameFrom.set(u, v);
        further.push(u);
      }
    }
    frontier = further;
  }
  return null;
}

function hasEdge(upOff: Int32Array, up: Int32Array, v: number, from: number): boolean {
  for (let e = upOff[v]!; e < upOff[v + 1]!; e++) if (up[e] === from) return true;
  return false;
}
