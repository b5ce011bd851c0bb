/**
 * A run as docs/protocol.md tells it, slow and obvious: plain objects by flow id, everything that follows is worked out again from the facts
 * after each event. It shares no code with graph/: what the two agree on was said twice.
 */
import type { FlowAttrs } from '../../../graph/compiled/compact.ts';
import { attrsOf, type FlowSpec, foreignOf, loopsOf } from '../../support/run-graph.ts';

export type Outcome = 'succeeded' | 'failed' | 'cancelled' | 'skipped' | 'force_passed' | 'outcome_unknown';
export type Kind = 'program' | 'infrastructure' | 'timeout' | 'lost';

/** What is true of one flow now. */
export interface Facts {
  generation: number;
  attempt: number;
  outcome: Outcome | null;
  tainted: boolean;
  stale: boolean;
  /** Verbs in force. */
  held: boolean;
  skip: boolean;
  expedite: boolean;
  retired: boolean;
  triggered: boolean;
  startedNow: boolean;
  /** start-now has set something aside. */
  setAside: boolean;
  confirmed: boolean;
  /** A notice that was given in an earlier generation. */
  given: boolean;
  waived: Set<string>;
  /** Member of a rerun plan that is not done again; its running attempt is awaited first. */
  member: boolean;
  pending: { root: boolean; keepWaives: boolean; yields: boolean } | null;
  /** An old attempt may still be at work: until it reports (null) or until an instant. */
  previous: { until: number | null } | null;
  /** In the outbox; an agent has taken it; it was told to stop. */
  offered: boolean;
  claimed: boolean;
  stopping: boolean;
  notBefore: number;
  turnSince: number | null;
  /** Failures since the last answer. */
  troubles: Kind[];
  /** Answers `false` of this generation: how long each took, and the pause after it, ms. */
  questions: { took: number; pause: number }[];
  remindersPassed: number;
  /** How earlier generations ended. */
  history: readonly string[];
}

export interface Notice {
  readonly flow: string;
  readonly kind: string;
  readonly recipient: string | null;
}

export class Model {
  readonly specs: ReadonlyMap<string, FlowSpec>;
  readonly #definitions: ReadonlyMap<string, FlowAttrs>;
  readonly ids: readonly string[];
  readonly facts = new Map<string, Facts>();
  readonly inLoop: (from: string, to: string) => boolean;
  /** Upstreams in other runs: key `to <- from@run`. */
  readonly other = new Map<string, 0 | 1 | 2>();
  readonly notices: Notice[] = [];
  /** What other runs have to hear: flows whose results count no more, since the last exchange. */
  readonly redone: string[] = [];
  /** Why flows were given up in this exchange. */
  readonly gaveUp: string[] = [];
  readonly graceMs: number;
  closed = false;
  finished = false;
  /** The instant that is decided for, and the one that the record stamps on what is decided. */
  now: number;
  stamp: number;

  constructor(specs: readonly FlowSpec[], given: { now: number; graceMs: number }) {
    this.specs = new Map(specs.map((spec) => [spec.id, spec]));
    this.#definitions = new Map(specs.map((spec) => [spec.id, attrsOf(spec)]));
    this.ids = specs.map((spec) => spec.id);
    this.now = given.now;
    this.stamp = given.now;
    this.graceMs = given.graceMs;
    const loops = loopsOf(specs);
    this.inLoop = (from, to) => loops.some((members) => members.includes(from) && members.includes(to));
    for (const id of this.ids) this.facts.set(id, freshFacts());
  }

  spec(id: string): FlowSpec {
    return this.specs.get(id)!;
  }

  attrs(id: string): FlowAttrs {
    return this.#definitions.get(id)!;
  }

  of(id: string): Facts {
    return this.facts.get(id)!;
  }

  // The graph.

  upstreams(id: string): readonly string[] {
    return this.spec(id).after ?? [];
  }

  /** What it waits for in other runs, each as `from@run`. */
  foreign(id: string): string[] {
    return (this.spec(id).foreign ?? []).map((name) => {
      const { from, run } = foreignOf(name);
      return `${from}@${run}`;
    });
  }

  downstreams(id: string): string[] {
    return this.ids.filter((d) => this.upstreams(d).includes(id));
  }

  /** Everything below, the flow itself only when it is in a loop. */
  below(id: string): Set<string> {
    const found = new Set<string>();
    const visit = (u: string): void => {
      for (const d of this.downstreams(u))
        if (!found.has(d)) {
          found.add(d);
          visit(d);
        }
    };
    visit(id);
    return found;
  }

  /** Everything above in the order of the run: edges inside a loop are not part of it (protocol D7). */
  above(id: string): Set<string> {
    const found = new Set<string>();
    const visit = (d: string): void => {
      for (const u of this.upstreams(d))
        if (this.specs.has(u) && !this.inLoop(u, d) && !found.has(u)) {
          found.add(u);
          visit(u);
        }
    };
    visit(id);
    return found;
  }

  // Why a flow may not start (protocol D4).

  /** Protocol D5; a retired flow has left the graph (protocol E2). */
  isDone(id: string): boolean {
    const f = this.facts.get(id);
    if (f === undefined || f.retired) return false;
    return f.outcome === 'succeeded' || f.outcome === 'skipped' || f.outcome === 'force_passed';
  }

  unmet(id: string): string[] {
    const f = this.of(id);
    const own = this.upstreams(id).filter((u) => !f.waived.has(u) && !this.isDone(u));
    const foreign = this.foreign(id).filter(
      (u) => !f.waived.has(u) && (this.other.get(`${id} <- ${u}`) ?? 0) === 0,
    );
    return [...own, ...foreign];
  }

  /** E, rerun plans: each member waits for every member it is reachable from in the full graph. */
  membersAwaited(id: string): string[] {
    if (!this.of(id).member) return [];
    return [...this.above(id)].filter((u) => this.of(u).member);
  }

  isTriggered(id: string): boolean {
    const f = this.of(id);
    if (f.triggered || f.startedNow) return true;
    const { trigger } = this.attrs(id);
    return this.spec(id).excluded !== true && (trigger === 'auto' || trigger === 'time');
  }

  lacksUpstream(id: string): boolean {
    return this.unmet(id).length > 0 || this.membersAwaited(id).length > 0;
  }

  waitsForTime(id: string): boolean {
    const f = this.of(id);
    if (f.notBefore > this.now || (f.previous?.until ?? 0) > this.now) return true;
    return !f.startedNow && (this.spec(id).start ?? 0) > this.now;
  }

  /** What stands in the way of everybody, also of a skip. */
  obstacles(id: string): string[] {
    const f = this.of(id);
    const list: string[] = [];
    if (this.closed) list.push('closed');
    if (f.outcome !== null) list.push('has a result');
    if (f.retired) list.push('retired');
    if (f.held) list.push('held');
    if (f.pending !== null) list.push('rerun pending');
    if (f.previous !== null) list.push('previous attempt');
    if (!f.startedNow && this.lacksUpstream(id)) list.push('upstream');
    if (this.waitsForTime(id)) list.push('time');
    return list;
  }

  isReady(id: string): boolean {
    return this.isTriggered(id) && this.obstacles(id).length === 0;
  }

  phase(id: string): string {
    const f = this.of(id);
    if (!this.isTriggered(id)) return 'not_triggered';
    if (f.held) return 'held';
    if ((!f.startedNow && this.lacksUpstream(id)) || f.pending !== null) return 'waiting_upstream';
    if (this.waitsForTime(id)) return 'waiting_time';
    return this.attrs(id).runner === 'person' ? 'waiting_person' : 'waiting_agent';
  }

  /** As people see it; sent and running are one here. */
  state(id: string): string {
    const f = this.of(id);
    if (f.retired) return 'retired';
    if (f.outcome !== null) return f.outcome;
    return this.inHand(id) ? 'running' : this.phase(id);
  }

  /** An agent has it. */
  inHand(id: string): boolean {
    const f = this.of(id);
    return f.offered && f.claimed;
  }

  // What follows by itself.

  /** Protocol D6: of what is released now. */
  taintOf(id: string): boolean {
    const f = this.of(id);
    if (f.setAside || f.waived.size > 0) return true;
    if (this.upstreams(id).some((u) => this.isDone(u) && this.of(u).tainted)) return true;
    return this.foreign(id).some((u) => this.other.get(`${id} <- ${u}`) === 2);
  }

  follow(): void {
    for (const id of this.ids) {
      const f = this.of(id);
      if (f.outcome !== null) continue;
      if (f.startedNow && !f.setAside && this.lacksUpstream(id)) {
        f.setAside = true;
        this.releaseAnew(id);
      }
      if (this.inHand(id)) continue;
      if (!this.closed && (!this.isReady(id) || f.skip)) {
        if (f.offered) this.#withdraw(id);
        else if (this.attrs(id).runner === 'person') f.turnSince = null;
      }
    }
    while (this.ids.some((id) => this.#endsByItself(id)));
    if (this.closed) return;
    for (const id of this.ids) this.#offer(id);
  }

  #endsByItself(id: string): boolean {
    const f = this.of(id);
    if (f.outcome !== null || this.inHand(id)) return false;
    if (f.skip) {
      if (this.obstacles(id).length > 0) return false;
      this.end(id, 'skipped', true);
      return true;
    }
    const { runner } = this.attrs(id);
    if (!this.isReady(id) || runner === 'agent' || (runner === 'person' && !f.confirmed)) return false;
    if (runner === 'engine' && !f.given) this.tell(id, 'notify');
    f.turnSince ??= this.stamp;
    this.end(id, 'succeeded', this.taintOf(id));
    return true;
  }

  #offer(id: string): void {
    const f = this.of(id);
    if (f.outcome !== null || this.inHand(id)) return;
    if (!this.isReady(id)) return;
    f.turnSince ??= this.stamp;
    if (f.offered || this.attrs(id).runner !== 'agent') return;
    f.offered = true;
    f.tainted = this.taintOf(id);
  }

  /** Protocol D6: taint is fixed at release. When what it rests on changes before anybody claims the flow, it is released again. */
  releaseAnew(id: string): void {
    if (this.of(id).offered && !this.inHand(id)) this.#withdraw(id);
  }

  #withdraw(id: string): void {
    Object.assign(this.of(id), { offered: false, tainted: false, stale: false, turnSince: null });
  }

  end(id: string, outcome: Outcome, tainted: boolean): void {
    const f = this.of(id);
    Object.assign(f, { outcome, tainted, offered: false, claimed: false, stopping: false, expedite: false });
    f.notBefore = 0;
    if (outcome !== 'skipped') f.skip = false;
    if (this.isDone(id)) f.member = false;
  }

  tell(flow: string, kind: string, recipient: string | null = null): void {
    this.notices.push({ flow, kind, recipient });
  }

  // Time (protocol A4, C7).

  passTime(now: number): void {
    this.now = now;
    for (const f of this.facts.values())
      if (f.previous?.until != null && f.previous.until <= now) f.previous = null;
    this.follow();
  }

  /** Reminders, each once; the run is finished when every flow is done, has left, or was never asked for. */
  finale(): void {
    const leftOut = (id: string): boolean =>
      this.spec(id).excluded === true && this.of(id).outcome === null && !this.isTriggered(id);
    this.finished = this.ids.every((id) => this.isDone(id) || this.of(id).retired || leftOut(id));
    if (this.closed) return;
    for (const id of this.ids) {
      const f = this.of(id);
      if (f.outcome !== null || f.turnSince === null || f.confirmed) continue;
      const passed = (this.spec(id).moments ?? []).filter((moment) => moment.at <= this.now);
      if (passed.length <= f.remindersPassed) continue;
      f.remindersPassed = passed.length;
      const last = passed.sort((a, b) => a.at - b.at).at(-1)!;
      this.tell(id, last.kind, last.recipient);
    }
  }
}

export function freshFacts(): Facts {
  return {
    generation: 1,
    attempt: 1,
    outcome: null,
    tainted: false,
    stale: false,
    held: false,
    skip: false,
    expedite: false,
    retired: false,
    triggered: false,
    startedNow: false,
    setAside: false,
    confirmed: false,
    given: false,
    waived: new Set(),
    member: false,
    pending: null,
    previous: null,
    offered: false,
    claimed: false,
    stopping: false,
    notBefore: 0,
    turnSince: null,
    troubles: [],
    questions: [],
    remindersPassed: 0,
    history: [],
  };
}
