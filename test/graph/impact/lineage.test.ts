/** Lineage and weakest edges against obvious slow answers on random estates. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type LoopEdge, weakestEdge } from '../../../graph/compiled/weakest-edge.ts';
import {
  type FlowData,
  follow,
  handsOver,
  type LineageNode,
  lineageOf,
  tableKey,
} from '../../../graph/impact/lineage.ts';
import { costRatio, LINEAR_FOR_TEN_TIMES } from '../../support/growth.ts';
import { partOf, runsOr, seed } from '../../support/property.ts';

const numRuns = runsOr(400);
const anyTables = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), { maxLength: 3 });
const anyFlows = fc
  .array(fc.record({ reads: anyTables, writes: anyTables }), { minLength: 1, maxLength: 9 })
  .map((list) => list.map((item, i): FlowData => ({ flow: `F${i}`, ...item })));

/** All pairs of nodes of which one leads to the other at once, as text. */
function arrows(flows: readonly FlowData[], direction: 'up' | 'down'): [string, string][] {
  const down = flows.flatMap(({ flow, reads, writes }) => [
    ...reads.map((table): [string, string] => [`table ${table}`, `flow ${flow}`]),
    ...writes.map((table): [string, string] => [`flow ${flow}`, `table ${table}`]),
  ]);
  return direction === 'down' ? down : down.map(([from, to]) => [to, from]);
}

test('what is made of a table or flow, and what it is made of, is found over shortest ways', () => {
  fc.assert(
    fc.property(
      anyFlows,
      fc.constantFrom('up', 'down'),
      fc.nat(),
      fc.boolean(),
      (flows, direction, pick, atTable) => {
        const lineage = lineageOf(flows);
        const start: LineageNode = atTable
          ? { kind: 'table', id: ['a', 'b', 'c', 'd', 'e', 'f'][pick % 6]! }
          : { kind: 'flow', id: flows[pick % flows.length]!.flow };
        // Distances by trying every arrow until nothing gets nearer.
        const distance = new Map([[`${start.kind} ${start.id}`, 0]]);
        const pairs = arrows(flows, direction);
        for (let moved = true; moved; ) {
          moved = false;
          for (const [from, to] of pairs) {
            const d = (distance.get(from) ?? Number.POSITIVE_INFINITY) + 1;
            if (d >= (distance.get(to) ?? Number.POSITIVE_INFINITY)) continue;
            distance.set(to, d);
            moved = true;
          }
        }
        const steps = follow(lineage, start, direction);
        const found = new Map(steps.map(({ node, depth }) => [`${node.kind} ${node.id}`, depth]));
        expect([...found].sort()).toEqual([...distance].sort());
        expect(steps).toHaveLength(distance.size);
        for (const { node, depth, from } of steps) {
          if (from === null) continue;
          const before = steps[from]!;
          expect(before.depth).toBe(depth - 1);
          expect(pairs).toContainEqual([`${before.node.kind} ${before.node.id}`, `${node.kind} ${node.id}`]);
        }
        const near = follow(lineage, start, direction, 1);
        expect(near).toEqual(steps.filter(({ depth }) => depth <= 1));
      },
    ),
    { seed, numRuns },
  );
});

test('a flow hands over to another what it writes and the other reads', () => {
  fc.assert(
    fc.property(anyFlows, (flows) => {
      const lineage = lineageOf(flows);
      for (const a of flows)
        for (const b of flows)
          expect(handsOver(lineage, a.flow, b.flow)).toBe(
            flows.some((flow) => flow === a && flow.writes.some((table) => new Set(b.reads).has(table))),
          );
    }),
    { seed, numRuns: partOf(numRuns, 4) },
  );
});

test('tables are told apart by platform, not by case', () => {
  expect(tableKey('yt', 'DWD.Sum')).toBe(tableKey('yt', 'dwd.sum'));
  expect(tableKey('yt', 'dwd.sum')).not.toBe(tableKey('mpp', 'dwd.sum'));
});

/** Every simple way from one to the other, by trying all. */
function allWays(
  edges: readonly LoopEdge[],
  from: string,
  to: string,
  seen: readonly string[] = [from],
): string[][] {
  if (from === to) return [seen as string[]];
  return edges
    .filter((edge) => edge.from === from && !seen.includes(edge.to))
    .flatMap((edge) => allWays(edges, edge.to, to, [...seen, edge.to]));
}

test('without the weakest edge most of the shortest ways round are gone, and no edge with data goes before one without', () => {
  const names = ['A', 'B', 'C', 'D', 'E'];
  // A ring, so that all wait for one another, and some edges more.
  const anyLoop = fc.record({
    size: fc.integer({ min: 1, max: 5 }),
    more: fc.array(fc.tuple(fc.nat(4), fc.nat(4)), { maxLength: 6 }),
    data: fc.nat(0xffff),
  });
  fc.assert(
    fc.property(anyLoop, ({ size, more, data }) => {
      const ring = Array.from({ length: size }, (_, i): [number, number] => [i, (i + 1) % size]);
      const pairs = new Map(
        [...ring, ...more.map(([a, b]): [number, number] => [a % size, b % size])].map((entry) => [
          entry.join(),
          entry,
        ]),
      );
      const edges = [...pairs.values()].map(([a, b]): LoopEdge => ({ from: names[a]!, to: names[b]! }));
      const carries = ({ from, to }: LoopEdge): boolean =>
        ((data >> (names.indexOf(from) * 3 + names.indexOf(to))) & 1) === 1;
      const weakest = weakestEdge(edges, carries);
      expect(edges).toContainEqual(weakest);
      if (edges.some((edge) => !carries(edge))) expect(carries(weakest)).toBe(false);
      // An edge that is on every way round leaves no loop behind; such edges of the better kind come first.
      const broken = (edge: LoopEdge): boolean => {
        const rest = edges.filter((other) => other !== edge);
        return names.every((name) =>
          rest.every((entry) => entry.from !== name || allWays(rest, entry.to, name).length === 0),
        );
      };
      const sameKind = edges.filter((edge) => carries(edge) === carries(weakest));
      const all = sameKind.filter((edge) => broken(edge));
      if (all.length > 0)
        expect(broken(edges.find((edge) => edge.from === weakest.from && edge.to === weakest.to)!)).toBe(
          true,
        );
    }),
    { seed, numRuns },
  );
});

test('the weakest edge of one large loop is found in a time that grows with its edges', () => {
  const loopOf = (n: number): LoopEdge[] =>
    Array.from({ length: n }, (_, v) =>
      [1, 7, 101, 1_009].map((d): LoopEdge => ({ from: `F${v}`, to: `F${(v + d) % n}` })),
    ).flat();
  const find = (edges: LoopEdge[]) => () => {
    expect(edges.includes(weakestEdge(edges, ({ from }) => from !== 'F5'))).toBe(true);
    expect(weakestEdge(edges, ({ from, to }) => from !== 'F5' || to !== 'F6')).toEqual({
      from: 'F5',
      to: 'F6',
    });
  };
  // Every edge as a start would be quadratic: 100.
  expect(costRatio(find(loopOf(1_300)), find(loopOf(13_000)), 3)).toBeLessThan(LINEAR_FOR_TEN_TIMES);
});
