/**
 * `why` over several runs a second time, slowly, from the words of docs/answers.md: sets of nodes that are reached from node to node. A node is a flow
 * of a run, an edge to a flow that does not exist or is done in its run, or a run that is not there. It shares nothing with graph/ but the codes.
 */

/** A flow of a run in a few words. */
export interface RandomFlow {
  readonly id: string;
  /** Flows of its own run that it waits for; names that no flow has do not exist. */
  readonly after: readonly string[];
  /** Flows of other runs: `RUN/FLOW`. */
  readonly foreign: readonly string[];
  readonly state: 'done' | 'failed' | 'cancelled' | 'retired' | 'held' | 'running' | 'gate' | 'waiting';
  readonly key: boolean;
  /** Edges that a person has waived: names out of `after` and `foreign`. */
  readonly waived: readonly string[];
  /** Edges to flows that are done in the other run, of which this run has heard. */
  readonly heard: readonly string[];
  /** Open member of a rerun plan. */
  readonly member: boolean;
}

export interface RandomRun {
  readonly id: string;
  readonly closed: boolean;
  readonly flows: readonly RandomFlow[];
}

export interface SlowCause {
  /** Run, flows of which one names it (of a loop all), code, and the run that an edge leads to. */
  readonly place: string;
  readonly blocks: number;
  /** Names on the shortest way, both ends included. */
  readonly length: number;
}

const CODES: Record<string, string> = {
  failed: 'upstream_failed',
  cancelled: 'cancelled',
  retired: 'retired',
  held: 'held',
  running: 'upstream_running',
  gate: 'gate_unconfirmed',
  waiting: 'engine_pending',
};

/** Names a cause: `members` are those of a loop, of which the engine names one. */
export const placeOf = (run: string, flow: string | null, code: string, by: string | null): string =>
  `${run} ${flow ?? '*'} ${code}${code === 'other_run' || code === 'backlog' ? ` ${by}` : ''}`;

const WAITING: readonly string[] = ['waiting', 'held', 'gate'];

/** Its own earlier period is a backlog. */
const codeOfEdge = (waiting: readonly string[], run: string, flow: string): string =>
  waiting.includes(`${run}/${flow}`) ? 'backlog' : 'other_run';

export class SlowAcross {
  readonly #runs: ReadonlyMap<string, RandomRun>;
  readonly #flows = new Map<string, { run: RandomRun; flow: RandomFlow }>();
  readonly #reach = new Map<string, ReadonlyMap<string, number>>();

  constructor(runs: readonly RandomRun[]) {
    this.#runs = new Map(runs.map((run) => [run.id, run]));
    for (const run of runs)
      for (const flow of run.flows) this.#flows.set(`${run.id}/${flow.id}`, { run, flow });
  }

  open(run: string): string[] {
    return this.#runs
      .get(run)!
      .flows.filter(({ state }) => state !== 'done' && state !== 'retired')
      .map(({ id }) => id);
  }

  /** The final causes of an open or retired flow. */
  why(run: string, id: string): SlowCause[] {
    const start = `${run}/${id}`;
    const ways = this.#from(start);
    const causes = new Map<string, SlowCause>();
    const home = this.open(run).map((flow) => `${run}/${flow}`);
    const add = (place: string, length: number, blocked: (flow: string) => boolean): void => {
      const before = causes.get(place);
      const blocks = home.filter(blocked).length;
      causes.set(place, { place, blocks, length: Math.min(length, before?.length ?? length) });
    };
    for (const node of ways.keys()) {
      const circle = this.#circle(node);
      if (!circle.every((it) => [...this.#next(it).keys()].every((next) => circle.includes(next)))) continue;
      const length = Math.min(...circle.map((it) => ways.get(it) ?? Number.POSITIVE_INFINITY));
      const blocked = (flow: string): boolean =>
        !circle.includes(flow) && circle.some((it) => this.#from(flow).has(it));
      for (const place of this.#told(circle))
        if (place.startsWith('edge ')) this.#addEdge(add, place.slice(5), ways);
        else add(place, length, blocked);
    }
    // A closed run is a cause for each flow that is waited for there.
    const closed = [...ways.keys()].filter(
      (node) => this.#flows.get(node)?.run.closed === true && (node === start || this.#isEntered(node, ways)),
    );
    for (const node of closed) {
      const other = this.#flows.get(node)!.run.id;
      const blocked = (flow: string): boolean =>
        other === run || [...this.#from(flow).keys()].some((it) => it.startsWith(`${other}/`));
      add(placeOf(other, null, 'run_closed', null), other === run ? 1 : ways.get(node)!, blocked);
    }
    return [...causes.values()];
  }

  /** Reached over an edge from another run. */
  #isEntered(node: string, ways: ReadonlyMap<string, number>): boolean {
    const run = node.split('/')[0];
    return [...ways.keys()].some((it) => !it.startsWith(`${run}/`) && this.#next(it).has(node));
  }

  #addEdge(
    add: (place: string, length: number, blocked: (flow: string) => boolean) => void,
    edge: string,
    ways: ReadonlyMap<string, number>,
  ): void {
    const [run, to] = edge.split(' ') as [string, string];
    const [by, upstream] = to.split('/') as [string, string];
    const waiting = this.#waitingFor(run, to);
    const length = Math.min(...waiting.map((it) => ways.get(it) ?? Number.POSITIVE_INFINITY)) + 1;
    add(placeOf(run, upstream, codeOfEdge(waiting, run, upstream), by), length, (it) =>
      waiting.some((node) => this.#from(it).has(node)),
    );
  }

  /** Flows of a run with an unmet edge to a flow of another one. */
  #waitingFor(run: string, to: string): string[] {
    return this.#runs.get(run)!.flows.flatMap((flow) => {
      const isUnmet = flow.foreign.includes(to) && !flow.waived.includes(to) && !flow.heard.includes(to);
      return isUnmet && WAITING.includes(flow.state) ? [`${run}/${flow.id}`] : [];
    });
  }

  /** Nodes that are waited for directly; the number is the names that they add to a way. */
  #next(node: string): Map<string, number> {
    const next = new Map<string, number>();
    const found = this.#flows.get(node);
    if (found === undefined) return next;
    const { run, flow } = found;
    const { state } = flow;
    if (!WAITING.includes(state)) return next;
    for (const up of flow.after) {
      if (flow.waived.includes(up)) continue;
      const upstream = this.#flows.get(`${run.id}/${up}`);
      if (upstream === undefined) next.set(`missing ${run.id}/${up}`, 1);
      else if (upstream.flow.state !== 'done') next.set(`${run.id}/${up}`, 1);
    }
    for (const up of flow.foreign) {
      if (flow.waived.includes(up) || flow.heard.includes(up)) continue;
      const upstream = this.#flows.get(up);
      const other = up.split('/')[0]!;
      if (!this.#runs.has(other)) next.set(`unopened ${other}`, 1);
      else if (upstream === undefined) next.set(`absent ${up}`, 1);
      else if (upstream.flow.state === 'done') next.set(`unheard ${run.id} ${up}`, 1);
      else next.set(up, 1);
    }
    if (flow.member) {
      const climb = (from: string, steps: number): void => {
        for (const up of this.#flows.get(from)?.flow.after ?? []) {
          const id = `${run.id}/${up}`;
          if (this.#flows.get(id)?.flow.member === true)
            next.set(id, Math.min(next.get(id) ?? Number.POSITIVE_INFINITY, steps + 1));
          if (this.#flows.has(id)) climb(id, steps + 1);
        }
      };
      climb(node, 0);
    }
    return next;
  }

  /** Everything that is waited for, directly or through others, with the names on the shortest way. */
  #from(node: string): ReadonlyMap<string, number> {
    const known = this.#reach.get(node);
    if (known !== undefined) return known;
    const ways = new Map([[node, 1]]);
    for (let changed = true; changed; ) {
      changed = false;
      for (const [at, length] of [...ways])
        for (const [next, steps] of this.#next(at))
          if ((ways.get(next) ?? Number.POSITIVE_INFINITY) > length + steps) {
            ways.set(next, length + steps);
            changed = true;
          }
    }
    this.#reach.set(node, ways);
    return ways;
  }

  /** The nodes that wait for it and that it waits for, itself among them. */
  #circle(node: string): string[] {
    return [...this.#from(node).keys()].filter((it) => this.#from(it).has(node));
  }

  #told(circle: readonly string[]): string[] {
    const [node] = circle as [string];
    const isRound = circle.length > 1 || this.#next(node).has(node);
    if (isRound) {
      const runs = new Set(circle.map((it) => it.split('/')[0]));
      if (runs.size === 1)
        return [
          placeOf(
            [...runs][0]!,
            [...circle]
              .sort()
              .map((it) => it.split('/')[1])
              .join('+'),
            'loop',
            null,
          ),
        ];
      return [`edge ${this.#firstEdge(circle)}`];
    }
    const [what, run] = node.split(' ') as [string, string];
    switch (what) {
      case 'missing': {
        const [of, flow] = run.split('/') as [string, string];
        return [placeOf(of, flow, 'dependency_invalid', null)];
      }
      case 'unopened':
        return [placeOf(run, null, 'run_not_opened', null)];
      case 'absent': {
        const [of, flow] = run.split('/') as [string, string];
        return [placeOf(of, flow, 'not_in_catalogue', null)];
      }
      case 'unheard':
        return [`edge ${run} ${node.split(' ')[2]}`];
      default: {
        const { run: of, flow } = this.#flows.get(node)!;
        const code = CODES[flow.state]!;
        // In a closed run nothing begins, and that is said of the run.
        if (of.closed && code === 'engine_pending') return [];
        return [placeOf(of.id, flow.id, code, null)];
      }
    }
  }

  /** Of the edges between runs in a circle the first by run, flow, code and the run that it leads to. */
  #firstEdge(circle: readonly string[]): string {
    const edges = circle.flatMap((from) =>
      [...this.#next(from).keys()].flatMap((to) => {
        const [run, by] = [from.split('/')[0]!, to.split('/')[0]!];
        if (!circle.includes(to) || run === by) return [];
        const flow = to.split('/')[1]!;
        const code = codeOfEdge(this.#waitingFor(run, to), run, flow);
        return [{ key: JSON.stringify([run, flow, code, by]), edge: `${run} ${to}` }];
      }),
    );
    return edges.sort((a, b) => (a.key < b.key ? -1 : 1))[0]!.edge;
  }
}
