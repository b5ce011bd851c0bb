/**
 * Final causes over several runs (docs/answers.md): what stands behind edges to other runs, found from run to run until nothing is missing. Pure: the
 * caller reads the runs that `needed` names. The same cause is one cause, however many ways lead to it.
 */
import { vertexOf } from '../compiled/compact.ts';
import { isDone } from '../run/state.ts';
import { type Unmet, unmetOf } from '../run/unmet.ts';
import { stepsUp, walkUp } from '../run/unmet-walk.ts';
import type { Cause } from './cause.ts';
import { CausesBehind } from './causes-behind.ts';
import { chainsFrom } from './chain-across.ts';
import {
  type ChainTo,
  type Found,
  finalCauses,
  isEdge,
  isSilent,
  type Others,
  type Remote,
} from './found-causes.ts';
import { Situation } from './situation.ts';
import { type AskedRun, causeOf, isCrossing, ofRun } from './why.ts';

/** A flow of a run, as an edge names it. */
export interface Needed {
  readonly run: string;
  readonly flow: string;
}

/** A run that was given. */
export interface Given {
  readonly id: string;
  readonly at: Situation;
  readonly unmet: Unmet;
  /** Open flows that other runs wait for. */
  readonly targets: Set<number>;
}

/** What is known of a flow to which an edge leads. `done`: the run that waits is about to receive that. */
type Behind =
  | { readonly is: 'open' | 'done'; readonly run: Given; readonly v: number }
  | { readonly is: 'absent'; readonly cause: Cause };

const nameOf = ({ run, flow }: Needed): string => `${run} ${flow}`;

const leadsTo = ({ flow, condition }: Found): Needed => ({ run: condition.by!, flow });

/** The runs around the one that is asked about. Give what `needed` names until it names nothing; then ask. */
export class Across implements Others {
  readonly home: Given;
  readonly #runs = new Map<string, Given | Cause>();
  readonly #absent = new Map<string, Cause>();
  /** By the name of a flow that flows of the asked run wait for. */
  #behind: ReadonlyMap<string, readonly Remote[]> | null = null;

  constructor(asked: AskedRun) {
    this.home = given(asked);
    this.#runs.set(this.home.id, this.home);
  }

  /** Runs that were not given, and flows that the given runs do not have. O(V + E) of each run, as often as more of its flows are waited for. */
  needed(): { readonly runs: readonly string[]; readonly flows: readonly Needed[] } {
    const runs = new Set<string>();
    const flows = new Map<string, Needed>();
    const looked = new Set<Given>(this.#given());
    for (const run of looked) {
      looked.delete(run);
      for (const needed of this.#edgesOf(run)) {
        const to = this.#runs.get(needed.run);
        if (to === undefined) runs.add(needed.run);
        else if ('at' in to) {
          const v = vertexOf(to.at.graph, needed.flow);
          if (v < 0) flows.set(nameOf(needed), needed);
          else if (!to.targets.has(v) && !isDone(to.at.s, v)) {
            to.targets.add(v);
            if (to !== this.home) looked.add(to);
          }
        }
      }
    }
    return { runs: [...runs], flows: [...flows.values()].filter((it) => !this.#absent.has(nameOf(it))) };
  }

  /** Runs to which unmet edges of the asked run lead. */
  neighbours(): string[] {
    return [...new Set([...this.#edgesOf(this.home)].map(({ run }) => run))];
  }

  /** Whether a flow of the asked run waits for another run, directly or through others of its run. O(V + E). */
  isCrossedFrom(v: number): boolean {
    const { at, unmet } = this.home;
    return isCrossing(unmet, walkUp(at.graph, unmet, [v]));
  }

  /** A run, or the cause why it was not opened. */
  give(run: string, found: AskedRun | Cause): void {
    this.#runs.set(run, 'graph' in found ? given(found) : found);
  }

  /** Why a run does not have a flow. */
  giveAbsent(needed: Needed, cause: Cause): void {
    this.#absent.set(nameOf(needed), cause);
  }

  /** Replaces edges to other runs by the causes behind them. O(edges x causes). */
  expand(found: readonly Found[]): Found[] {
    const known = new Map<string, Found & { at: number[] }>();
    const add = (id: string, item: Found, at: readonly number[]): void => {
      const before = known.get(id);
      const { remote } = item;
      if (before === undefined) {
        const own = remote === undefined ? {} : { remote: { ...remote, ends: [...remote.ends] } };
        // A cause of this very run also blocks what waits for it here.
        known.set(id, { ...item, ...own, at: item.through === undefined ? [...at] : [...item.at, ...at] });
        return;
      }
      for (const v of at) before.at.push(v);
      if (item.through !== undefined) before.through = item.through;
      for (const end of remote?.ends ?? [])
        if (before.remote?.ends.includes(end) === false) before.remote.ends.push(end);
    };
    for (const item of found) {
      const causes = isEdge(item) ? this.#causesOf(item) : null;
      if (causes === null) add(idOf(this.home, item), item, item.at);
      else for (const remote of causes) add(remote.id, this.#met(remote, item), item.at);
    }
    return [...known.values()];
  }

  /** Shortest ways from flows of the asked run to causes. O(V + E) of all runs. */
  chains(targets: readonly number[]): ChainTo {
    return chainsFrom(this.home, targets, ({ run, flow }) => {
      const to = this.#runs.get(run);
      if (to === undefined || !('at' in to)) return null;
      const v = vertexOf(to.at.graph, flow);
      return v < 0 ? null : { run: to, v };
    });
  }

  *#given(): Iterable<Given> {
    for (const run of this.#runs.values()) if ('at' in run) yield run;
  }

  /** What a run waits for in other runs: all of it in the run that was asked about, elsewhere what flows wait for that others wait for. */
  *#edgesOf(run: Given): Iterable<Needed> {
    const { at, unmet, targets } = run;
    const { list } = at.s.subscriptions;
    const waiting = run === this.home ? unmet.foreign.keys() : walkUp(at.graph, unmet, [...targets]).visited;
    for (const v of waiting)
      for (const i of unmet.foreign.get(v) ?? []) yield { run: list[i]!.run, flow: list[i]!.from };
  }

  #to(needed: Needed): Behind {
    const run = this.#runs.get(needed.run);
    if (run === undefined) throw new Error(`${needed.run} was not given`);
    if (!('at' in run)) return { is: 'absent', cause: run };
    const v = vertexOf(run.at.graph, needed.flow);
    if (v < 0) return { is: 'absent', cause: this.#absent.get(nameOf(needed))! };
    return { is: isDone(run.at.s, v) ? 'done' : 'open', run, v };
  }

  /** Null: the edge of the asked run is itself the cause. */
  #causesOf(edge: Found): readonly Remote[] | null {
    const needed = leadsTo(edge);
    const to = this.#to(needed);
    if (to.is === 'done') return null;
    if (to.is === 'absent') return [absentCause(this.home, edge, to.cause)];
    this.#behind ??= this.#resolve();
    return this.#behind.get(nameOf(needed))!;
  }

  /** A cause of another run as it is met here; one of this very run, met through others, is what it is without them. */
  #met(remote: Remote, edge: Found): Found {
    const { run, found } = remote;
    return run === this.home.id && found !== null ? { ...found, through: remote } : { ...edge, remote };
  }

  /** The causes behind each open flow that flows of the asked run wait for. O(V + E) of all runs, and 1/32 of that for each cause. */
  #resolve(): ReadonlyMap<string, readonly Remote[]> {
    const runs = [...this.#given()].filter((run) => run.targets.size > 0);
    const places = new Map<Given, number>();
    let nodes = 0;
    for (const run of runs) {
      places.set(run, nodes);
      // Nodes as in graph/run/unmet-walk.ts: two for each flow.
      nodes += 2 * run.at.graph.n;
    }
    const behind = new CausesBehind(nodes);
    for (const run of runs) this.#addRun(behind, run, (to, v) => places.get(to)! + v);
    const asked = new Map<string, number>();
    for (const needed of this.#edgesOf(this.home)) {
      const to = this.#to(needed);
      if (to.is === 'open') asked.set(nameOf(needed), places.get(to.run)! + to.v);
    }
    const found = behind.of([...asked.values()]);
    return new Map([...asked.keys()].map((name, i) => [name, found[i]!]));
  }

  #addRun(behind: CausesBehind, run: Given, nodeOf: (run: Given, v: number) => number): void {
    const { at, unmet, targets } = run;
    const walk = walkUp(at.graph, unmet, [...targets]);
    const base = nodeOf(run, 0);
    for (const from of walk.nodes)
      stepsUp(at.graph, unmet, from, (to) => behind.addEdge(base + from, base + to));
    for (const item of finalCauses(at, unmet, walk.finals, walk.visited, true)) {
      const to = isEdge(item) ? this.#to(leadsTo(item)) : null;
      if (to !== null && to.is === 'open') {
        const cause = (): Remote => localCause(run, item);
        for (const v of item.at) behind.addEdge(base + v, nodeOf(to.run, to.v), cause);
        continue;
      }
      const cause = to?.is === 'absent' ? absentCause(run, item, to.cause) : localCause(run, item);
      for (const v of item.at) behind.add(base + v, cause);
    }
    // What holds of the asked run as a whole is said once, before all others.
    if (run === this.home) return;
    for (const cause of ofRun(at, unmet)) {
      const remote = generalCause(run, cause);
      for (const v of targets) behind.addGeneral(base + v, remote);
    }
  }
}

function given({ graph, s, facts }: AskedRun): Given {
  const at = new Situation(graph, s, facts);
  const unmet = unmetOf(graph, at.s);
  return { id: facts.run, at, unmet, targets: new Set() };
}

const causeId = (run: string, flow: string | null, code: string, by: string | null): string =>
  JSON.stringify([run, flow, code, by]);

const idOf = ({ id }: { readonly id: string }, { flow, condition: { code, by } }: Found): string =>
  causeId(id, flow, code, by);

/** A final cause of a run, for those that wait for the run. */
function localCause(run: Given, found: Found): Remote {
  const { at, unmet } = run;
  const members = found.own < 0 ? found.at : (unmet.loops.get(found.own) ?? [found.own]);
  return {
    id: idOf(run, found),
    run: run.id,
    flow: found.flow,
    code: found.condition.code,
    since: found.condition.since,
    key: found.own >= 0 && at.graph.attrOf(found.own).key,
    silent: isSilent(at, found.condition),
    found,
    ends: [{ run: run.id, at: members, last: found.own < 0 ? found.flow : null }],
    make: (chain, blocks) => {
      const own = chain.flatMap((id) => (id.startsWith(`${run.id}/`) ? [id.slice(run.id.length + 1)] : []));
      return { ...causeOf(at, { ...found, blocks }, unmet, own), chain };
    },
  };
}

/** A cause of a run as a whole: for each flow that is waited for. */
function generalCause(run: Given, cause: Cause): Remote {
  const end = { run: run.id, at: [...run.targets], last: null };
  return { ...remoteOf(cause), ends: [end] };
}

/** The cause why a run was not opened, or does not have a flow, for the flows that wait for it. */
function absentCause(run: Given, { flow, condition, at }: Found, cause: Cause): Remote {
  const end = { run: run.id, at, last: `${condition.by}/${flow}` };
  return { ...remoteOf(cause), ends: [end] };
}

function remoteOf(cause: Cause): Omit<Remote, 'ends'> {
  const { run, flow, code, by, since, key } = cause;
  return {
    run,
    flow,
    code,
    since,
    key,
    silent: false,
    id: causeId(run, flow, code, by),
    found: null,
    make: (chain, blocks) => ({ ...cause, chain, blocks }),
  };
}
