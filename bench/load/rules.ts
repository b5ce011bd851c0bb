/** `bench --rules`: what the rules of `graph/` compute, in this process alone: no record, no API, no agents. */
import { checkCatalogue } from '../../graph/catalogue/check.ts';
import { unorderedWriters } from '../../graph/catalogue/unordered-writers.ts';
import { type Graph, inflate } from '../../graph/compiled/compact.ts';
import { compact } from '../../graph/compiled/compile.ts';
import { type LoopEdge, weakestEdge } from '../../graph/compiled/weakest-edge.ts';
import { estateOf, impactOf } from '../../graph/impact/impact.ts';
import { expectedEnds } from '../../graph/usual/expected-ends.ts';
import { estate } from '../estate/catalogue.ts';
import { catalogueOf } from './graph-catalogue.ts';
import { layered, WORKLOADS } from './graphs.ts';
import { percentile } from './percentile.ts';
import { RuleMachine } from './rule-machine.ts';

/** Milliseconds of one call, medians; of the machine those of one exchange. */
export type Rules = Readonly<Record<string, number>>;

const REPEATED = 7;

/** Costs of the rules for an estate of `flows` flows, for a dense graph of as many, and of the machine on W4 (10,000 flows). */
export function rules({ flows, say }: { flows: number; say: (text: string) => void }): Rules {
  const costs: Record<string, number> = {};
  const measure = (name: string, work: () => unknown, shares = 1): void => {
    const times = Array.from({ length: REPEATED + 1 }, () => {
      const since = performance.now();
      work();
      return (performance.now() - since) / shares;
    });
    // The first call compiles.
    costs[name] = Math.round(percentile(times.slice(1), 0.5)! * 100) / 100;
    say(`${name}: ${costs[name]}`);
  };
  measureCatalogue(flows, measure);
  measureGraph(flows, measure);
  measureMachine(measure);
  return costs;
}

type Measure = (name: string, work: () => unknown, shares?: number) => void;

function measureCatalogue(count: number, measure: Measure): void {
  const files = estate(count);
  const { flows } = checkCatalogue(files);
  const text = JSON.stringify(compact(flows, 'day'));
  // Each flow writes a table of its own, one of ten with its neighbours, and a log that all share.
  const data = flows.map(({ id }, i) => ({
    flow: id,
    reads: [],
    writes: [`yt own${i}`, `yt shared${Math.floor(i / 10)}`, 'yt log'],
  }));
  measure('checkMs', () => checkCatalogue(files));
  measure('compileMs', () => compact(flows, 'day'));
  measure('inflateMs', () => inflate(JSON.parse(text)));
  measure('unorderedWritersMs', () => unorderedWriters(flows, data));
}

/** 26 layers with 4 upstreams each, and one loop of all flows. */
function measureGraph(count: number, measure: Measure): void {
  const width = Math.ceil(count / 26);
  const { flows } = flowsOf(layered('dense', { layers: 26, width, upstreams: 4, seed: 42 }));
  const all = estateOf(flows, flows);
  const graph = inflate(compact(flows, 'day'));
  const ones = new Uint8Array(graph.n).fill(1);
  const [durations, starts] = [new Float64Array(graph.n).fill(60_000), new Float64Array(graph.n)];
  const loop = Array.from({ length: count }, (_, v) =>
    [1, 7, 101, 1_009].map((d): LoopEdge => ({ from: `F${v}`, to: `F${(v + d) % count}` })),
  ).flat();
  measure('impactMs', () => impactOf(all, [0]));
  measure('foreseenEndsMs', () =>
    expectedEnds(graph, { now: 1, runs: ones, members: ones, roots: ones, durations, starts }),
  );
  measure('weakestEdgeMs', () => weakestEdge(loop, ({ from }) => from !== 'F5'));
}

function measureMachine(measure: Measure): void {
  const graph: Graph = inflate(compact(flowsOf(WORKLOADS.w4()).flows, 'day'));
  const run = (batch: number): RuleMachine => {
    const machine = new RuleMachine(graph);
    machine.runAll(batch);
    return machine;
  };
  const finished = run(500);
  const roots = [...Array(500).keys()];
  measure('exchangeOf500Ms', () => run(500), finished.exchanges);
  measure('exchangeOf10Ms', () => run(10), run(10).exchanges);
  measure('planOfAllMs', () => finished.planOf(roots));
  measure('forcePassOf9000Ms', () => {
    const machine = new RuleMachine(graph);
    machine.exchange([machine.operation({ verb: 'force-pass', flows: graph.ids.slice(1_000) })]);
  });
  measure('rerunOfAllMs', () => {
    finished.exchange([finished.operation({ verb: 'rerun', plan: finished.planOf(roots) })]);
    finished.runAll(500);
  });
  measure('lateEffectsOf300Ms', () => finished.exchange(finished.lateEffects([...Array(300).keys()])));
}

function flowsOf(graph: Parameters<typeof catalogueOf>[0]): ReturnType<typeof checkCatalogue> {
  const texts = catalogueOf(graph, { program: 'noop', speedup: 1 });
  return checkCatalogue(Object.entries(texts).map(([path, text]) => ({ path, text })));
}
