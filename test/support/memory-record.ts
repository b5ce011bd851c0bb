/**
 * The record of one run in memory: what PostgreSQL, the exchange and the agents' calls do (protocol A3, A5, A6, A9, C3, C4), without them.
 * A clock that only moves when told, one ordered log, numbered exchanges, outbox rows with claims, leases.
 */

import type { Graph } from '../../graph/compiled/compact.ts';
import { claimsAsked } from '../../graph/run/claims-asked.ts';
import type { Effect, Entry, ExchangeAnswer, FlowChange, Group, RunVerb } from '../../graph/run/decisions.ts';
import { restoreState, type StoredRun, storedSubscriptions } from '../../graph/run/restore.ts';
import { emptyState, FLAG, type PersonMoment, phaseOf, type RunState } from '../../graph/run/state.ts';
import { PHASES } from '../../graph/run/status.ts';
import { type Subscriptions, subscriptionsOf } from '../../graph/run/subscriptions.ts';
import { type FlowSpec, subscriptionsIn } from './run-graph.ts';

export interface StoredFlow {
  generation: number;
  attempt: number;
  result: number;
  flags: number;
  due: number;
  used: number;
  asked: number;
  phase: number;
  released: number;
}

export interface OutboxRow {
  readonly generation: number;
  readonly attempt: number;
  epoch: number | null;
}

export interface StoredLease {
  readonly epoch: number;
  readonly v: number;
  readonly generation: number;
  readonly attempt: number;
  started: boolean;
  stop: boolean;
  readonly sentAt: number;
}

/** Told for every group that an exchange writes: what was decided for `now`, in order. */
export interface Exchanged {
  readonly n: number;
  readonly now: number;
  readonly groups: readonly Group[];
  readonly written: number;
  readonly entries: readonly Entry[];
}
export type Witness = (event: Exchanged) => void;

type Loose<T> = T extends unknown ? Omit<T, 'seq' | 'at'> : never;

export class MemoryRecord {
  readonly graph: Graph;
  readonly openedAt = 1000;
  clock = 1000;
  now = 1000;
  n = 0;
  cursor = 0;
  closed = false;
  finished = false;
  paused = false;
  readonly log: Entry[] = [];
  readonly flows: StoredFlow[] = [];
  readonly outbox = new Map<number, OutboxRow>();
  readonly leases = new Map<number, StoredLease>();
  /** Leases that were lost or superseded: what may still report an effect. */
  readonly lost: StoredLease[] = [];
  /** In force: `vertex kind`, `vertex waive upstream` or `vertex waive upstream run`. */
  readonly overrides = new Set<string>();
  readonly generations: { v: number; generation: number; result: number }[] = [];
  readonly foreignMet = new Map<number, 0 | 1 | 2>();
  readonly subscriptions: Subscriptions;
  readonly moments: readonly PersonMoment[];
  readonly graceMs = 500;
  readonly #starts: readonly number[];
  readonly #exchanges = new Map<number, { groups: string; answer: ExchangeAnswer }>();
  readonly #witness: Witness;
  readonly #readLimit: number;
  #epochs = 0;

  /** `readLimit`: log rows given with one answer (protocol A6). */
  constructor(graph: Graph, specs: readonly FlowSpec[], witness: Witness = () => {}, readLimit = 500) {
    this.#readLimit = readLimit;
    this.graph = graph;
    this.#witness = witness;
    this.subscriptions = subscriptionsOf(graph.n, subscriptionsIn(specs));
    this.#starts = specs.map((spec) => spec.start ?? 0);
    this.moments = specs
      .flatMap((spec, v) => (spec.moments ?? []).map((moment) => ({ ...moment, v })))
      .sort((a, b) => a.at - b.at || a.v - b.v);
    for (let v = 0; v < graph.n; v++)
      this.flows.push({
        generation: 1,
        attempt: 1,
        result: 0,
        flags: specs[v]!.excluded === true ? FLAG.EXCLUDED : 0,
        due: 0,
        used: 0,
        asked: 0,
        phase: 0,
        released: 0,
      });
    const opened = this.load();
    for (let v = 0; v < graph.n; v++) this.flows[v]!.phase = PHASES.indexOf(phaseOf(graph, opened, v));
  }

  /** Protocol A9: the state of the coordinator from nothing but what is stored. */
  load(): RunState {
    return restoreState(this.graph, this.#snapshot());
  }

  #snapshot(): StoredRun {
    return {
      exchange: this.n,
      cursor: this.cursor,
      now: this.now,
      openedAt: this.openedAt,
      graceMs: this.graceMs,
      closed: this.closed,
      finished: this.finished,
      rows: this.flows.map((f, v) => [
        v,
        f.generation,
        f.attempt,
        f.result,
        f.flags,
        f.due,
        f.used,
        f.released,
        f.phase,
        f.asked,
      ]),
      starts: this.#starts.map((at, v) => [v, at] as const),
      waived: this.waived('edge'),
      waivedInvalid: this.waived('invalid'),
      waivedForeign: this.waived('foreign'),
      subscriptions: storedSubscriptions(this.subscriptions.list),
      foreignMet: [...this.foreignMet],
      moments: this.moments,
      leases: this.#claims().filter((c): c is [number, 1 | 2] => c[1] !== 0),
    };
  }

  /** Claimed flows: 1 sent, 2 started, also while the end of the attempt is in the log and not read. */
  #claims(): [number, 0 | 1 | 2][] {
    return [...this.outbox].flatMap(([v, { epoch }]): [number, 1 | 2][] => {
      if (epoch === null) return [];
      const lease = this.leases.get(epoch);
      return [[v, lease !== undefined && !lease.started ? 1 : 2]];
    });
  }

  append(row: Loose<Entry>): number {
    const seq = this.log.length + 1;
    this.log.push({ ...row, seq, at: this.clock } as Entry);
    return seq;
  }

  // The exchange (protocol A5).

  exchange(n: number, groups: readonly Group[]): ExchangeAnswer {
    const stored = this.#exchanges.get(n);
    if (stored !== undefined) {
      const own = stored.groups === JSON.stringify(groups);
      return { ...stored.answer, adopted: own ? null : (JSON.parse(stored.groups) as Group[]) };
    }
    if (n !== this.n + 1) throw new Error(`exchange ${n} follows ${this.n}`);
    const before = this.now;
    this.now = Math.max(this.now, this.clock);
    const outboxBefore = new Map([...this.outbox].map(([v, row]) => [v, row.epoch]));
    const contradicting: FlowChange[] = [];
    let written = 0;
    for (const group of groups) {
      contradicting.push(...group.changes.filter((change) => this.#contradicts(change)));
      if (contradicting.length > 0) break;
      this.#write(group);
      written++;
    }
    const verified = verify(groups, outboxBefore);
    if (verified !== written) throw new Error(`cut at ${written}, checked beforehand at ${verified}`);
    this.n = n;
    const seen = groups.slice(0, written);
    const decidedFor = this.log.slice(this.cursor);
    this.cursor = seen.reduce((last, group) => Math.max(last, group.seq), this.cursor);
    const entries = this.log.slice(this.cursor, this.cursor + this.#readLimit);
    const asked = claimsAsked(entries);
    const open = new Map(this.#claims());
    const named = (asked === 'all' ? [] : (asked ?? [])).map((id) => this.graph.ids.indexOf(id));
    const looked = [...contradicting.map(({ v }) => v), ...named.filter((v) => v >= 0)];
    const answer: ExchangeAnswer = {
      n,
      now: this.now,
      written,
      adopted: null,
      cursor: this.cursor,
      entries,
      leases: asked === 'all' ? [...open] : [...new Set(looked)].map((v) => [v, open.get(v) ?? 0] as const),
      allLeases: asked === 'all',
      more: entries.length < this.log.length - this.cursor,
    };
    this.#exchanges.set(n, { groups: JSON.stringify(groups), answer });
    this.#witness({ n, now: before, groups, written, entries: decidedFor });
    return answer;
  }

  #contradicts({ v, expect }: FlowChange): boolean {
    const row = this.outbox.get(v);
    return expect !== 0 && row !== undefined && (row.epoch !== null) !== (expect === 2);
  }

  #write(group: Group): void {
    for (const effect of group.effects) {
      if (effect.t === 'override') this.#override(effect);
      else if (effect.t === 'end_override') this.#endOverride(effect);
      else if (effect.t === 'generation')
        this.generations.push({ v: effect.v, generation: effect.generation, result: effect.result });
      else if (effect.t === 'foreign') this.foreignMet.set(effect.index, effect.met);
      else if (effect.t === 'finished') this.finished = effect.on;
      else if (effect.t === 'run') this.#steer(effect.verb);
      else if (effect.t === 'stop')
        for (const lease of this.leases.values()) if (lease.v === effect.v) lease.stop = true;
    }
    for (const change of group.changes) {
      const { v, generation, attempt, result, flags, due, used, asked = 0, phase } = change;
      const released =
        change.released === -1 ? this.flows[v]!.released : change.released === 1 ? this.now : 0;
      this.flows[v] = { generation, attempt, result, flags, due, used, asked, phase, released };
      const row = this.outbox.get(v);
      if ((flags & FLAG.DISPATCHED) === 0) this.outbox.delete(v);
      else if (row?.generation !== generation || row.attempt !== attempt)
        this.outbox.set(v, { generation, attempt, epoch: null });
    }
  }

  #override({ v, kind, from, run }: Extract<Effect, { t: 'override' }>): void {
    this.overrides.add(
      [v, kind, ...(from === null ? [] : [from]), ...(run === undefined ? [] : [run])].join(' '),
    );
  }

  #endOverride({ v, kinds, from, run }: Extract<Effect, { t: 'end_override' }>): void {
    const edge = run === undefined ? from : `${from} ${run}`;
    for (const kind of kinds)
      for (const key of this.overrides)
        if (key === `${v} ${kind}` || key === `${v} ${kind} ${edge}`) this.overrides.delete(key);
  }

  /** Edges in force as waived, as store/record/run-state.ts finds them: by the overrides. */
  waived(list: 'edge' | 'invalid' | 'foreign'): number[] {
    const { graph } = this;
    const edges: (readonly [number, string])[] =
      list === 'edge'
        ? [...graph.up].map((u, e) => [graph.edgeTo[e]!, graph.ids[u]!])
        : list === 'invalid'
          ? graph.invalid.map((edge) => [edge.v, edge.from])
          : this.subscriptions.list.map((item) => [item.v, `${item.from} ${item.run}`]);
    return edges.flatMap(([v, from], i) => (this.overrides.has(`${v} waive ${from}`) ? [i] : []));
  }

  #steer(verb: RunVerb): void {
    if (verb === 'pause' || verb === 'resume') this.paused = verb === 'pause';
    else this.closed = verb === 'close';
  }

  // The agents' calls.

  /** Flows that an agent may claim. */
  claimable(): number[] {
    if (this.closed || this.paused) return [];
    return [...this.outbox].flatMap(([v, row]) => (row.epoch === null ? [v] : []));
  }

  claim(v: number): StoredLease {
    const row = this.outbox.get(v)!;
    if (row.epoch !== null) throw new Error(`${v} is claimed`);
    for (const open of this.leases.values()) if (open.v === v) throw new Error(`two open attempts of ${v}`);
    const { generation, attempt } = row;
    const open = { started: false, stop: false, sentAt: this.clock };
    const lease = { epoch: ++this.#epochs, v, generation, attempt, ...open };
    row.epoch = lease.epoch;
    this.leases.set(lease.epoch, lease);
    return lease;
  }

  start(epoch: number): void {
    const lease = this.leases.get(epoch);
    if (lease !== undefined && !lease.stop) lease.started = true;
  }

  /** A result counts under the current epoch only (protocol C3). */
  complete(epoch: number, outcome: Completion['outcome'], failure: Completion['failure'] = null): boolean {
    const lease = this.leases.get(epoch);
    if (lease === undefined) return false;
    this.leases.delete(epoch);
    const { v, generation, attempt, sentAt } = lease;
    const took = outcome === 'false' ? { tookMs: this.clock - sentAt } : {};
    this.append({ kind: 'completion', v, generation, attempt, outcome, failure, ...took });
    return true;
  }

  /** The reaper (protocol C4). True when the claim just ended and no log row was needed. */
  reap(epoch: number): boolean {
    const lease = this.leases.get(epoch);
    if (lease === undefined) return false;
    this.leases.delete(epoch);
    const { v, generation, attempt } = lease;
    if (lease.started) {
      this.lost.push(lease);
      this.append({ kind: 'lost', v, generation, attempt });
      return false;
    }
    const row = this.outbox.get(v);
    if (!lease.stop && row?.epoch === epoch && PHASES[this.flows[v]!.phase] === 'waiting_agent') {
      row.epoch = null;
      return true;
    }
    const outcome = lease.stop ? 'cancelled' : 'requeued';
    this.append({ kind: 'completion', v, generation, attempt, outcome, failure: null });
    return false;
  }
}

type Completion = Extract<Entry, { kind: 'completion' }>;

/**
 * The check as activities/exchange.ts makes it, before it writes anything: rows as they are before the exchange, flows of earlier groups
 * left out. It has to cut where the careful check, group by group, cuts.
 */
function verify(groups: readonly Group[], outbox: ReadonlyMap<number, number | null>): number {
  const settled = new Set<number>();
  for (let i = 0; i < groups.length; i++) {
    for (const { v, expect } of groups[i]!.changes) {
      const claim = outbox.get(v);
      if (expect === 0 || settled.has(v) || claim === undefined) continue;
      if ((claim !== null) !== (expect === 2)) return i;
    }
    for (const { v } of groups[i]!.changes) settled.add(v);
  }
  return groups.length;
}

/** A state as on the morning of the run, for tests that need no record. */
export function freshState(graph: Graph): RunState {
  return emptyState(graph, { openedAt: 1000, now: 1000, graceMs: 500 });
}
