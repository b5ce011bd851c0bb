/**
 * Tables that two flows write for one period without an order between them: chance decides which one is the later and replaces what the other one
 * wrote. Pure.
 */
import { mappedCycle, shiftOf } from '../calendar/calendar.ts';
import { canonicalJson } from '../compiled/hash.ts';
import { components, type Upstreams } from '../compiled/loops.ts';
import type { FlowData, TableKey } from '../impact/lineage.ts';
import type { EdgeSpec, Flow } from '../model.ts';

export interface UnorderedWriters {
  readonly table: TableKey;
  /** A pair of writers; the second one comes later in the graph. */
  readonly first: string;
  readonly second: string;
}

/** Limit of the pairs that are looked at for one table. */
const PAIRS = 10_000;
/** Number of sources whose downstream flows are found in one pass over the graph. */
const TOGETHER = 1_024;

type Writer = Pick<Flow, 'id' | 'kind' | 'cycle' | 'period' | 'program' | 'parameters' | 'after'>;
type Pair = readonly [from: number, to: number];

/**
 * At most one pair for each table. Not reported are flows of one SQL file with different parameters (they write different rows), checks and flows
 * of persons, and one file in runs of different cycles, as its lock keeps these apart (protocol D2, C9). O(V + E) for each 1,024 flows that
 * share a table and are not ordered by a direct edge.
 */
export function unorderedWriters(flows: readonly Writer[], data: readonly FlowData[]): UnorderedWriters[] {
  if (data.length === 0) return [];
  const index = new Map(flows.map(({ id }, i) => [id, i]));
  const writers = new Map<TableKey, number[]>();
  for (const { flow, writes } of data) {
    const i = index.get(flow);
    if (i === undefined || !changesTables(flows[i]!)) continue;
    for (const table of writes) {
      const list = writers.get(table);
      if (list === undefined) writers.set(table, [i]);
      else list.push(i);
    }
  }
  const shared = [...writers].filter(([, list]) => list.length > 1);
  if (shared.length === 0) return [];
  const inRun = new Order(flows, index, (edge) => edge.cycle === undefined && shiftOf(edge.period) === 0);
  const asked = shared.map(([table, list]) => ({ table, pairs: pairsWithin(flows, list, inRun) }));
  const across = shared.map(([, list]) => pairsAcross(flows, list));
  const anywhere = across.some((pairs) => pairs.length > 0) ? new Order(flows, index, () => true) : null;
  inRun.ask(asked.flatMap(({ pairs }) => pairs));
  anywhere?.ask(
    across.flat().flatMap(([a, b]): Pair[] => [
      [a, b],
      [b, a],
    ]),
  );
  return asked.flatMap(({ table, pairs }, k): UnorderedWriters[] => {
    const found =
      pairs.find(([from, to]) => !inRun.orders(from, to)) ??
      across[k]!.find(([a, b]) => !anywhere!.orders(a, b) && !anywhere!.orders(b, a));
    return found === undefined ? [] : [{ table, first: flows[found[0]]!.id, second: flows[found[1]]!.id }];
  });
}

/** Whether a flow writes: gates, notices and checks do not. */
const changesTables = ({ kind }: Writer): boolean => kind !== 'check' && kind !== 'gate' && kind !== 'notify';

/** Key that flows of the same file share; unique for all others. */
const fileOf = ({ id, program }: Writer): string =>
  program?.type === 'sql' ? `file ${program.file} ${program.connection ?? ''}` : `flow ${id}`;

/** Parameters that are part of the work; the id of the run and the generation are not. */
const valuesOf = ({ parameters }: Writer): string =>
  canonicalJson(
    Object.fromEntries(
      Object.entries(parameters).filter(
        ([, value]) => !('from' in value) || (value.from !== 'run' && value.from !== 'generation'),
      ),
    ),
  );

const slotOf = ({ cycle, period }: Writer): string => `${cycle} ${JSON.stringify(shiftOf(period) ?? period)}`;

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return [...groups.values()];
}

/**
 * Pairs whose order makes all writers of the table ordered, among those of one run and one period: with writers in the order of the graph,
 * every one of a stretch of the same file against every one of the next stretch, and neighbours with the same file and values.
 */
function pairsWithin(flows: readonly Writer[], list: readonly number[], order: Order): Pair[] {
  return groupBy(list, (i) => slotOf(flows[i]!)).flatMap((group) => {
    if (group.length < 2) return [];
    const sorted = group.toSorted((a, b) => order.rank(a) - order.rank(b) || a - b);
    const pairs: Pair[] = [];
    let before: number[] = [];
    let stretch: number[] = [];
    for (const i of sorted) {
      if (stretch.length > 0 && fileOf(flows[stretch[0]!]!) !== fileOf(flows[i]!)) {
        before = stretch;
        stretch = [];
      }
      stretch.push(i);
      if (pairs.length + before.length > PAIRS) return pairs;
      for (const earlier of before) pairs.push([earlier, i]);
    }
    for (const alike of groupBy(sorted, (i) => `${fileOf(flows[i]!)} ${valuesOf(flows[i]!)}`))
      for (let k = 1; k < alike.length && pairs.length < PAIRS; k++) pairs.push([alike[k - 1]!, alike[k]!]);
    return pairs;
  });
}

/** Pairs of writers of a table and a period that are in different runs. */
function pairsAcross(flows: readonly Writer[], list: readonly number[]): Pair[] {
  const pairs: Pair[] = [];
  for (const group of groupBy(list, (i) => mappedCycle(flows[i]!.period, flows[i]!.cycle))) {
    const slots = groupBy(group, (i) => slotOf(flows[i]!));
    for (let k = 1; k < slots.length; k++)
      for (const a of slots[k - 1]!)
        for (const b of slots[k]!) {
          if (pairs.length >= PAIRS) return pairs;
          if (fileOf(flows[a]!) !== fileOf(flows[b]!)) pairs.push([a, b]);
        }
  }
  return pairs;
}

/** Whether one flow comes before another over the edges that count. */
class Order {
  readonly #graph: Upstreams;
  readonly #of: Int32Array;
  readonly #count: number;
  readonly #known = new Set<string>();

  constructor(
    flows: readonly Writer[],
    index: ReadonlyMap<string, number>,
    counts: (edge: EdgeSpec) => boolean,
  ) {
    const upOff = new Int32Array(flows.length + 1);
    const up: number[] = [];
    flows.forEach(({ after }, v) => {
      for (const edge of after) {
        const u = counts(edge) ? (index.get(edge.from) ?? index.get(`${edge.from}.import`)) : undefined;
        if (u !== undefined) up.push(u);
      }
      upOff[v + 1] = up.length;
    });
    this.#graph = { upOff, up: Int32Array.from(up) };
    ({ of: this.#of, count: this.#count } = components(this.#graph));
  }

  /** Every upstream has a smaller rank, or the same within a loop. */
  rank(v: number): number {
    return this.#of[v]!;
  }

  orders(from: number, to: number): boolean {
    return this.#of[from] === this.#of[to] || this.#known.has(`${from} ${to}`);
  }

  /** Decides the pairs; those with a direct edge need no walk. */
  ask(pairs: readonly Pair[]): void {
    const open = new Map<number, number[]>();
    for (const [from, to] of pairs) {
      if (this.#of[from]! >= this.#of[to]!) continue;
      if (this.#isDirect(from, to)) this.#known.add(`${from} ${to}`);
      else if (open.has(from)) open.get(from)!.push(to);
      else open.set(from, [to]);
    }
    const sources = [...open.keys()];
    for (let i = 0; i < sources.length; i += TOGETHER) this.#walk(sources.slice(i, i + TOGETHER), open);
  }

  #isDirect(from: number, to: number): boolean {
    const { up, upOff } = this.#graph;
    for (let e = upOff[to]!; e < upOff[to + 1]!; e++) if (up[e] === from) return true;
    return false;
  }

  /** A bit for each source, carried downstream from component to component. */
  #walk(sources: readonly number[], open: ReadonlyMap<number, readonly number[]>): void {
    const { up, upOff } = this.#graph;
    const words = Math.ceil(sources.length / 32);
    const bits = new Uint32Array(this.#count * words);
    sources.forEach((v, bit) => {
      bits[this.#of[v]! * words + (bit >> 5)]! |= 1 << (bit & 31);
    });
    for (const v of this.#sorted()) {
      const to = this.#of[v]! * words;
      for (let e = upOff[v]!; e < upOff[v + 1]!; e++) {
        const from = this.#of[up[e]!]! * words;
        if (from !== to) for (let w = 0; w < words; w++) bits[to + w]! |= bits[from + w]!;
      }
    }
    sources.forEach((from, bit) => {
      for (const to of open.get(from)!)
        if ((bits[this.#of[to]! * words + (bit >> 5)]! >>> (bit & 31)) & 1) this.#known.add(`${from} ${to}`);
    });
  }

  #inOrder: Int32Array | null = null;
  /** Vertices, upstream components first. */
  #sorted(): Int32Array {
    this.#inOrder ??= Int32Array.from(this.#of.keys()).sort((a, b) => this.#of[a]! - this.#of[b]!);
    return this.#inOrder;
  }
}
