import { expect, test } from 'vitest';
import { WORKLOADS } from '../../../bench/load/graphs.ts';
import type { Graph } from '../../../graph/compiled/compact.ts';
import { decide } from '../../../graph/decide.ts';
import { apply } from '../../../graph/run/apply.ts';
import type { Entry, ExchangeAnswer, Group, OperationRequest } from '../../../graph/run/decisions.ts';
import { nextDue } from '../../../graph/run/due.ts';
import { derive, FLAG, type RunState } from '../../../graph/run/state.ts';
import { memberOf, planMembers } from '../../../graph/verbs/rerun.ts';
import { freshState } from '../../support/memory-record.ts';
import { type FlowSpec, graphOf } from '../../support/run-graph.ts';

/** The cheapest record: takes everything that is decided. Measures what the coordinator computes, and nothing else. */
class Coordinator {
  readonly graph: Graph;
  readonly state: RunState;
  spentMs: number[] = [];
  #seq = 0;

  constructor(specs: readonly FlowSpec[], moments: RunState['moments'] = []) {
    this.graph = graphOf(specs, []);
    this.state = { ...freshState(this.graph), moments };
    derive(this.graph, this.state);
    this.exchange([]);
    this.spentMs = [];
  }

  exchange(entries: readonly Entry[]): Group[] {
    const { graph, state } = this;
    const started = process.cpuUsage();
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
    const spent = process.cpuUsage(started);
    // Processor time: what others do on the machine is not the machine's.
    this.spentMs.push((spent.user + spent.system) / 1000);
    return groups;
  }

  offered(limit: number): number[] {
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

  /** Carries everything out, `batch` completions an exchange. */
  runAll(batch: number): void {
    for (let flows = this.offered(batch); flows.length > 0; flows = this.offered(batch))
      this.exchange(this.completions(flows));
  }
}

const layers = (): FlowSpec[] =>
  WORKLOADS.w4().tasks.map(({ id, deps }) => ({ id, after: deps, fenced: true }));
const mean = (list: readonly number[]): number => list.reduce((sum, ms) => sum + ms, 0) / list.length;
const say = (what: string, ms: number): void => console.log(`machine, W4: ${what}: ${ms.toFixed(2)} ms`);

// Bounds are many times what was measured: they catch work that grows with the square, not a slow machine.

test('W4 in batches of 500: decide and apply take a few ms an exchange, also in batches of 10', () => {
  const c = new Coordinator(layers());
  c.runAll(500);
  expect(c.state.finished).toBe(true);
  say(`an exchange of 500 completions (${c.spentMs.length} exchanges)`, mean(c.spentMs));
  expect(mean(c.spentMs)).toBeLessThan(60);
  const small = new Coordinator(layers());
  small.runAll(10);
  say(`an exchange of 10 completions (${small.spentMs.length} exchanges)`, mean(small.spentMs));
  expect(mean(small.spentMs)).toBeLessThan(20);
});

test('a rerun plan of all 10,000 flows, in whatever order its roots are named', () => {
  const c = new Coordinator(layers());
  c.runAll(500);
  const roots = c.offered(0).concat([...Array(500).keys()]);
  const started = performance.now();
  const members = planMembers(c.graph, c.state, roots, 'downstream').map((v) =>
    memberOf(c.graph, c.state, v),
  );
  say(`making a plan of ${members.length} members`, performance.now() - started);
  const plan = {
    id: 'plan',
    graphVersion: c.graph.version,
    members,
    roots: roots.map((v) => c.graph.ids[v]!),
    running: 'supersede',
    keepWaives: false,
  } as const;
  c.spentMs = [];
  c.exchange([c.operation({ verb: 'rerun', plan })]);
  say('carrying it out', mean(c.spentMs));
  expect(mean(c.spentMs)).toBeLessThan(400);
  c.spentMs = [];
  c.runAll(500);
  say('an exchange of 500 completions of members', mean(c.spentMs));
  expect(mean(c.spentMs)).toBeLessThan(60);
  expect(c.state.finished).toBe(true);
  const backwards = {
    ...plan,
    members: [...plan.members].map((member) => ({ ...member, generation: 2 })).reverse(),
  };
  c.spentMs = [];
  c.exchange([c.operation({ verb: 'rerun', plan: backwards })]);
  say('carrying it out, members named backwards', mean(c.spentMs));
  expect(mean(c.spentMs)).toBeLessThan(400);
});

test('force-pass, hold and skip of 9,000 flows in one operation', () => {
  for (const verb of ['hold', 'skip', 'force-pass'] as const) {
    const c = new Coordinator(layers());
    c.exchange([c.operation({ verb, flows: c.graph.ids.slice(1000) })]);
    say(`${verb} of 9,000 flows`, c.spentMs[0]!);
    expect(c.spentMs[0]).toBeLessThan(400);
  }
});

test('300 late effects in one exchange', () => {
  const c = new Coordinator(layers());
  c.runAll(500);
  c.spentMs = [];
  const effects = Array.from({ length: 300 }, (_, i): Entry => {
    const { seq, at } = c.operation({ verb: 'hold' });
    return { kind: 'external', seq, at, body: { type: 'effect', v: i, generation: 1, attempt: 1 } };
  });
  c.exchange(effects);
  say('300 late effects, each with most of the graph below', c.spentMs[0]!);
  expect(c.spentMs[0]).toBeLessThan(4000);
});

test('3,000 gates with three reminders each that fall due one after the other', () => {
  const specs = Array.from({ length: 3000 }, (_, i): FlowSpec => ({ id: `G${i}`, kind: 'gate' }));
  const moments = specs.flatMap((_, v) =>
    [1, 2, 3].map(
      (k) => ({ v, at: 1000 + k * 1000 + v, kind: 'gate_reminder', recipient: 'gatekeeper' }) as const,
    ),
  );
  const c = new Coordinator(
    specs,
    moments.sort((a, b) => a.at - b.at),
  );
  for (let i = 0; i < 700; i++) c.exchange([]);
  say('3,000 gates: an exchange with reminders', mean(c.spentMs));
  expect(c.state.used.every((passed) => passed === 3)).toBe(true);
  expect(mean(c.spentMs)).toBeLessThan(20);
});
