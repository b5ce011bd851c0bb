/**
 * A small estate that really happens, millisecond by millisecond, and notes what a record would: attempts, results, decisions of people,
 * pauses, plans. It knows nothing of the critical path; beside the facts it keeps what every flow was doing in every millisecond.
 */
import type { Graph } from '../../../graph/compiled/compact.ts';
import { AppliedPlan } from '../../../graph/run/applied-plan.ts';
import type {
  AttemptOutcome,
  Override,
  PastGeneration,
  PathFacts,
  Pause,
} from '../../../graph/run/run-facts.ts';
import { derive, emptyState, FLAG, type RunState } from '../../../graph/run/state.ts';
import { codeOf, isReleasing, type Result } from '../../../graph/run/status.ts';
import { type FlowSpec, graphOf } from '../../support/run-graph.ts';

export const OPENED = 1_000;

export interface SimFlow extends FlowSpec {
  /** How long an attempt runs, and how many attempts fail first. */
  readonly runs: number;
  readonly fails: number;
  readonly lock?: string;
  readonly pool?: number;
}

/** Something that somebody does, at an instant or as soon as the engine looks after it. */
export interface Action {
  readonly at: number;
  readonly verb: (typeof VERBS)[number];
  readonly flow: number;
  readonly other: number;
}
export const VERBS = [
  ...([
    'hold',
    'unhold',
    'trigger',
    'confirm',
    'waive',
    'start-now',
    'force-pass',
    'pause',
    'resume',
  ] as const),
  ...(['rerun', 'rerun-some', 'reject', 'cancel'] as const),
] as const;

export interface Estate {
  readonly flows: readonly SimFlow[];
  readonly actions: readonly Action[];
  readonly slots: number;
  readonly poolSize: number;
  /** Interval in ms at which the engine looks; in between, whatever is due waits. */
  readonly engineEvery: number;
  readonly now: number;
}

interface Attempt {
  readonly v: number;
  readonly generation: number;
  readonly attempt: number;
  /** When it was offered to agents. */
  readonly offered: number;
  readonly sent: number;
  startAt: number;
  started: number;
  endAt: number;
  ended: number;
  outcome: AttemptOutcome | null;
  /** Its end is known to the engine. */
  seen: boolean;
  superseded: boolean;
}

interface Live {
  generation: number;
  attempt: number;
  begun: number;
  released: number;
  offered: number;
  result: Result | null;
  resultAt: number;
  flags: number;
  due: number;
  triggered: number;
  fails: number;
}

/** What a flow did in one millisecond; several may be true at once. */
export type Doing =
  | 'running'
  | 'sent'
  | 'outbox'
  | 'lock'
  | 'pool'
  | 'held'
  | 'paused'
  | 'backoff'
  | 'untriggered'
  | 'early'
  | 'unconfirmed'
  | 'upstream'
  | 'ended'
  | 'old_attempt'
  /** Its attempt has ended; the engine has not looked since. */
  | 'undecided'
  /** Ready for another attempt, or for its first; the engine has not looked since. */
  | 'due'
  | 'ready';

export class Execution {
  readonly graph: Graph;
  readonly attempts: Attempt[] = [];
  readonly overrides: (Override & { v: number; endedAt: number | null })[] = [];
  readonly pauses: (Pause & { to: number | null })[] = [];
  readonly past = new Map<number, PastGeneration[]>();
  readonly plans: AppliedPlan[] = [];
  readonly waived: (number | null)[];
  /** By flow, then by millisecond since the opening. */
  readonly doing: Set<Doing>[][];
  readonly live: Live[];
  /** No verb set a rule aside, nothing was redone: the plain case. */
  calm = true;
  readonly #estate: Estate;
  readonly #pending: Action[];
  #t = OPENED;

  /** `notes`: whether `doing` is kept, which takes a quarter of the time. */
  constructor(estate: Estate, { notes = true } = {}) {
    this.#estate = estate;
    this.graph = graphOf(estate.flows);
    this.waived = new Array(this.graph.m).fill(null);
    this.doing = estate.flows.map(() => []);
    this.#pending = [...estate.actions].sort((a, b) => a.at - b.at);
    this.live = estate.flows.map((flow) => ({
      generation: 1,
      attempt: 1,
      begun: OPENED,
      released: 0,
      offered: 0,
      result: null,
      resultAt: 0,
      flags: 0,
      due: 0,
      triggered: 0,
      fails: flow.fails,
    }));
    for (; this.#t < estate.now; this.#t++) {
      this.#step();
      if (notes) this.#note();
    }
    // What happens at the very instant of the question is known to nobody yet.
  }

  #step(): void {
    const looks = (this.#t - OPENED) % this.#estate.engineEvery === 0;
    this.#endAttempts();
    if (looks) {
      while (this.#pending[0] !== undefined && this.#pending[0].at <= this.#t)
        this.#act(this.#pending.shift()!);
      while (this.#lookAtAll());
    }
    this.#claim();
  }

  /** The engine's turn for every flow. Says whether anything changed. */
  #lookAtAll(): boolean {
    let changed = false;
    for (const [v, it] of this.live.entries()) {
      const { flags, attempt, released, result } = it;
      this.#look(v);
      changed ||=
        it.flags !== flags || it.attempt !== attempt || it.released !== released || it.result !== result;
    }
    return changed;
  }

  #done(v: number): boolean {
    const { result } = this.live[v]!;
    return result !== null && isReleasing(codeOf(result));
  }

  #openAttempt(v: number): Attempt | undefined {
    return this.attempts.find((attempt) => attempt.v === v && attempt.ended === 0);
  }

  #current(v: number): Attempt | undefined {
    const { generation, attempt } = this.live[v]!;
    return this.attempts.findLast(
      (other) => other.v === v && other.generation === generation && other.attempt === attempt,
    );
  }

  #endAttempts(): void {
    for (const it of this.attempts) {
      if (it.ended !== 0) continue;
      if (it.started === 0 && this.#t >= it.startAt) it.started = this.#t;
      if (this.#t < it.endAt) continue;
      it.ended = this.#t;
      if (it.superseded) it.outcome = 'cancelled';
      else if (this.live[it.v]!.fails > 0) {
        this.live[it.v]!.fails--;
        it.outcome = 'failed';
      } else it.outcome = 'succeeded';
    }
  }

  #unmet(v: number): boolean {
    const { graph } = this;
    if ((this.live[v]!.flags & FLAG.STARTED_NOW) !== 0) return false;
    for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++)
      if (this.waived[e] === null && !this.#done(graph.up[e]!)) return true;
    return (this.live[v]!.flags & FLAG.MEMBER) !== 0 && this.#memberAbove(v);
  }

  #memberAbove(v: number): boolean {
    const { graph } = this;
    for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++) {
      const u = graph.up[e]!;
      if (graph.loopEdge[e] === 1) continue;
      if ((this.live[u]!.flags & FLAG.MEMBER) !== 0 || this.#memberAbove(u)) return true;
    }
    return false;
  }

  #triggered(v: number): boolean {
    const { flags } = this.live[v]!;
    return this.graph.attrOf(v).trigger === 'auto' || (flags & (FLAG.TRIGGERED | FLAG.STARTED_NOW)) !== 0;
  }

  #early(v: number): boolean {
    return (this.#estate.flows[v]!.start ?? 0) > this.#t && (this.live[v]!.flags & FLAG.STARTED_NOW) === 0;
  }

  #oldOpen(v: number): boolean {
    const { generation } = this.live[v]!;
    return this.attempts.some(
      (attempt) => attempt.v === v && attempt.ended === 0 && attempt.generation < generation,
    );
  }

  #finish(v: number, result: Result): void {
    const it = this.live[v]!;
    it.result = result;
    it.resultAt = this.#t;
    it.flags &= ~FLAG.DISPATCHED;
    if (isReleasing(codeOf(result))) it.flags &= ~FLAG.MEMBER;
  }

  #ready(v: number): boolean {
    const { flags, due } = this.live[v]!;
    const blocked = (flags & FLAG.HELD) !== 0 || this.#unmet(v) || this.#early(v) || this.#oldOpen(v);
    return this.#triggered(v) && !blocked && due <= this.#t;
  }

  /** The engine's turn for one flow. */
  #look(v: number): void {
    const it = this.live[v]!;
    if (it.result !== null) return;
    const attempt = this.#current(v);
    if (attempt !== undefined) {
      if (attempt.ended === 0 || attempt.seen) return;
      attempt.seen = true;
      if (attempt.outcome === 'succeeded') this.#finish(v, 'succeeded');
      else if ((it.flags & FLAG.STOPPING) !== 0) {
        it.flags &= ~FLAG.STOPPING;
        this.#finish(v, 'cancelled');
      } else if (it.attempt > this.graph.attrOf(v).retries.program) this.#finish(v, 'failed');
      else {
        it.attempt++;
        it.due = attempt.ended + this.graph.attrOf(v).retries.backoffMs;
        it.flags &= ~FLAG.DISPATCHED;
      }
      return;
    }
    const ready = this.#ready(v);
    const { runner } = this.graph.attrOf(v);
    if (ready) {
      if (it.released === 0) it.released = this.#t;
      if (runner === 'agent') {
        if ((it.flags & FLAG.DISPATCHED) === 0) it.offered = this.#t;
        it.flags |= FLAG.DISPATCHED;
      } else if (runner === 'engine' || (it.flags & FLAG.CONFIRMED) !== 0) this.#finish(v, 'succeeded');
    } else if ((it.flags & FLAG.DISPATCHED) !== 0 || runner === 'person') {
      it.flags &= ~FLAG.DISPATCHED;
      it.released = 0;
    }
  }

  #paused(): boolean {
    return this.pauses.some((paus) => paus.to === null);
  }

  #lockTaken(v: number): boolean {
    const { lock } = this.#estate.flows[v]!;
    return (
      lock !== undefined &&
      this.attempts.some((attempt) => attempt.ended === 0 && this.#estate.flows[attempt.v]!.lock === lock)
    );
  }

  #poolFull(v: number): boolean {
    const wanted = this.#estate.flows[v]!.pool ?? 0;
    const used = this.attempts.reduce(
      (n, attempt) => n + (attempt.ended === 0 ? (this.#estate.flows[attempt.v]!.pool ?? 0) : 0),
      0,
    );
    return wanted > 0 && used + wanted > this.#estate.poolSize;
  }

  #inOutbox(v: number): boolean {
    const it = this.live[v]!;
    return it.result === null && (it.flags & FLAG.DISPATCHED) !== 0 && this.#current(v) === undefined;
  }

  #claim(): void {
    for (let v = 0; v < this.graph.n; v++) {
      const busy = this.attempts.filter((attempt) => attempt.ended === 0).length;
      if (busy >= this.#estate.slots || !this.#inOutbox(v) || this.#paused()) continue;
      if (this.#lockTaken(v) || this.#poolFull(v) || this.#openAttempt(v) !== undefined) continue;
      const { generation, attempt, offered } = this.live[v]!;
      const startAt = this.#t + ((v + attempt) % 3);
      this.attempts.push({
        v,
        generation,
        attempt,
        offered,
        sent: this.#t,
        startAt,
        started: startAt === this.#t ? this.#t : 0,
        endAt: startAt + this.#estate.flows[v]!.runs,
        ended: 0,
        outcome: null,
        seen: false,
        superseded: false,
      });
    }
  }

  #note(): void {
    for (let v = 0; v < this.graph.n; v++) {
      const now = new Set<Doing>();
      const it = this.live[v]!;
      const attempt = this.#openAttempt(v);
      if (attempt !== undefined) now.add(attempt.started === 0 ? 'sent' : 'running');
      if (attempt !== undefined && attempt.generation < it.generation) now.add('old_attempt');
      if (it.result !== null) now.add('ended');
      const ended = this.#current(v);
      if (ended !== undefined && ended.ended !== 0 && !ended.seen) now.add('undecided');
      const waits = it.result === null && ended === undefined && !this.#inOutbox(v);
      if (waits && this.#ready(v)) now.add(it.attempt > 1 ? 'due' : 'ready');
      if (this.#inOutbox(v)) {
        now.add('outbox');
        if (this.#lockTaken(v)) now.add('lock');
        if (this.#poolFull(v)) now.add('pool');
      }
      if (this.#paused()) now.add('paused');
      if ((it.flags & FLAG.HELD) !== 0) now.add('held');
      if (it.due > this.#t) now.add('backoff');
      if (!this.#triggered(v)) now.add('untriggered');
      if (this.#early(v)) now.add('early');
      if (this.graph.attrOf(v).runner === 'person' && (it.flags & FLAG.CONFIRMED) === 0)
        now.add('unconfirmed');
      if (this.#unmet(v)) now.add('upstream');
      this.doing[v]!.push(now);
    }
  }

  // What people do; an action that is not allowed does nothing.

  #act({ verb, flow, other }: Action): void {
    const v = flow % this.graph.n;
    const it = this.live[v]!;
    // Of two decisions about one flow in the very same millisecond the record does not tell which came first.
    if (
      it.begun === this.#t ||
      this.overrides.some((o) => o.v === v && (o.at === this.#t || o.endedAt === this.#t))
    )
      return;
    const waiting = it.result === null && this.#current(v) === undefined;
    const { trigger, runner } = this.graph.attrOf(v);
    const held = (it.flags & FLAG.HELD) !== 0;
    switch (verb) {
      case 'hold':
        if (!waiting || held) return;
        it.flags |= FLAG.HELD;
        this.#override(v, 'hold');
        return;
      case 'unhold':
        if (!held || it.result !== null) return;
        it.flags &= ~FLAG.HELD;
        this.#end(v, 'hold');
        return;
      case 'trigger':
        if (!waiting || trigger !== 'manual' || this.#triggered(v)) return;
        it.flags |= FLAG.TRIGGERED;
        it.triggered = this.#t;
        this.#override(v, 'trigger');
        return;
      case 'confirm':
        if (!waiting || runner !== 'person' || (it.flags & FLAG.CONFIRMED) !== 0) return;
        it.flags |= FLAG.CONFIRMED;
        this.#override(v, 'confirm');
        return;
      case 'reject':
        if (!waiting || runner !== 'person') return;
        it.flags &= ~FLAG.CONFIRMED;
        this.#finish(v, 'failed');
        this.#override(v, 'reject');
        return;
      case 'waive': {
        const first = this.graph.upOff[v]!;
        const count = this.graph.upOff[v + 1]! - first;
        if (!waiting || count === 0 || this.waived[first + (other % count)] !== null) return;
        this.calm = false;
        this.waived[first + (other % count)] = this.#t;
        this.#override(v, 'waive', this.graph.ids[this.graph.up[first + (other % count)]!]!);
        return;
      }
      case 'start-now':
        if (
          !waiting ||
          held ||
          (this.#triggered(v) && !this.#unmet(v) && !this.#early(v) && it.due <= this.#t)
        )
          return;
        this.calm = false;
        it.flags |= FLAG.STARTED_NOW | FLAG.TRIGGERED;
        it.triggered = this.#t;
        it.due = 0;
        this.#override(v, 'start-now');
        return;
      case 'cancel':
        if (it.result !== null || this.#current(v)?.ended !== 0) return;
        it.flags |= FLAG.STOPPING;
        this.#current(v)!.superseded = true;
        this.#current(v)!.endAt = Math.min(this.#current(v)!.endAt, this.#t + 2);
        this.#override(v, 'cancel');
        return;
      case 'force-pass':
        if (this.#done(v) || (it.result === null && this.#current(v) !== undefined)) return;
        this.calm = false;
        this.#override(v, 'force-pass');
        this.#finish(v, 'force_passed');
        return;
      case 'pause':
        if (!this.#paused())
          this.pauses.push({ scope: 'run:r', from: this.#t, to: null, actor: 'x', reason: '' });
        return;
      case 'resume':
        for (const pause of this.pauses) pause.to ??= this.#t;
        return;
      case 'rerun':
        this.#rerun(v, this.#below(v));
        return;
      case 'rerun-some':
        this.#rerun(v, new Set([v, ...[...this.#below(v)].filter((u) => (u + other) % 3 !== 0)]));
        return;
      default:
        verb satisfies never;
    }
  }

  #below(v: number, found = new Set<number>()): Set<number> {
    found.add(v);
    for (let k = this.graph.downOff[v]!; k < this.graph.downOff[v + 1]!; k++)
      if (!found.has(this.graph.down[k]!)) this.#below(this.graph.down[k]!, found);
    return found;
  }

  #rerun(root: number, members: ReadonlySet<number>): void {
    if (this.live[root]!.result === null) return;
    this.calm = false;
    for (const v of members) {
      const it = this.live[v]!;
      const attempt = this.#openAttempt(v);
      const begun = it.result !== null || (attempt !== undefined && attempt.generation === it.generation);
      it.flags |= FLAG.MEMBER;
      if (!begun) {
        // The plan's order counts again for what never started.
        it.flags &= ~FLAG.STARTED_NOW;
        this.#end(v, 'start-now');
        continue;
      }
      if (attempt !== undefined) {
        attempt.superseded = true;
        attempt.endAt = Math.min(attempt.endAt, this.#t + 3);
      } else if (this.#current(v) !== undefined) this.#current(v)!.seen = true;
      const past = this.past.get(v) ?? [];
      past.push({
        generation: it.generation,
        begunAt: it.begun,
        releasedAt: it.released,
        resultAt: it.resultAt,
        result: codeOf(it.result),
        endedAt: this.#t,
      });
      this.past.set(v, past);
      const keep = this.graph.attrOf(v).onRerun === 'keep';
      const confirmed = keep && it.result === 'succeeded' && v !== root ? FLAG.CONFIRMED : 0;
      const flags = FLAG.MEMBER | (it.flags & FLAG.HELD) | (keep ? it.flags & FLAG.TRIGGERED : 0);
      Object.assign(it, {
        generation: it.generation + 1,
        attempt: 1,
        begun: this.#t,
        released: 0,
        offered: 0,
        result: null,
        resultAt: 0,
        flags: flags | confirmed,
        due: 0,
        fails: 0,
      });
      for (let e = this.graph.upOff[v]!; e < this.graph.upOff[v + 1]!; e++) this.waived[e] = null;
      for (const kind of ['waive', 'start-now', 'force-pass']) this.#end(v, kind);
    }
    this.plans.push(new AppliedPlan(this.graph, this.#t, new Set(members)));
  }

  #override(v: number, kind: string, from: string | null = null): void {
    this.overrides.push({ v, kind, from, at: this.#t, endedAt: null, actor: 'x', reason: '' });
  }

  #end(v: number, kind: string): void {
    for (const it of this.overrides) if (it.v === v && it.kind === kind) it.endedAt ??= this.#t;
  }

  // As the record has it.

  state(): RunState {
    const { graph } = this;
    const estate = this.#estate;
    const s = emptyState(graph, { openedAt: OPENED, now: estate.now, graceMs: 0 });
    this.live.forEach((entry, v) => {
      s.generation[v] = entry.generation;
      s.attempt[v] = entry.attempt;
      s.result[v] = codeOf(entry.result);
      s.flags[v] = entry.flags;
      s.due[v] = entry.due;
      s.start[v] = estate.flows[v]!.start ?? 0;
      s.released[v] = entry.released;
      const attempt = this.#current(v);
      if (entry.result === null && attempt !== undefined)
        s.lease[v] = attempt.started === 0 && attempt.ended === 0 ? 1 : 2;
    });
    this.waived.forEach((at, e) => {
      s.waived[e] = at === null ? 0 : 1;
    });
    derive(graph, s);
    return s;
  }

  facts(): PathFacts {
    const { graph } = this;
    const estate = this.#estate;
    const column = (of: (it: Live) => number): Float64Array => Float64Array.from(this.live, of);
    const sorted = [...this.attempts].sort((a, b) => a.v - b.v || a.sent - b.sent);
    const off = new Int32Array(graph.n + 1);
    for (const it of sorted) off[it.v + 1]!++;
    for (let v = 0; v < graph.n; v++) off[v + 1]! += off[v]!;
    const overrides = new Map<number, Override[]>();
    for (const { v, ...it } of this.overrides) overrides.set(v, [...(overrides.get(v) ?? []), it]);
    const all = [...estate.flows.keys()];
    return {
      generationAt: column((entry) => entry.begun),
      triggeredAt: column((entry) => entry.triggered),
      releasedAt: column((entry) => entry.released),
      resultAt: column((entry) => entry.resultAt),
      deadline: column(() => 0),
      run: 'r',
      openedAt: OPENED,
      now: estate.now,
      past: this.past,
      metAt: new Float64Array(0),
      attempts: {
        off,
        generation: Int32Array.from(sorted, (entry) => entry.generation),
        attempt: Int32Array.from(sorted, (entry) => entry.attempt),
        releasedAt: Float64Array.from(sorted, (entry) => entry.offered),
        sentAt: Float64Array.from(sorted, (entry) => entry.sent),
        startedAt: Float64Array.from(sorted, (entry) => entry.started),
        endedAt: Float64Array.from(sorted, (entry) => entry.ended),
        outcome: sorted.map((entry) => entry.outcome),
        agent: sorted.map(() => 'a1'),
      },
      overrides,
      pauses: this.pauses,
      plans: this.plans,
      contention: {
        locksOf: (v) => [estate.flows[v]!.lock ?? []].flat(),
        usesOf: (v) =>
          estate.flows[v]!.pool === undefined ? [] : [{ pool: 'P', n: estate.flows[v]!.pool! }],
        poolSize: () => estate.poolSize,
        takersOf: (lock) => all.filter((v) => estate.flows[v]!.lock === lock),
        usersOf: () => all.filter((v) => estate.flows[v]!.pool !== undefined),
      },
      vertexOf: (flow) => graph.ids.indexOf(flow),
    };
  }
}
