/** The machine of `graph/` without a coordinator, a record or agents: what the rules cost, and nothing else. */
import type { Graph } from '../../graph/compiled/compact.ts';
import { decide } from '../../graph/decide.ts';
import { apply } from '../../graph/run/apply.ts';
import type { Entry, ExchangeAnswer, Group, OperationRequest } from '../../graph/run/decisions.ts';
import { nextDue } from '../../graph/run/due.ts';
import { derive, emptyState, FLAG, type RunState } from '../../graph/run/state.ts';
import { memberOf, planMembers } from '../../graph/verbs/rerun.ts';

const OPENED_AT = 1_000;
const GRACE_MS = 500;

/** Decides and applies one exchange after the other; everything that it decides counts as written. */
export class RuleMachine {
  readonly graph: Graph;
  readonly state: RunState;
  exchanges = 0;
  #seq = 0;

  constructor(graph: Graph, moments: RunState['moments'] = []) {
    this.graph = graph;
    this.state = {
      ...emptyState(graph, { openedAt: OPENED_AT, now: OPENED_AT, graceMs: GRACE_MS }),
      moments,
    };
    derive(graph, this.state);
    this.exchange([]);
    this.exchanges = 0;
  }

  exchange(entries: readonly Entry[]): Group[] {
    const { graph, state } = this;
    const groups = decide(graph, state, entries, state.now);
    const answer: ExchangeAnswer = {
      n: state.exchange + 1,
      now: state.now + 10,
      written: groups.length,
      adopted: null,
      cursor: this.#seq,
      entries: [],
      leases: [],
      allLeases: false,
      more: false,
    };
    apply(graph, state, groups, answer);
    nextDue(graph, state);
    this.exchanges++;
    return groups;
  }

  /** At most `limit` flows that wait for an agent. */
  dispatched(limit: number): number[] {
    const found: number[] = [];
    for (let v = 0; v < this.graph.n && found.length < limit; v++)
      if ((this.state.flags[v]! & FLAG.DISPATCHED) !== 0) found.push(v);
    return found;
  }

  completions(flows: readonly number[]): Entry[] {
    return flows.map((v) => ({
      kind: 'completion',
      seq: ++this.#seq,
      at: this.state.now,
      v,
      generation: this.state.generation[v]!,
      attempt: this.state.attempt[v]!,
      outcome: 'succeeded',
      failure: null,
    }));
  }

  operation(request: Partial<OperationRequest> & Pick<OperationRequest, 'verb'>): Entry {
    const nothing = { flows: [], edges: [], partial: false, supersede: false, ran: null, plan: null };
    return {
      kind: 'operation',
      seq: ++this.#seq,
      at: this.state.now,
      operation: `op${this.#seq}`,
      actor: 'duty',
      roles: ['gatekeeper', 'key'],
      approvedBy: null,
      request: { reason: 'because', evidence: 'ticket', ...nothing, ...request },
    };
  }

  /** News that an attempt of each flow has committed its effect late (protocol C6). */
  lateEffects(flows: readonly number[]): Entry[] {
    return flows.map((v) => ({
      kind: 'external',
      seq: ++this.#seq,
      at: this.state.now,
      body: { type: 'effect', v, generation: 1, attempt: 1 },
    }));
  }

  /** Carries everything out, with at most `batch` completions in an exchange. */
  runAll(batch: number): void {
    for (let flows = this.dispatched(batch); flows.length > 0; flows = this.dispatched(batch))
      this.exchange(this.completions(flows));
  }

  /** A plan that reruns these flows and everything below them. */
  planOf(roots: readonly number[]): NonNullable<OperationRequest['plan']> {
    const { graph, state } = this;
    return {
      id: 'plan',
      graphVersion: graph.version,
      members: planMembers(graph, state, roots, 'downstream').map((v) => memberOf(graph, state, v)),
      roots: roots.map((v) => graph.ids[v]!),
      running: 'supersede',
      keepWaives: false,
    };
  }
}
