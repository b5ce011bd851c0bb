import fc from 'fast-check';
import { topologicalGenerations } from 'graphology-dag';
import { describe, expect, test } from 'vitest';
import { checkCatalogue } from '../../../graph/catalogue/check.ts';
import { type CompactGraph, edgeId, type Graph, inflate } from '../../../graph/compiled/compact.ts';
import { compact } from '../../../graph/compiled/compile.ts';
import { canonicalJson, fingerprint } from '../../../graph/compiled/hash.ts';
import type { Flow } from '../../../graph/model.ts';
import { runsOr, seed } from '../../support/property.ts';

/** Flows by their upstreams, as an import would load them. */
function flowsOf(after: Record<string, string>, more = ''): readonly Flow[] {
  const entries = Object.entries(after).map(
    ([id, list]) =>
      `  - { id: ${id}, names: { en: ${id}, zh: 流程 }, kind: job, cycle: day, platform: yt, program: { type: noop }, after: [${list}]${more} }`,
  );
  const { flows, ok } = checkCatalogue(
    [{ path: 'f.yaml', text: `flows:\n${entries.join('\n')}\n` }],
    'import',
  );
  expect(ok).toBe(true);
  return flows;
}

const roundTrip = (json: CompactGraph): Graph => inflate(JSON.parse(JSON.stringify(json)) as CompactGraph);

/** In-run edges of a graph as text, read downward and upward. */
function edges(graph: Graph): { upward: string[]; downward: string[] } {
  const upward: string[] = [];
  const downward: string[] = [];
  for (let v = 0; v < graph.n; v++) {
    for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++) {
      expect(graph.edgeTo[e]).toBe(v);
      expect(edgeId(graph, graph.up[e]!, v)).toBe(e);
      upward.push(`${graph.ids[graph.up[e]!]} ${graph.ids[v]} ${e}`);
    }
    for (let k = graph.downOff[v]!; k < graph.downOff[v + 1]!; k++)
      downward.push(`${graph.ids[v]} ${graph.ids[graph.down[k]!]} ${graph.downEdge[k]}`);
  }
  return { upward: upward.sort(), downward: downward.sort() };
}

describe('the compact graph', () => {
  test('vertices stand in topological order, ties by id, and edges can be walked both ways', () => {
    const graph = roundTrip(compact(flowsOf({ Z: '', A: 'Z', C: 'Z', B: 'A, C', Y: '' }), 'day'));
    expect(graph.ids).toEqual(['Y', 'Z', 'A', 'C', 'B']);
    expect([...graph.upOff]).toEqual([0, 0, 0, 1, 2, 4]);
    expect([...graph.up]).toEqual([1, 1, 2, 3]);
    const { upward, downward } = edges(graph);
    expect(downward).toEqual(upward);
    expect(graph.index.get('B')).toBe(4);
    expect(edgeId(graph, 0, 4)).toBe(-1);
  });

  test('members of a loop stand together after what they wait for, and only inner edges are loop edges', () => {
    const graph = roundTrip(compact(flowsOf({ A: 'B, R', B: 'A', R: '', Q: 'A', S: 'S' }), 'day'));
    expect(graph.ids).toEqual(['R', 'S', 'A', 'B', 'Q']);
    expect(graph.loops).toEqual([[1], [2, 3]]);
    expect([...graph.loopOf]).toEqual([-1, 0, 1, 1, -1]);
    const inner = [...graph.loopEdge].flatMap((inside, e) =>
      inside ? [`${graph.ids[graph.up[e]!]}->${graph.ids[graph.edgeTo[e]!]}`] : [],
    );
    expect(inner.sort()).toEqual(['A->B', 'B->A', 'S->S']);
  });

  test('broken edges are invalid, edges to other periods and cycles are foreign', () => {
    const text = `flows:
  - { id: M, names: { en: m, zh: 月 }, kind: job, cycle: month, platform: yt, program: { type: noop }, after: [D] }
  - { id: D, names: { en: d, zh: 日 }, kind: job, cycle: day, platform: yt, program: { type: noop }, after: [Gone, { flow: D, period: previous }, { flow: M, period: previous }, { flow: Gone, period: previous }] }
`;
    const { flows } = checkCatalogue([{ path: 'f.yaml', text }], 'import');
    const day = roundTrip(compact(flows, 'day'));
    expect(day.ids).toEqual(['D']);
    expect(day.invalid).toEqual([{ v: 0, from: 'Gone' }]);
    expect([...day.invalidCount]).toEqual([1]);
    expect(day.foreign).toEqual([
      { v: 0, from: 'D', cycle: 'day', period: 'previous' },
      { v: 0, from: 'M', cycle: 'month', period: 'previous' },
    ]);
    // One month has many days: the mapping leads nowhere.
    const month = roundTrip(compact(flows, 'month'));
    expect(month.invalid).toEqual([{ v: 0, from: 'D' }]);
    expect(
      compact(
        flows.filter((flow) => flow.cycle === 'day'),
        'day',
      ),
    ).toEqual(compact(flows, 'day'));
  });

  test('attributes are kept once and carry the engine defaults', () => {
    const text = `flows:
  - { id: A, names: { en: a, zh: 甲 }, kind: job, cycle: day, platform: yt, program: { type: noop } }
  - { id: B, names: { en: b, zh: 乙 }, kind: job, cycle: day, platform: yt, program: { type: noop }, forcePassRequires: [A, Gone] }
  - { id: G, names: { en: g, zh: 门 }, kind: gate, cycle: day, platform: yt, person: { role: billing, remindAt: ["+1 day, 12:00"] }, deadline: "+1 day, 18:00" }
  - { id: S, names: { en: s, zh: 壳 }, kind: job, cycle: day, platform: mpp, program: { type: shell, command: [x] }, key: true, leaseMs: 5000 }
`;
    const graph = roundTrip(compact(checkCatalogue([{ path: 'f.yaml', text }], 'import').flows, 'day'));
    expect(graph.attrs).toHaveLength(3);
    const [a, b, g, s] = [0, 1, 2, 3].map((v) => graph.attrOf(v));
    expect(b).toBe(a);
    expect(a).toMatchObject({
      runner: 'agent',
      platform: 'yt',
      fenced: true,
      idempotent: false,
      leaseMs: 60_000,
      orphanMs: 1_800_000,
      everyMs: 60_000,
      timeoutMs: null,
      onRerun: 'keep',
      key: false,
    });
    expect(g).toMatchObject({
      kind: 'gate',
      runner: 'person',
      platform: null,
      role: 'billing',
      remindAt: ['+1 day, 12:00'],
      deadline: '+1 day, 18:00',
      fenced: false,
    });
    expect(s).toMatchObject({ platform: 'mpp', fenced: false, key: true, leaseMs: 5000 });
    expect([...graph.forcePassRequires]).toEqual([[1, [0, -1]]]);
  });

  test('the version depends on what decides, not on order, wording or the way it was stored', () => {
    const flows = flowsOf({ A: '', B: 'A', C: 'B, A' });
    const { version } = compact(flows, 'day');
    expect(version).toMatch(/^[0-9a-f]{27}$/);
    expect(compact([...flows].reverse(), 'day').version).toBe(version);
    expect(compact(flowsOf({ A: '', B: 'A', C: 'A, B' }), 'day').version).toBe(version);
    expect(
      compact(
        flows.map((flow) => ({ ...flow, names: { en: 'new', zh: '新' }, note: 'n', owner: 'o' })),
        'day',
      ).version,
    ).toBe(version);
    expect(compact(JSON.parse(canonicalJson(flows)) as Flow[], 'day')).toEqual(compact(flows, 'day'));
    const versions = [
      compact(flowsOf({ A: '', B: 'A', C: 'B' }), 'day').version,
      compact(flowsOf({ A: '', B: 'A', C: 'B, A' }, ', key: true'), 'day').version,
      compact(flowsOf({ A: '', B: 'A', C: 'B, A' }, ', timeoutMs: 1000'), 'day').version,
      compact(flowsOf({ A: '', B: 'A', C: 'B, A' }, ', parameters: { x: { value: 1 } }'), 'day').version,
    ];
    expect(new Set([version, ...versions]).size).toBe(5);
  });

  test('fingerprints differ when one letter does', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => (fingerprint(a) === fingerprint(b)) === (a === b)),
      { seed },
    );
  });

  test('on random graphs without loops the order is that of graphology-dag, and no edge is lost', () => {
    const graphs = fc
      .integer({ min: 1, max: 30 })
      .chain((n) =>
        fc.array(fc.tuple(fc.nat(n - 1), fc.nat(n - 1)), { maxLength: 90 }).map((pairs) => ({ n, pairs })),
      );
    fc.assert(
      fc.property(graphs, ({ n, pairs }) => {
        const after: Record<string, string> = {};
        const want = new Set<string>();
        for (let v = n - 1; v >= 0; v--) {
          const sources = new Set(
            pairs.filter(([a, b]) => a !== b && Math.max(a, b) === v).map(([a, b]) => `F${Math.min(a, b)}`),
          );
          after[`F${v}`] = [...sources].join(', ');
          for (const source of sources) want.add(`${source} F${v}`);
        }
        const text = Object.entries(after)
          .map(
            ([id, list]) =>
              `  - { id: ${id}, names: { en: a, zh: 甲 }, kind: job, cycle: day, platform: yt, program: { type: noop }, after: [${list}] }`,
          )
          .join('\n');
        const checked = checkCatalogue([{ path: 'f.yaml', text: `flows:\n${text}\n` }]);
        const graph = roundTrip(compact(checked.flows, 'day'));
        const { upward, downward } = edges(graph);
        expect(downward).toEqual(upward);
        expect(new Set(upward.map((edge) => edge.replace(/ \d+$/, '')))).toEqual(want);
        expect(graph.ids).toEqual(
          topologicalGenerations(checked.graph).flatMap((generation) => [...generation].sort()),
        );
      }),
      { seed, numRuns: runsOr(60) },
    );
  });
});
