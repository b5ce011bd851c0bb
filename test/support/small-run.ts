/** One run with its record in memory and one coordinator, driven by hand: for tests of single rules. */

import type { Graph } from '../../graph/compiled/compact.ts';
import { decide } from '../../graph/decide.ts';
import { apply } from '../../graph/run/apply.ts';
import { type Blocker, blockers } from '../../graph/run/blockers.ts';
import type {
  CompletionEntry,
  Effect,
  Entry,
  Group,
  OperationOutcome,
  OperationRequest,
  RerunPlan,
  Verb,
} from '../../graph/run/decisions.ts';
import { FLAG, has, type RunState } from '../../graph/run/state.ts';
import { stateOf } from '../../graph/run/state-of.ts';
import type { State } from '../../graph/run/status.ts';
import { memberOf, planMembers, type RerunScope } from '../../graph/verbs/rerun.ts';
import { MemoryRecord, type StoredLease } from './memory-record.ts';
import { type FlowSpec, foreignOf, graphOf } from './run-graph.ts';

export interface Asked {
  readonly state: 'applied' | 'refused' | 'approval_required';
  readonly code: string | null;
  /** Code per flow or edge; null = done. */
  readonly codes: readonly (string | null)[];
}

type Given = Partial<Omit<OperationRequest, 'verb' | 'flows'>> & {
  readonly roles?: readonly string[];
  readonly approvedBy?: string;
};

export class SmallRun {
  readonly graph: Graph;
  readonly record: MemoryRecord;
  state: RunState;
  /** Effects of all exchanges, in order. */
  readonly effects: Effect[] = [];
  #entries: readonly Entry[] = [];
  #operations = 0;

  constructor(specs: readonly FlowSpec[]) {
    this.graph = graphOf(specs);
    this.record = new MemoryRecord(this.graph, specs, ({ groups, written }) => {
      this.effects.push(...groups.slice(0, written).flatMap((group) => group.effects));
    });
    this.state = this.record.load();
    this.settle();
  }

  vertex(flow: string): number {
    return this.graph.ids.indexOf(flow);
  }

  decide(): Group[] {
    return decide(this.graph, this.state, this.#entries, this.state.now);
  }

  /** One exchange. Returns the number of groups that were decided. */
  step(groups: readonly Group[] = this.decide()): number {
    const answer = this.record.exchange(this.state.exchange + 1, groups);
    apply(this.graph, this.state, groups, answer);
    this.#entries = answer.entries;
    return groups.length;
  }

  /** Exchanges until nothing is left to say, as the workflow does. */
  settle(): this {
    for (let i = 0; this.step() > 0 || this.#entries.length > 0; i++)
      if (i > 50) throw new Error('never quiet');
    return this;
  }

  /** Lets time pass and whatever falls due happen. */
  wait(ms: number): this {
    this.record.clock += ms;
    this.step([]);
    return this.settle();
  }

  /** What an operator asks for, without an exchange. Returns the operation's id. */
  log(verb: Verb, flows: string | readonly string[], given: Given = {}): string {
    const { roles = ['gatekeeper', 'key'], approvedBy, ...request } = given;
    const operation = `op${++this.#operations}`;
    this.record.append({
      kind: 'operation',
      operation,
      actor: 'duty',
      roles,
      approvedBy: approvedBy ?? null,
      request: {
        verb,
        flows: typeof flows === 'string' ? [flows] : flows,
        edges: [],
        reason: 'because',
        evidence: 'ticket',
        partial: false,
        supersede: false,
        ran: null,
        plan: null,
        ...request,
      },
    });
    return operation;
  }

  ask(verb: Verb, flows: string | readonly string[], given: Given = {}): Asked {
    const operation = this.log(verb, flows, given);
    this.settle();
    return this.answerTo(operation);
  }

  answerTo(operation: string): Asked {
    const answers = this.effects.flatMap((effect) =>
      effect.t === 'outcome' && effect.operation === operation ? [effect] : [],
    );
    if (answers.length !== 1) throw new Error(`${answers.length} answers to ${operation}`);
    const { state, outcome } = answers[0] as { state: Asked['state']; outcome: OperationOutcome };
    return { state, code: outcome.code, codes: outcome.flows.map((flow) => flow.code) };
  }

  waive(from: string, to: string, given: Given = {}): Asked {
    return this.ask('waive', [], { edges: [{ from, to }], ...given });
  }

  // Agents.

  claim(flow: string): StoredLease {
    return this.record.claim(this.vertex(flow));
  }

  /** Claimed and started. */
  start(flow: string): StoredLease {
    const lease = this.claim(flow);
    this.record.start(lease.epoch);
    return lease;
  }

  end(
    lease: StoredLease,
    outcome: CompletionEntry['outcome'] = 'succeeded',
    failure: CompletionEntry['failure'] = null,
  ): this {
    this.record.complete(lease.epoch, outcome, failure);
    return this.settle();
  }

  /** Claimed and started now, answered after `ms`. */
  answer(flow: string, outcome: CompletionEntry['outcome'], ms: number): this {
    const lease = this.start(flow);
    this.record.clock += ms;
    return this.end(lease, outcome);
  }

  /** Claimed, started, ended. */
  run(...flows: string[]): this {
    for (const flow of flows) this.end(this.start(flow));
    return this;
  }

  fail(flow: string): this {
    return this.end(this.start(flow), 'failed', 'program');
  }

  lose(lease: StoredLease): this {
    this.record.reap(lease.epoch);
    return this.settle();
  }

  // Other runs.

  /** News of an upstream in another run, `X` or `X@day-2026-10-31`. */
  told(upstream: string, met: 0 | 1 | 2, redone = false): this {
    const meant = foreignOf(upstream);
    const changes = this.state.subscriptions.list.flatMap(({ from, run }, index) =>
      from === meant.from && run === meant.run ? [{ index, met, redone }] : [],
    );
    this.record.append({ kind: 'external', body: { type: 'upstream', changes, via: [meant.run] } });
    return this.settle();
  }

  // Rerun plans.

  plan(roots: string | readonly string[], scope: RerunScope, given: Partial<RerunPlan> = {}): RerunPlan {
    const named = typeof roots === 'string' ? [roots] : roots;
    const state = this.record.load();
    const members = planMembers(
      this.graph,
      state,
      named.map((flow) => this.vertex(flow)),
      scope,
    );
    return {
      id: 'plan',
      graphVersion: this.graph.version,
      members: members.map((v) => memberOf(this.graph, state, v)),
      roots: named,
      running: 'supersede',
      keepWaives: false,
      ...given,
    };
  }

  rerun(roots: string | readonly string[], scope: RerunScope, given: Partial<RerunPlan> = {}): Asked {
    return this.ask('rerun', [], { plan: this.plan(roots, scope, given) });
  }

  // What is to be seen.

  stateOf(flow: string): State {
    return stateOf(this.record.load(), this.graph, this.vertex(flow));
  }

  /** States of several flows, `A succeeded, B waiting_agent`. */
  states(...flows: string[]): string {
    return flows.map((flow) => `${flow} ${this.stateOf(flow)}`).join(', ');
  }

  is(flow: string, flag: keyof typeof FLAG): boolean {
    return has(this.state, this.vertex(flow), FLAG[flag]);
  }

  flagged(flag: keyof typeof FLAG): string {
    return this.graph.ids.filter((flow) => this.is(flow, flag)).join(' ');
  }

  generation(flow: string): number {
    return this.state.generation[this.vertex(flow)]!;
  }

  attempt(flow: string): number {
    return this.state.attempt[this.vertex(flow)]!;
  }

  blockers(flow: string): Blocker['code'][] {
    return blockers(this.graph, this.state, this.vertex(flow)).map((blocker) => blocker.code);
  }

  /** Flows that an agent may claim now. */
  offered(): string {
    return this.record
      .claimable()
      .map((v) => this.graph.ids[v])
      .sort()
      .join(' ');
  }

  gaveUp(): string[] {
    return this.effects.flatMap((effect) =>
      effect.t === 'gave_up'
        ? [
            `${this.graph.ids[effect.v]} ${effect.generation}.${effect.attempt} ${effect.cause} ${effect.used}/${effect.allowed}`,
          ]
        : [],
    );
  }

  notices(): string[] {
    return this.effects.flatMap((effect) =>
      effect.t === 'notice' ? [`${effect.kind} ${this.graph.ids[effect.v]}`] : [],
    );
  }
}

/** `A -> B -> C`: a chain of jobs, fenced unless said otherwise. */
export function chain(ids: string, rest: Partial<FlowSpec> = { fenced: true }): FlowSpec[] {
  const flows = ids.split(' ');
  return flows.map((id, i) => ({ id, ...rest, after: i === 0 ? [] : [flows[i - 1]!] }));
}
