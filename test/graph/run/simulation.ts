/**
 * Random runs: a graph and a list of things that happen to it, played against the engine (decide, apply), a record in memory and the slow
 * model. After every exchange the three must tell the same story.
 */

import type { Graph } from '../../../graph/compiled/compact.ts';
import { decide, preview } from '../../../graph/decide.ts';
import { apply } from '../../../graph/run/apply.ts';
import type { Entry, Group, RerunPlan, Verb } from '../../../graph/run/decisions.ts';
import { nextDue } from '../../../graph/run/due.ts';
import type { RunState } from '../../../graph/run/state.ts';
import { memberOf, planMembers, type RerunScope } from '../../../graph/verbs/rerun.ts';
import { MemoryRecord } from '../../support/memory-record.ts';
import { type FlowSpec, foreignOf, graphOf, OTHER_RUN } from '../../support/run-graph.ts';
import { witness } from '../timing/witness.ts';
import { inHand, isWellDerived, same, sameAsRecord, sameStates } from './agreement.ts';
import { type Kind, Model } from './model.ts';
import { ALLOWED, type Ask, type ask, membersOf } from './model-verbs.ts';

/** One thing that happens: what, and three numbers that say to whom. */
export interface Command {
  readonly k: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

/** A coordinator: what a workflow holds between two exchanges. */
interface Coordinator {
  state: RunState;
  entries: readonly Entry[];
  /** Decisions of a worker that was frozen before it could have them written. */
  frozen: readonly Group[] | null;
}

export class Simulation {
  readonly specs: readonly FlowSpec[];
  readonly graph: Graph;
  readonly record: MemoryRecord;
  readonly model: Model;
  readonly answers = new Map<string, ReturnType<typeof ask>>();
  readonly #plans: RerunPlan[] = [];
  readonly done = new Map<number, string>();
  #first: Coordinator;
  #second: Coordinator;
  #operations = 0;
  exchanges = 0;

  constructor(specs: readonly FlowSpec[]) {
    this.specs = specs;
    this.graph = graphOf(specs);
    this.record = new MemoryRecord(
      this.graph,
      specs,
      (event) => {
        this.exchanges++;
        witness(this, event);
      },
      4,
    );
    this.model = new Model(specs, { now: this.record.now, graceMs: this.record.graceMs });
    this.#first = this.#reload();
    this.#second = this.#reload();
    this.step(this.#first);
  }

  #reload(): Coordinator {
    return { state: this.record.load(), entries: [], frozen: null };
  }

  // What happens.

  play({ k, a, b, c }: Command): void {
    if (k < 16) this.#claim(a, b);
    else if (k < 21) this.#start(a);
    else if (k < 41) this.#complete(a, b);
    else if (k < 49) this.#reap(a);
    else if (k < 51) this.#lateEnd(a, b);
    else if (k < 69) this.step(this.#first);
    else if (k < 73) this.step(this.#second);
    else if (k < 77) this.#fault(a);
    else if (k < 97) this.#operate(a, b, c);
    else if (k < 106) this.#plan(a, b, c);
    else if (k < 109) this.#applyPlan(a);
    else if (k < 112) this.#external(a, b);
    else this.record.clock += [1, 100, 500, 1000, 2500, 6000, 12_000][a % 7]!;
  }

  #claim(a: number, b: number): void {
    const { record, model } = this;
    const free = record.claimable();
    const v = free[a % free.length];
    if (v === undefined) return;
    const lease = record.claim(v);
    model.of(this.graph.ids[v]!).claimed = true;
    if (b % 2 === 0) record.start(lease.epoch);
  }

  #pick<T>(list: Iterable<T>, a: number): T | undefined {
    const all = [...list];
    return all[a % all.length];
  }

  #start(a: number): void {
    const lease = this.#pick(
      [...this.record.leases.values()].filter((lease) => !lease.started),
      a,
    );
    if (lease !== undefined) this.record.start(lease.epoch);
  }

  #complete(a: number, b: number): void {
    const lease = this.#pick(
      [...this.record.leases.values()].filter((lease) => lease.started || lease.stop),
      a,
    );
    if (lease === undefined) return;
    const { kind } = this.graph.attrOf(lease.v);
    const outcomes = [
      'succeeded',
      'failed',
      kind === 'check' || b % 50 === 1 ? 'false' : 'failed',
      'cancelled',
    ] as const;
    const outcome = lease.started ? outcomes[[0, 0, 0, 0, 1, 1, 2, 2, 3, 0][b % 10]!]! : 'cancelled';
    const failures: Kind[] = ['program', 'infrastructure', 'timeout'];
    this.record.complete(lease.epoch, outcome, outcome === 'failed' ? failures[(b >> 3) % 3]! : null);
    if (this.record.complete(lease.epoch, 'succeeded')) throw new Error('accepted twice');
  }

  #reap(a: number): void {
    const lease = this.#pick(this.record.leases.values(), a);
    if (lease !== undefined && this.record.reap(lease.epoch))
      this.model.of(this.graph.ids[lease.v]!).claimed = false;
  }

  #lateEnd(a: number, b: number): void {
    const lease = this.#pick(this.record.lost, a);
    if (lease === undefined) return;
    const { v, generation, attempt } = lease;
    this.record.append({
      kind: 'external',
      body: { type: b % 3 === 0 ? 'end' : 'effect', v, generation, attempt },
    });
  }

  #external(a: number, b: number): void {
    const { list } = this.record.subscriptions;
    if (a % 2 === 0 || list.length === 0)
      this.record.append({
        kind: 'external',
        body: { type: 'event', event: b % 4 === 0 ? 'other' : 'files' },
      });
    else
      this.record.append({
        kind: 'external',
        body: {
          type: 'upstream',
          changes: [b % list.length, ...(b % 3 === 0 ? [(b >> 2) % list.length] : [])].map((index, i) => ({
            index,
            met: [1, 1, 2, 0][((b >> 4) + i) % 4] as 0 | 1 | 2,
            redone: (b >> 6) % 3 === i,
          })),
          via: [OTHER_RUN],
        },
      });
  }

  #operate(a: number, b: number, c: number): void {
    const verbs: Verb[] = [
      ...(['force-pass', 'skip', 'start-now', 'trigger', 'hold', 'unhold', 'cancel', 'confirm'] as const),
      ...(['force-pass', 'skip', 'start-now', 'trigger', 'cancel', 'confirm', 'waive', 'resolve'] as const),
      ...(['unskip', 'expedite', 'reject', 'withdraw', 'resolve', 'retire', 'unretire', 'unwaive'] as const),
      ...(['waive', 'unretire', 'unhold', 'confirm', 'pause', 'resume', 'close', 'reopen'] as const),
    ];
    let verb = verbs[a % verbs.length]!;
    if (this.record.closed && a % 3 !== 0) verb = 'reopen';
    const ids = [...this.graph.ids, ...(c % 40 === 7 ? ['NOBODY'] : [])];
    const flow = (i: number): string => ids[i % ids.length]!;
    // Mostly what is allowed, so that much comes of it.
    const legal = Object.keys(ALLOWED).filter(
      (key) => this.model.specs.has(flow(b)) && this.#isLegal(key, flow(b)),
    );
    if ((c >> 6) % 3 !== 0 && legal.length > 0) verb = legal[a % legal.length] as Verb;
    const flows = c % 3 === 0 ? [flow(b), flow(b >> 3), flow(c >> 2)] : [flow(b)];
    const edges = flows.map((to) => {
      const spec = this.specs.find((spec) => spec.id === to);
      const others = (spec?.foreign ?? []).map(foreignOf);
      const from = [...(spec?.after ?? []), ...others.map((other) => other.from)];
      const other = others[(c >> 4) % others.length];
      if (other !== undefined && c % 7 < 3) return { ...other, to };
      return { from: from[c % from.length] ?? flow(c), to };
    });
    this.#log({
      verb,
      flows,
      edges: c % 5 === 0 ? [...edges, edges[0]!] : edges,
      partial: (c & 8) !== 0,
      supersede: (c & 48) !== 0,
      forceEnd: (c & 5) === 5,
      ran: (b & 16) !== 0,
      plan: null,
      roles: [[], ['key'], ['gatekeeper'], ['gatekeeper', 'key'], ['gatekeeper', 'key']][(a >> 3) % 5]!,
      approvedBy: (a >> 5) % 4 === 0 ? 'second' : null,
    });
  }

  #isLegal(verb: string, flow: string): boolean {
    const { model } = this;
    const f = model.of(flow);
    if (verb === 'withdraw' && !f.confirmed) return false;
    if (verb === 'unskip' && !f.skip) return false;
    if (verb === 'unhold' && !f.held) return false;
    if (verb === 'unwaive' && f.waived.size === 0) return false;
    if (verb === 'cancel' && f.previous !== null) return true;
    const personal = ['confirm', 'reject', 'withdraw'].includes(verb);
    if (personal && model.attrs(flow).runner !== 'person') return false;
    // Few flows leave the graph, or nothing would be left to see.
    if (verb === 'retire' && flow !== this.graph.ids[1]) return false;
    return ALLOWED[verb]!.includes(model.state(flow));
  }

  #log({
    roles,
    approvedBy,
    ...request
  }: Omit<Ask, 'plan' | 'verb'> & { verb: Verb; plan: RerunPlan | null }): void {
    this.record.append({
      kind: 'operation',
      operation: `op${++this.#operations}`,
      actor: 'duty',
      roles,
      approvedBy,
      request: { reason: 'because', evidence: 'ticket', ...request },
    });
  }

  /** A plan as the API makes it, from the record as it is now. */
  #plan(a: number, b: number, c: number): void {
    const { graph } = this;
    const state = this.record.load();
    const scope = (['only', 'downstream', 'failed-downstream', 'selection'] as RerunScope[])[a % 4]!;
    const roots = [
      ...new Set(scope === 'selection' || c % 4 === 0 ? [b % graph.n, (b >> 4) % graph.n] : [b % graph.n]),
    ];
    const members = planMembers(graph, state, roots, scope);
    const named = roots.map((v) => graph.ids[v]!);
    this.#plans.push({
      id: `plan${this.#plans.length}`,
      graphVersion: graph.version,
      members: members.map((v) => memberOf(graph, state, v)),
      roots: named,
      running: (a & 4) === 0 ? 'supersede' : 'wait',
      keepWaives: (a & 8) !== 0,
      ...((a & 16) === 0 ? {} : { yields: true as const }),
      ...(c % 6 === 5 ? { agreed: { awaits: this.#awaits(b) } } : {}),
    });
    // The slow model knows what was written last; the plan rests on the same.
    if (this.record.n > 0)
      same(
        members.map((v) => graph.ids[v]),
        membersOf(this.model, named, scope),
        `members of ${scope} ${named}`,
      );
    if (c % 8 !== 1) this.#applyPlan(this.#plans.length - 1);
  }

  /** Upstreams that are redone in other runs by the same plan. */
  #awaits(b: number): { from: string; run: string }[] {
    return this.record.subscriptions.list
      .filter((_, i) => ((b >> i) & 1) === 0)
      .map(({ from, run }) => ({ from, run }));
  }

  #applyPlan(a: number): void {
    const plan = this.#pick(this.#plans, a);
    if (plan === undefined || plan.members.length === 0) return;
    const nobody = {
      flows: [],
      edges: [],
      partial: false,
      supersede: false,
      ran: null,
      roles: [],
      approvedBy: null,
    };
    this.#log({ verb: 'rerun', ...nobody, plan });
  }

  #fault(a: number): void {
    switch (a % 5) {
      case 0:
        // The worker died between two exchanges.
        this.#first = this.#reload();
        return;
      case 1:
        // The exchange was written and its answer lost with the worker.
        this.record.exchange(this.#first.state.exchange + 1, this.#groupsOf(this.#first));
        this.#first = this.#reload();
        return;
      case 2: {
        // The workflow task timed out: the same call comes again.
        const groups = this.#groupsOf(this.#first);
        this.record.exchange(this.#first.state.exchange + 1, groups);
        this.#first.frozen = groups;
        this.step(this.#first);
        return;
      }
      case 3:
        // Frozen with its decisions in hand; the other worker goes on.
        this.#first.frozen = this.#groupsOf(this.#first);
        [this.#first, this.#second] = [this.#second, this.#first];
        return;
      default:
        this.#second = this.#reload();
    }
  }

  #groupsOf(it: Coordinator): readonly Group[] {
    return it.frozen ?? decide(this.graph, it.state, it.entries, it.state.now);
  }

  /** One exchange of a coordinator, and what must be true of its state afterwards. */
  step(it: Coordinator): number {
    const { graph, record } = this;
    const own = it.frozen === null ? preview(graph, it.state, it.entries, it.state.now) : null;
    const groups = it.frozen ?? own!.groups;
    it.frozen = null;
    const answer = record.exchange(it.state.exchange + 1, groups);
    apply(graph, it.state, groups, answer);
    it.entries = answer.entries;
    if (own !== null && answer.adopted === null && answer.written === groups.length) {
      sameStates(it.state, own.after, 'previewed', false);
      // What the answer itself says of claims is not part of the preview.
      if (!answer.allLeases && answer.leases.length === 0)
        same(inHand(it.state), inHand(own.after), 'claims previewed');
    }
    if (it.state.exchange === record.n) {
      sameAsRecord(this, it.state);
      sameStates(it.state, record.load(), 'rebuilt', true);
    }
    isWellDerived(this, it.state);
    return groups.length;
  }

  /** Goes on until nothing is left to do; then nothing may happen before the next due moment. */
  settleDown(): void {
    const { graph, record } = this;
    for (const it of [this.#second, this.#first]) {
      for (let i = 0; it.state.exchange < record.n || this.step(it) > 0 || it.entries.length > 0; i++) {
        if (it.state.exchange < record.n) this.step(it);
        if (i > 60) throw new Error('never quiet');
      }
    }
    const { state } = this.#first;
    same(decide(graph, record.load(), [], record.now), [], 'decided by a rebuilt state');
    if (state.closed) return;
    const due = nextDue(graph, state);
    record.clock = due === 0 ? record.now + 1_000_000 : due - 1;
    this.step(this.#first);
    same(decide(graph, state, [], state.now), [], `decided before due moment ${due}`);
    if (due === 0) return;
    record.clock = due;
    for (let i = 0; this.step(this.#first) > 0 || i < 2; i++);
  }
}
