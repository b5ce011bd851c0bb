/** Which edge of a dependency loop is best removed (Q26). Pure. */

const STEP_LIMIT = 500_000;

export interface LoopEdge {
  readonly from: string;
  readonly to: string;
}

/**
 * The first of these rules that decides: an edge that carries no data; the edge that lies on most of the shortest ways round, one way for
 * each edge; the smallest ids. O(E x (V + E)) within the loop; in a loop of more than `STEP_LIMIT` such steps only the first edges count.
 */
export function weakestEdge(edges: readonly LoopEdge[], carriesData: (edge: LoopEdge) => boolean): LoopEdge {
  const downs = new Map<string, string[]>();
  for (const { from, to } of edges) {
    const list = downs.get(from);
    if (list === undefined) downs.set(from, [to]);
    else list.push(to);
  }
  const keyOf = (from: string, to: string): string => `${from} ${to}`;
  const ways = new Map<string, number>();
  for (const { from, to } of edges.slice(0, Math.max(1, Math.floor(STEP_LIMIT / edges.length)))) {
    const round = [from, ...shortestWay(downs, to, from)];
    for (let i = 1; i < round.length; i++) {
      const key = keyOf(round[i - 1]!, round[i]!);
      ways.set(key, (ways.get(key) ?? 0) + 1);
    }
  }
  return [...edges].sort(
    (a, b) =>
      Number(carriesData(a)) - Number(carriesData(b)) ||
      (ways.get(keyOf(b.from, b.to)) ?? 0) - (ways.get(keyOf(a.from, a.to)) ?? 0) ||
      (keyOf(a.from, a.to) < keyOf(b.from, b.to) ? -1 : 1),
  )[0]!;
}

/** Ids of a shortest way downstream, both ends included. O(V + E). */
function shortestWay(downs: ReadonlyMap<string, readonly string[]>, from: string, to: string): string[] {
  const before = new Map<string, string | null>([[from, null]]);
  for (const id of before.keys()) {
    if (id === to) break;
    for (const next of downs.get(id) ?? []) if (!before.has(next)) before.set(next, id);
  }
  const way: string[] = [];
  for (let id: string | null | undefined = to; id != null; id = before.get(id)) way.unshift(id);
  return way;
}
