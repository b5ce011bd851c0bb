/** What the machine costs grows with the graph and with what an exchange brings, never with the product of both. */
import { expect, test } from 'vitest';
import { layered } from '../../../bench/load/graphs.ts';
import { RuleMachine } from '../../../bench/load/rule-machine.ts';
import { costRatio, LINEAR_FOR_TEN_TIMES } from '../../support/growth.ts';
import { type FlowSpec, graphOf } from '../../support/run-graph.ts';

/** 20 layers with 3 upstreams each. */
const layersOf = (width: number) =>
  graphOf(
    layered('layers', { layers: 20, width, upstreams: 3, seed: 42 }).tasks.map(
      ({ id, deps }): FlowSpec => ({ id, after: deps, fenced: true }),
    ),
    [],
  );
const SMALL = layersOf(50);
const LARGE = layersOf(500);

/** A machine that has carried out every flow. */
function finished(graph: typeof SMALL): RuleMachine {
  const machine = new RuleMachine(graph);
  machine.runAll(500);
  expect(machine.state.finished).toBe(true);
  return machine;
}

function linear(what: string, ratio: number): void {
  console.log(`${what}, ten times as large: ${ratio.toFixed(1)} times the cost`);
  expect(ratio, what).toBeLessThan(LINEAR_FOR_TEN_TIMES);
}

test('a run costs as many times more as it has more flows, in large batches and in small ones', () => {
  const run = (graph: typeof SMALL, batch: number) => () => new RuleMachine(graph).runAll(batch);
  linear('20 exchanges, a layer each', costRatio(run(SMALL, 50), run(LARGE, 500)));
  // The number of exchanges does not change here, so an exchange may cost as many times more as the graph is larger.
  const few = (graph: typeof SMALL) => () => {
    const machine = new RuleMachine(graph);
    for (let i = 0; i < 50; i++) machine.exchange(machine.completions(machine.dispatched(10)));
  };
  linear('50 exchanges of 10 completions', costRatio(few(SMALL), few(LARGE)));
});

test('a rerun plan of all flows, in whatever order its members are named', () => {
  const machines = [finished(SMALL), finished(LARGE)] as const;
  const firstLayer = (machine: RuleMachine) => [...Array(machine.graph.n / 20).keys()];
  const make = (machine: RuleMachine) => () => machine.planOf(firstLayer(machine));
  linear('making a plan', costRatio(make(machines[0]), make(machines[1])));
  const carryOut = (machine: RuleMachine, backwards: boolean) => () => {
    const plan = machine.planOf(firstLayer(machine));
    const members = backwards ? [...plan.members].reverse() : plan.members;
    machine.exchange([machine.operation({ verb: 'rerun', plan: { ...plan, members } })]);
    expect(machine.state.finished).toBe(false);
    machine.runAll(machine.graph.n / 20);
    expect(machine.state.finished).toBe(true);
  };
  linear('carrying a plan out', costRatio(carryOut(machines[0], false), carryOut(machines[1], false), 3));
  linear('the same backwards', costRatio(carryOut(machines[0], true), carryOut(machines[1], true), 3));
});

test.each(['hold', 'skip', 'force-pass'] as const)('%s of nine flows in ten in one operation', (verb) => {
  const pass = (graph: typeof SMALL) => () => {
    const machine = new RuleMachine(graph);
    const [group] = machine.exchange([
      machine.operation({ verb, flows: graph.ids.slice(graph.n / 10), evidence: 'ticket' }),
    ]);
    expect(group!.effects.find((effect) => effect.t === 'outcome')).toMatchObject({ state: 'applied' });
  };
  linear(verb, costRatio(pass(SMALL), pass(LARGE)));
});

test('late effects in one exchange, each with most of the graph below', () => {
  const effects = (graph: typeof SMALL, count: number) => {
    const machine = finished(graph);
    const flows = [...Array(count).keys()];
    return () => machine.exchange(machine.lateEffects(flows));
  };
  linear('50 late effects, graph', costRatio(effects(SMALL, 50), effects(LARGE, 50)));
  linear('late effects, number', costRatio(effects(LARGE, 15), effects(LARGE, 150), 2));
});

test('gates with three reminders each that fall due one after the other', () => {
  const gates = (count: number) => {
    const graph = graphOf(
      Array.from({ length: count }, (_, i): FlowSpec => ({ id: `G${i}`, kind: 'gate' })),
      [],
    );
    const moments = [1, 2, 3]
      .flatMap((k) =>
        graph.ids.map(
          (_, v) =>
            ({ v, at: 1_000 + k * count + v, kind: 'gate_reminder', recipient: 'gatekeeper' }) as const,
        ),
      )
      .sort((a, b) => a.at - b.at);
    return () => {
      const machine = new RuleMachine(graph, moments);
      // Time moves by 10 with each exchange.
      for (let i = 0; i < (4 * count) / 10; i++) machine.exchange([]);
      expect(machine.state.used.every((passed) => passed === 3)).toBe(true);
    };
  };
  const exchangesTimesTen = 10;
  const ratio = costRatio(gates(300), gates(3_000), 1) / exchangesTimesTen;
  linear('an exchange of gates with reminders', ratio);
});
