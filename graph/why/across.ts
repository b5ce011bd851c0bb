/**
 * Final causes over several runs (docs/answers.md): what stands behind edges to other runs, found from run to run until nothing is missing. Pure: the
 * caller reads the runs that `needed` names. The same cause is one cause, however many ways lead to it.
 */
import { isDone } from '../run/state.ts';
import { type Unmet, unmetOf } from '../run/unmet.ts';
import { walkUp } from '../run/unmet-walk.ts';
import { causesAt } from './blocked.ts';
import type { Cause } from './cause.ts';
import { CausesBehind } from './causes-behind.ts';
import { chainsFrom } from './chain-across.ts';
import {
  type ChainTo,
  type Found,
  finalCauses,
  isEdge,
  isSilent,
  joined,
  type Others,
  type Remote,
} from './found-causes.ts';
import { Situation } from './situation.ts';
import { type AskedRun, causeOf, ofRun } from './why.ts';

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
  /** Causes of the run as a whole. */
  readonly general: readonly Cause[];
  readonly index: ReadonlyMap<string, number>;
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
  #behind: CausesBehind | null = null;

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
          const v = to.index.get(needed.flow);
          if (v === undefined) flows.set(nameOf(needed), needed);
          else if (!to.targets.has(v) && !isDone(to.at.s, v)) {
            to.targets.add(v);
            if (to !== this.home) looked.add(to);
          }
        }
      }
    }
    return { runs: [...runs], flows: [...flows.values()].filter((it) => !this.#absent.has(nameOf(it))) };
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
        known.set(id, { ...item, ...own, at: [...at] });
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
      const v = to !== undefined && 'at' in to ? to.index.get(flow) : undefined;
      return v === undefined ? null : { run: to as Given, v };
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
    const v = run.index.get(needed.flow);
    if (v === undefined) return { is: 'absent', cause: this.#absent.get(nameOf(needed))! };
    return { is: isDone(run.at.s, v) ? 'done' : 'open', run, v };
  }

  /** Null: the edge of the asked run is itself the cause. */
  #causesOf(edge: Found): readonly Remote[] | null {
    const needed = leadsTo(edge);
    const to = this.#to(needed);
    if (to.is === 'done') return null;
    if (to.is === 'absent') return [absentCause(this.home, edge, to.cause)];
    this.#behind ??= this.#resolve();
    return this.#behind.of(nameOf(needed));
  }

  /** A cause of another run as it is met here; one of this very run, met through others, is what it is without them. */
  #met(remote: Remote, edge: Found): Found {
    const { run, found } = remote;
    return run === this.home.id && found !== null ? { ...found, through: remote } : { ...edge, remote };
  }

  #resolve(): CausesBehind {
    const behind = new CausesBehind();
    for (const run of this.#given()) {
      const targets = [...run.targets];
      if (targets.length === 0) continue;
      const { graph } = run.at;
      const walk = walkUp(graph, run.unmet, targets);
      const found = finalCauses(run.at, run.unmet, walk.finals, walk.visited, true);
      const sources = joined(found);
      const ofSource = Map.groupBy(found.keys(), (i) => sources.of[i]!);
      const names = targets.map((v) => nameOf({ run: run.id, flow: graph.ids[v]! }));
      // What holds of the asked run as a whole is said once, before all others.
      const general = run === this.home ? [] : run.general.map((cause) => generalCause(run, cause));
      const what = found.map((item) => this.#leads(run, item));
      causesAt(graph, run.unmet, sources.list, targets).forEach((list, k) => {
        for (const cause of general) behind.addGeneral(names[k]!, cause);
        for (const source of list)
          for (const i of ofSource.get(source)!) {
            const leads = what[i]!;
            if ('on' in leads) behind.addThrough(names[k]!, leads.on, leads.edge);
            else behind.add(names[k]!, leads);
          }
      });
    }
    return behind;
  }

  /** The flow to which an edge leads on, or the cause that it is. */
  #leads(run: Given, item: Found): { on: string; edge: Remote } | Remote {
    if (!isEdge(item)) return localCause(run, item);
    const needed = leadsTo(item);
    const to = this.#to(needed);
    if (to.is === 'absent') return absentCause(run, item, to.cause);
    const edge = localCause(run, item);
    return to.is === 'done' ? edge : { on: nameOf(needed), edge };
  }
}

function given({ graph, s, facts }: AskedRun): Given {
  const at = new Situation(graph, s, facts);
  const unmet = unmetOf(graph, at.s);
  const index = new Map(graph.ids.map((id, v) => [id, v]));
  return { id: facts.run, at, unmet, index, general: ofRun(at, unmet), targets: new Set() };
}

const idOf = ({ id }: { readonly id: string }, { flow, condition: { code, by } }: Found): string =>
  JSON.stringify([id, flow, code, by]);

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
    id: JSON.stringify([run, flow, code, by]),
    found: null,
    make: (chain, blocks) => ({ ...cause, chain, blocks }),
  };
}
