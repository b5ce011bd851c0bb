/**
 * What has to be redone because newer data came: after a result that is newer than what was built on it, or after a correction of a table
 * (protocol E6). Pure; services/rules reads the runs.
 *
 * Data goes from the flow that writes a table to those below it that read the table, within a run over any number of edges, from run to run over
 * the edge itself: readers of another period have other rows of the same table. Flows of which the tables are not known count as users of what is directly above
 * them. Edges inside a loop carry nothing.
 */
import type { Graph } from '../compiled/compact.ts';
import { reachOf } from '../compiled/reach.ts';
import type { FlowTables } from '../impact/untouched.ts';
import { type Subscriptions, subscribersTo } from '../run/subscriptions.ts';

/** A run as the walk sees it. */
export interface RunToWalk {
  readonly run: string;
  readonly graph: Graph;
  readonly subscriptions: Subscriptions;
  /** By vertex: when the attempt began whose result counts or that runs, ms; 0 = it has not started. */
  readonly startedAt: Float64Array;
  /** By vertex: 1 = it was passed, skipped or retired, so data does not go through it. */
  readonly stops: Uint8Array;
  /** Tables of a flow; null: it moves no data. */
  tablesOf(v: number): FlowTables | null;
}

/** A flow of a run, and the moment of what is newer there, ms. */
export interface Newer {
  readonly run: string;
  readonly v: number;
  readonly at: number;
}

export interface ToRedo {
  /** Started on older data than there is now, or than there will be. In topological order, like the others. */
  readonly redone: readonly number[];
  /** Not started, and reads what is redone: it has to wait for that. */
  readonly waiting: readonly number[];
}

/** Later than every moment: what is redone will be newer than everything that has started. */
const COMING = Number.POSITIVE_INFINITY;

/**
 * Flows to redo by run; runs without any are left out. `results`: flows that have finished at `at`; `corrected`: flows that read a table which was corrected
 * at `at`. O((V + E) x dirty writers / 32) for each run, once more for each time that an upstream run adds something.
 */
export function redoWalk(
  runs: ReadonlyMap<string, RunToWalk>,
  results: readonly Newer[],
  corrected: readonly Newer[],
): Map<string, ToRedo> {
  const walks = new Map([...runs].map(([id, run]) => [id, new Walk(run)]));
  for (const { run, v, at } of results) walks.get(run)?.finished(v, at);
  for (const { run, v, at } of corrected) walks.get(run)?.reads(v, at);
  const queue = new Set([...walks.keys()].filter((run) => walks.get(run)!.hasNews));
  for (const id of queue) {
    queue.delete(id);
    const walk = walks.get(id)!;
    for (const news of walk.go())
      for (const [other, to] of walks) if (other !== id && to.hear(news)) queue.add(other);
  }
  return new Map(
    [...walks].flatMap(([id, walk]) => {
      const found = walk.found();
      return found.redone.length + found.waiting.length === 0 ? [] : [[id, found] as const];
    }),
  );
}

/** Flows below what is redone that have started and stay as they are, as they use none of its data; in topological order. O(V + E). */
export function spared({ graph, startedAt, stops }: RunToWalk, { redone }: ToRedo): number[] {
  const members = new Set(redone);
  return reachOf(graph, redone)
    .order.filter((v) => !members.has(v) && startedAt[v]! > 0 && stops[v] === 0)
    .sort((a, b) => a - b);
}

/** A flow that has become newer, for runs that wait for it. */
interface News {
  readonly run: string;
  readonly flow: string;
  readonly at: number;
  readonly writes: readonly string[] | null;
}

class Walk {
  readonly #run: RunToWalk;
  readonly #writersOf: ReadonlyMap<string, readonly number[]>;
  /** By vertex: 0, or the moment of its newest result, `COMING` when it is redone. */
  readonly #newer: Float64Array;
  /** By vertex: the moment of the newest correction of a table that it reads. */
  readonly #corrected: Float64Array;
  /** By subscription: the moment of the newest result that the flow reads from there. */
  readonly #heard: Float64Array;
  readonly #told: Float64Array;
  readonly #waiting: Uint8Array;
  hasNews = false;

  constructor(run: RunToWalk) {
    const { graph, subscriptions } = run;
    this.#run = run;
    this.#writersOf = writersOf(run);
    this.#newer = new Float64Array(graph.n);
    this.#corrected = new Float64Array(graph.n);
    this.#heard = new Float64Array(subscriptions.list.length);
    this.#told = new Float64Array(graph.n);
    this.#waiting = new Uint8Array(graph.n);
  }

  finished(v: number, at: number): void {
    this.hasNews = raise(this.#newer, v, at) || this.hasNews;
  }

  reads(v: number, at: number): void {
    this.hasNews = raise(this.#corrected, v, at) || this.hasNews;
  }

  /** Whether it is news for a flow of this run. */
  hear({ run, flow, at, writes }: News): boolean {
    let isNews = false;
    for (const i of subscribersTo(this.#run.subscriptions, run, flow)) {
      const tables = this.#run.tablesOf(this.#run.subscriptions.list[i]!.v);
      if (tables !== null && !meets(writes, tables.reads)) continue;
      isNews = raise(this.#heard, i, at) || isNews;
    }
    return isNews;
  }

  found(): ToRedo {
    const all = [...this.#newer.keys()];
    return {
      redone: all.filter((v) => this.#newer[v] === COMING),
      waiting: all.filter((v) => this.#waiting[v] === 1),
    };
  }

  /** Goes through the run, upstream first; answers what became newer since the last time. */
  go(): News[] {
    const { graph, startedAt, stops, tablesOf } = this.#run;
    const { n, upOff, up, loopEdge } = graph;
    const words = (n + 31) >> 5;
    /** By vertex: which newer writers stand above it, itself included; null = none. */
    const above: (Uint32Array | null)[] = new Array(n).fill(null);
    const news: News[] = [];
    for (let v = 0; v < n; v++) {
      if (stops[v] === 1) continue;
      const tables = tablesOf(v);
      let bits: Uint32Array | null = null;
      let newest = this.#corrected[v]!;
      let isBelowRedone = false;
      for (let e = upOff[v]!; e < upOff[v + 1]!; e++) {
        if (loopEdge[e] === 1) continue;
        const u = up[e]!;
        bits = union(bits, above[u]!, words);
        if (this.#newer[u] === 0) continue;
        isBelowRedone ||= this.#newer[u] === COMING;
        const writes = tablesOf(u)?.writes;
        if (tables !== null && writes !== undefined && (writes === null || tables.reads === null))
          newest = Math.max(newest, this.#newer[u]!);
      }
      const elsewhere = this.#fromElsewhere(v);
      newest = Math.max(newest, elsewhere, this.#fromTables(tables, bits));
      const isOlder =
        tables === null
          ? isAskedAgain(graph, v) && (isBelowRedone || elsewhere === COMING)
          : newest > startedAt[v]!;
      if (isOlder && startedAt[v]! > 0) this.#newer[v] = COMING;
      this.#waiting[v] = tables !== null && newest === COMING && startedAt[v] === 0 ? 1 : 0;
      const at = this.#newer[v]!;
      if (at > 0 && tables !== null) {
        bits = bits === null ? new Uint32Array(words) : bits.slice();
        bits[v >> 5]! |= 1 << (v & 31);
        if (raise(this.#told, v, at))
          news.push({ run: this.#run.run, flow: graph.ids[v]!, at, writes: tables.writes });
      }
      above[v] = bits;
    }
    return news;
  }

  #fromElsewhere(v: number): number {
    const { off } = this.#run.subscriptions;
    let newest = 0;
    for (let i = off[v]!; i < off[v + 1]!; i++) newest = Math.max(newest, this.#heard[i]!);
    return newest;
  }

  /** The newest moment of a writer above that writes a table which the flow reads. */
  #fromTables(tables: FlowTables | null, above: Uint32Array | null): number {
    if (tables === null || tables.reads === null || above === null) return 0;
    let newest = 0;
    for (const table of tables.reads)
      for (const u of this.#writersOf.get(table) ?? [])
        if ((above[u >> 5]! & (1 << (u & 31))) !== 0) newest = Math.max(newest, this.#newer[u]!);
    return newest;
  }
}

function raise(list: Float64Array, i: number, at: number): boolean {
  if (list[i]! >= at) return false;
  list[i] = at;
  return true;
}

/** Null may be any table. */
const meets = (writes: readonly string[] | null, reads: readonly string[] | null): boolean =>
  writes === null || reads === null || writes.some((table) => reads.includes(table));

/** A set of one upstream is shared, not copied. */
function union(own: Uint32Array | null, more: Uint32Array | null, words: number): Uint32Array | null {
  if (more === null || more === own) return own;
  if (own === null) return more;
  const all = own.slice();
  for (let i = 0; i < words; i++) all[i]! |= more[i]!;
  return all;
}

function writersOf({ graph, tablesOf }: RunToWalk): ReadonlyMap<string, readonly number[]> {
  const writers = new Map<string, number[]>();
  for (let v = 0; v < graph.n; v++)
    for (const table of tablesOf(v)?.writes ?? []) {
      const known = writers.get(table);
      if (known === undefined) writers.set(table, [v]);
      else known.push(v);
    }
  return writers;
}

/** A gate or a notice whose confirmation does not outlive a rerun of what is above it. */
const isAskedAgain = (graph: Graph, v: number): boolean => graph.attrOf(v).onRerun === 'ask';
