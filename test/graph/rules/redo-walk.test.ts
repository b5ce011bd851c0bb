import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FlowTables } from '../../../graph/impact/untouched.ts';
import { type Newer, type RunToWalk, redoWalk, spared } from '../../../graph/rules/redo-walk.ts';
import { subscriptionsOf } from '../../../graph/run/subscriptions.ts';
import { runsOr, seed } from '../../support/property.ts';
import { graphOf } from '../../support/run-graph.ts';
import { type SlowFlow, type SlowRun, slowRedo } from './slow-redo.ts';

/** The runs as the walk gets them. */
function walkable(slow: readonly SlowRun[]): {
  runs: Map<string, RunToWalk>;
  results: Newer[];
  corrected: Newer[];
} {
  const runs = new Map<string, RunToWalk>();
  const results: Newer[] = [];
  const corrected: Newer[] = [];
  for (const { run, flows } of slow) {
    const graph = graphOf(
      flows.map(({ id, kind, asks, after, foreign }) => ({
        id,
        kind,
        after,
        foreign,
        onRerun: asks ? 'ask' : 'keep',
      })),
    );
    const subscriptions = subscriptionsOf(
      flows.length,
      flows.flatMap(({ foreign }, v) =>
        foreign.map((name) => {
          const [from, other] = name.split('@') as [string, string];
          return { v, from, run: other };
        }),
      ),
    );
    const tables: (FlowTables | null)[] = flows.map(({ kind, reads, writes }) =>
      kind === 'gate' ? null : { reads, writes },
    );
    runs.set(run, {
      run,
      graph,
      subscriptions,
      startedAt: Float64Array.from(flows, (flow) => flow.startedAt),
      stops: Uint8Array.from(flows, (flow) => (flow.stops ? 1 : 0)),
      tablesOf: (v) => tables[v]!,
    });
    flows.forEach(({ finishedAt, correctedAt, stops, kind }, v) => {
      if (stops || kind === 'gate') return;
      if (finishedAt > 0) results.push({ run, v, at: finishedAt });
      if (correctedAt > 0) corrected.push({ run, v, at: correctedAt });
    });
  }
  return { runs, results, corrected };
}

function walked(slow: readonly SlowRun[]): { redone: string[]; waiting: string[]; spared: string[] } {
  const { runs, results, corrected } = walkable(slow);
  const found = redoWalk(runs, results, corrected);
  const names = (of: (run: string) => readonly number[]): string[] =>
    [...found.keys()].flatMap((run) => of(run).map((v) => `${runs.get(run)!.graph.ids[v]}@${run}`)).sort();
  return {
    redone: names((run) => found.get(run)!.redone),
    waiting: names((run) => found.get(run)!.waiting),
    spared: names((run) => spared(runs.get(run)!, found.get(run)!)),
  };
}

const flow = (id: string, more: Partial<SlowFlow> = {}): SlowFlow => ({
  id,
  kind: 'job',
  asks: true,
  reads: [],
  writes: [`t${id}`],
  after: [],
  foreign: [],
  startedAt: 10,
  stops: false,
  finishedAt: 0,
  correctedAt: 0,
  ...more,
});

const one = (...flows: SlowFlow[]): SlowRun[] => [{ run: 'month', flows }];

describe('what has to be redone because newer data came', () => {
  test('flows that started before the newer result, and those that used theirs', () => {
    const runs = one(
      flow('A', { finishedAt: 20 }),
      flow('B', { reads: ['tA'], after: ['A'] }),
      flow('C', { reads: ['tB'], after: ['B'], startedAt: 30 }),
    );
    expect(walked(runs)).toEqual({ redone: ['B@month', 'C@month'], waiting: [], spared: [] });
  });

  test('a flow that started after the newer result has used it', () => {
    const runs = one(
      flow('A', { finishedAt: 20 }),
      flow('B', { reads: ['tA'], after: ['A'], startedAt: 21 }),
    );
    expect(walked(runs).redone).toEqual([]);
  });

  test('a flow that is only ordered after what is redone is spared', () => {
    const runs = one(
      flow('A', { correctedAt: 20 }),
      flow('B', { reads: ['tA'], after: ['A'] }),
      flow('C', { reads: ['other'], after: ['B'] }),
    );
    expect(walked(runs)).toEqual({ redone: ['A@month', 'B@month'], waiting: [], spared: ['C@month'] });
  });

  test('a reader is found over flows between that move other data', () => {
    const runs = one(
      flow('A', { finishedAt: 20 }),
      flow('M', { reads: ['other'], after: ['A'] }),
      flow('G', { kind: 'gate', asks: false, after: ['M'] }),
      flow('B', { reads: ['tA'], after: ['G'] }),
    );
    expect(walked(runs)).toEqual({ redone: ['B@month'], waiting: [], spared: [] });
  });

  test('unknown tables count, those of the flow directly above only', () => {
    const runs = one(
      flow('A', { finishedAt: 20, writes: null }),
      flow('B', { reads: ['x'], writes: ['y'], after: ['A'] }),
      flow('C', { reads: ['z'], after: ['B'] }),
      flow('D', { reads: null, after: ['B'] }),
    );
    expect(walked(runs).redone).toEqual(['B@month', 'D@month']);
  });

  test('what was passed, skipped or retired stops the walk', () => {
    const runs = one(
      flow('A', { finishedAt: 20 }),
      flow('B', { reads: ['tA'], after: ['A'], stops: true }),
      flow('C', { reads: ['tB', 'tA'], after: ['B'] }),
    );
    expect(walked(runs).redone).toEqual([]);
  });

  test('a gate that asks again after a rerun is asked, one that keeps its confirmation is not', () => {
    const runs = one(
      flow('A', { correctedAt: 20 }),
      flow('G', { kind: 'gate', asks: true, after: ['A'] }),
      flow('K', { kind: 'gate', asks: false, after: ['A'] }),
    );
    expect(walked(runs).redone).toEqual(['A@month', 'G@month']);
  });

  test('a flow that has not started and reads what is redone has to wait for it', () => {
    const runs = one(
      flow('A', { correctedAt: 20 }),
      flow('M', { reads: ['other'], after: ['A'] }),
      flow('B', { reads: ['tA'], after: ['M'], startedAt: 0 }),
    );
    expect(walked(runs)).toEqual({ redone: ['A@month'], waiting: ['B@month'], spared: ['M@month'] });
  });

  test('from run to run over the edge itself: a self-dependency does not carry tables of other periods along', () => {
    const day = (n: number, more: Partial<SlowFlow> = {}): SlowRun => ({
      run: `day${n}`,
      flows: [
        flow('L', { foreign: [`L@day${n - 1}`], reads: ['src'], writes: ['l'], ...more }),
        flow('M', { after: ['L'], reads: ['l'] }),
      ],
    });
    expect(walked([day(1, { finishedAt: 20 }), day(2)]).redone).toEqual(['M@day1']);
    const reading = { reads: ['l'] };
    expect(walked([day(1, { finishedAt: 20, ...reading }), day(2, reading)]).redone).toEqual([
      'L@day2',
      'M@day1',
      'M@day2',
    ]);
  });

  test('edges inside a loop carry nothing', () => {
    const runs = one(
      flow('A', { finishedAt: 20, after: ['B'], reads: ['tB'] }),
      flow('B', { reads: ['tA'], after: ['A'] }),
    );
    expect(walked(runs).redone).toEqual([]);
  });
});

const TABLES = ['t0', 't1', 't2', 't3'];

const anyFlow = fc.noBias(
  fc.record({ ups: fc.nat(0xffff), bits: fc.nat(0xffffff), started: fc.nat(20), tables: fc.nat(0xffff) }),
);

const anyRuns: fc.Arbitrary<SlowRun[]> = fc
  .noBias(
    fc.array(fc.array(anyFlow, { minLength: 1, maxLength: 9, size: 'max' }), {
      minLength: 2,
      maxLength: 4,
      size: 'max',
    }),
  )
  .map((all) =>
    all.map((flows, r) => {
      const loop = flows.length > 3 && flows[0]!.bits % 6 === 0;
      return {
        run: `r${r}`,
        flows: flows.map(({ ups, bits, started, tables }, v): SlowFlow => {
          const some = (mask: number): string[] => TABLES.filter((_, i) => (mask >> i) % 2 === 1);
          const after = flows.flatMap((_, u) => (u < v && (ups >> u) % 2 === 1 ? [`F${u}`] : []));
          const foreign =
            r > 0 && bits % 3 === 0 ? [`F${(bits >> 4) % all[r - 1]!.length}@r${(bits >> 9) % r}`] : [];
          // F1 and F2 wait for each other.
          if (loop && v === 1 && !after.includes('F2')) after.push('F2');
          if (loop && v === 2 && !after.includes('F1')) after.push('F1');
          return {
            id: `F${v}`,
            kind: bits % 8 === 1 ? 'gate' : 'job',
            asks: bits % 16 < 8,
            reads: (bits >> 5) % 9 === 0 ? null : some(tables),
            writes: (bits >> 6) % 9 === 0 ? null : some(tables >> 4),
            after,
            foreign,
            startedAt: (bits >> 12) % 5 === 0 ? 0 : started + 1,
            stops: (bits >> 14) % 9 === 0,
            finishedAt: (bits >> 16) % 4 === 0 ? (tables >> 8) % 24 : 0,
            correctedAt: (bits >> 18) % 6 === 0 ? (tables >> 9) % 24 : 0,
          };
        }),
      };
    }),
  );

test('as the definition says, in random estates of two to four runs', () => {
  let redone = 0;
  const numRuns = runsOr(5_000);
  fc.assert(
    fc.property(anyRuns, (runs) => {
      const want = slowRedo(runs);
      const got = walked(runs);
      redone += got.redone.length > 1 ? 1 : 0;
      return same(got.redone, want.redone) && same(got.waiting, want.waiting);
    }),
    { seed, numRuns },
  );
  expect(redone).toBeGreaterThan(numRuns / 4);
});

const same = (got: readonly string[], want: ReadonlySet<string>): boolean =>
  got.length === want.size && got.every((name) => want.has(name));
