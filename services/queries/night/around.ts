/** Flows above and below a flow, also in runs of other cycles and periods: hour, day and month wait for one another. */
import { edgesToRuns, type RunEdge } from '../../../store/history/edges-around.ts';
import type { ServiceDeps } from '../../deps.ts';
import { flowsOf, type Scope, type ScopedFlow, type ScopedRun, scopedRun } from '../scope.ts';

export type Direction = 'up' | 'down';

/** A flow that was reached, with its distance in edges. */
export interface Reached extends ScopedFlow {
  readonly depth: number;
}

export class Around {
  readonly #direction: Direction;
  readonly #runs = new Map<string, ScopedRun>();
  readonly #flows = new Map<string, ScopedFlow>();
  /** By `RUN FLOW` the flows of other runs that lie one edge away. */
  readonly #across = new Map<string, { run: string; flow: string }[]>();

  private constructor(direction: Direction) {
    this.#direction = direction;
  }

  /**
   * Reads the runs around those of a scope: below, all that wait for them, directly or through others; above, those for which something still waits.
   * A few statements for each run.
   */
  static async read(
    deps: ServiceDeps,
    scope: Scope,
    flows: readonly ScopedFlow[],
    direction: Direction,
  ): Promise<Around> {
    const around = new Around(direction);
    around.#add(scope.runs, flows);
    let runs: readonly ScopedRun[] = scope.runs;
    while (runs.length > 0) {
      const edges = await edgesToRuns(
        deps.pool,
        runs.map(({ run }) => run.id),
        direction,
      );
      const more: ScopedRun[] = [];
      for (const id of new Set(edges.map((edge) => around.#addEdge(edge))))
        if (!around.#runs.has(id)) more.push(await scopedRun(deps, id, scope.now));
      around.#add(more, await flowsOf(deps, { runs: more }, {}));
      runs = more;
    }
    return around;
  }

  /** The flow itself at depth 0 first, then those of its own run, then those of other runs. O(V + E) of the runs reached. */
  from({ run, flow }: ScopedFlow): Reached[] {
    const own: Reached[] = [];
    const others: Reached[] = [];
    const seen = new Map<ScopedRun, Uint8Array>();
    const queue: { at: ScopedRun; v: number; depth: number }[] = [];
    const reach = (at: ScopedRun, v: number, depth: number): void => {
      const marks = seen.get(at) ?? new Uint8Array(at.graph.n);
      seen.set(at, marks);
      if (marks[v] === 1) return;
      marks[v] = 1;
      queue.push({ at, v, depth });
    };
    reach(run, run.index.get(flow.id)!, 0);
    for (const { at, v, depth } of queue) {
      const { graph } = at;
      const name = `${at.run.id} ${graph.ids[v]}`;
      const it = this.#flows.get(name);
      if (it !== undefined) (at === run ? own : others).push({ ...it, depth });
      const [off, next] = this.#direction === 'down' ? [graph.downOff, graph.down] : [graph.upOff, graph.up];
      for (let k = off[v]!; k < off[v + 1]!; k++) reach(at, next[k]!, depth + 1);
      for (const to of this.#across.get(name) ?? []) {
        const other = this.#runs.get(to.run);
        const u = other?.index.get(to.flow);
        if (other !== undefined && u !== undefined) reach(other, u, depth + 1);
      }
    }
    return [...own, ...others];
  }

  #add(runs: readonly ScopedRun[], flows: readonly ScopedFlow[]): void {
    for (const run of runs) this.#runs.set(run.run.id, run);
    for (const it of flows) this.#flows.set(`${it.run.run.id} ${it.flow.id}`, it);
  }

  /** Answers the run to which the edge leads. */
  #addEdge({ run, flow, upstreamRun, upstream }: RunEdge): string {
    const [from, to] =
      this.#direction === 'up'
        ? [
            { run, flow },
            { run: upstreamRun, flow: upstream },
          ]
        : [
            { run: upstreamRun, flow: upstream },
            { run, flow },
          ];
    const list = this.#across.get(`${from.run} ${from.flow}`) ?? [];
    list.push(to);
    this.#across.set(`${from.run} ${from.flow}`, list);
    return to.run;
  }
}

/** How a list names a flow: of another run with that before it. */
export const namedFrom = (home: ScopedRun, { run, flow }: Pick<ScopedFlow, 'run' | 'flow'>): string =>
  run.run.id === home.run.id ? flow.id : `${run.run.id}/${flow.id}`;
