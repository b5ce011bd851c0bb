/** What a change touches, and when work would end, against slow and obvious versions on random estates. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkCatalogue } from '../../../graph/catalogue/check.ts';
import { inflate } from '../../../graph/compiled/compact.ts';
import { compact } from '../../../graph/compiled/compile.ts';
import { reachOf, wayTo } from '../../../graph/compiled/reach.ts';
import { estateOf, impactOf } from '../../../graph/impact/impact.ts';
import { untouchedFlows } from '../../../graph/impact/untouched.ts';
import type { EdgeSpec, Flow } from '../../../graph/model.ts';
import { deadlinesMoved, expectedEnds, longestWayTo } from '../../../graph/usual/expected-ends.ts';
import { denseCatalogue } from '../../support/dense-catalogue.ts';
import { costRatio, LINEAR_FOR_TEN_TIMES } from '../../support/growth.ts';
import { runsOr, seed } from '../../support/property.ts';
import { graphOf } from '../../support/run-graph.ts';

const numRuns = runsOr(2_000);

const idOf = (v: number): string => `F${v}`;

/** As much of a flow as an estate looks at. */
function flowOf(v: number, after: readonly EdgeSpec[], bits: number): Flow {
  const cycle = (['hour', 'day', 'month'] as const)[bits % 3]!;
  return {
    ...({ id: idOf(v), cycle, kind: 'job', runner: 'agent', after, key: (bits & 4) !== 0 } as const),
    groups: [`G${(bits >> 3) % 3}`, ...((bits & 64) !== 0 ? ['G9'] : [])],
    ...((bits & 128) !== 0 ? { procedure: `P${(bits >> 8) % 2}` } : {}),
    ...((bits & 1024) !== 0 ? { owner: `o${(bits >> 11) % 2}` } : {}),
    ...((bits & 4096) !== 0 ? { deadline: '+1 day, 02:00' } : {}),
  } as Flow;
}

/** Edges in any direction: to an earlier period, or to another cycle, they may lead round. One in ten leads nowhere. */
const anyFlows = fc
  .array(fc.record({ ups: fc.array(fc.nat(11), { maxLength: 4 }), bits: fc.nat(0xffff) }), {
    minLength: 1,
    maxLength: 11,
  })
  .map((list) =>
    list.map(({ ups, bits }, v) =>
      flowOf(
        v,
        ups.map((u) => ({ from: u < list.length ? idOf(u) : 'NOWHERE', period: 'previous' })),
        bits,
      ),
    ),
  );

/** Least number of edges from any root, by trying until nothing gets shorter. */
function slowDistances(
  edges: readonly (readonly [string, string])[],
  roots: readonly string[],
): Map<string, number> {
  const distance = new Map(roots.map((id) => [id, 0]));
  for (let moved = true; moved; ) {
    moved = false;
    for (const [from, to] of edges) {
      const d = distance.get(from);
      if (d === undefined || d + 1 >= (distance.get(to) ?? Number.POSITIVE_INFINITY)) continue;
      distance.set(to, d + 1);
      moved = true;
    }
  }
  return distance;
}

const edgesIn = (lists: readonly (readonly Flow[])[]): [string, string][] => {
  const ids = new Set(lists.flat().map(({ id }) => id));
  return lists
    .flat()
    .flatMap(({ id, after }) =>
      after.flatMap(({ from }): [string, string][] => (ids.has(from) ? [[from, id]] : [])),
    );
};

test('what a change touches is what the slow search finds, over all cycles and both versions', () => {
  fc.assert(
    fc.property(
      anyFlows,
      anyFlows,
      fc.array(fc.nat(10), { minLength: 1, maxLength: 3 }),
      (now, before, picks) => {
        const estate = estateOf(now, before);
        const roots = [...new Set(picks.map((pick) => pick % estate.flows.length))];
        const edges = edgesIn([now, before]);
        const slow = slowDistances(
          edges,
          roots.map((v) => estate.flows[v]!.id),
        );
        const impact = impactOf(estate, roots);
        const id = (v: number): string => estate.flows[v]!.id;
        const among = estate.flows.filter((flow) => slow.has(flow.id));
        expect(new Set(impact.below.map(id))).toEqual(
          new Set([...slow].filter(([, d]) => d > 0).map(([flow]) => flow)),
        );
        expect(impact.below.map((v) => slow.get(id(v)))).toEqual(
          impact.below.map((v) => slow.get(id(v))!).toSorted((a, b) => a - b),
        );
        expect(impact.keys.map(id).sort()).toEqual(
          among
            .filter((flow) => flow.key)
            .map((flow) => flow.id)
            .sort(),
        );
        for (const v of impact.keys) {
          const way = wayTo(impact.reach, v);
          expect(way).toHaveLength(slow.get(id(v))! + 1);
          expect(roots).toContain(way[0]);
          for (let i = 1; i < way.length; i++)
            expect(edges.some(([from, to]) => from === id(way[i - 1]!) && to === id(way[i]!))).toBe(true);
        }
        for (const [counts, values] of [
          [impact.procedures, (flow: Flow) => (flow.procedure === undefined ? [] : [flow.procedure])],
          [impact.owners, (flow: Flow) => (flow.owner === undefined ? [] : [flow.owner])],
          [impact.groups, (flow: Flow) => flow.groups],
        ] as const) {
          const want: Record<string, number> = {};
          for (const value of among.flatMap<string>(values)) want[value] = (want[value] ?? 0) + 1;
          expect(Object.fromEntries(counts)).toEqual(want);
        }
        expect(new Set(impact.deadlines.map(id))).toEqual(
          new Set(among.filter((flow) => flow.deadline !== undefined).map((flow) => flow.id)),
        );
      },
    ),
    { seed, numRuns },
  );
});

test('upward and downward are the same edges, and a depth cuts both', () => {
  fc.assert(
    fc.property(anyFlows, fc.nat(10), fc.integer({ min: 0, max: 3 }), (flows, pick, depth) => {
      const estate = estateOf(flows);
      const root = pick % flows.length;
      const back = edgesIn([flows]).map(([from, to]): [string, string] => [to, from]);
      const slow = [...slowDistances(back, [idOf(root)])].filter(([, d]) => d <= depth);
      const reach = reachOf(estate, [root], 'up', depth);
      expect(new Map(reach.order.map((v) => [idOf(v), reach.distance[v]]))).toEqual(new Map(slow));
      for (const v of reach.order) expect(wayTo(reach, v)[0]).toBe(root);
    }),
    { seed, numRuns },
  );
});

/** Flows of a run, each after some of those before it; now and then the first two wait for each other. */
const anyRun = fc
  .record({
    flows: fc.array(
      fc.record({ ups: fc.nat(0x3ff), bits: fc.nat(0xff), ms: fc.nat(50), start: fc.nat(90) }),
      {
        minLength: 1,
        maxLength: 9,
      },
    ),
    loop: fc.nat(9),
  })
  .map(({ flows, loop }) =>
    flows.map(({ ups, bits, ms, start }, v) => {
      const after = flows.flatMap((_, u) => (u < v && ((ups >> u) & 1) === 1 ? [idOf(u)] : []));
      if (loop === 0 && flows.length > 1 && v < 2) after.push(idOf(1 - v));
      return {
        id: idOf(v),
        after: [...new Set(after)],
        ms,
        start: (bits & 1) === 1 ? 1_000 + start : 0,
        runs: (bits & 2) !== 0,
        member: (bits & 4) !== 0,
        root: (bits & 8) !== 0,
        deadline: (bits & 32) === 0 ? 0 : 1_000 + (ups % 200),
      };
    }),
  );

test('work ends when the longest way says, which is found by looking at every way', () => {
  fc.assert(
    fc.property(anyRun, (flows) => {
      const graph = graphOf(flows.map(({ id, after }) => ({ id, after })));
      const bytes = (of: (flow: (typeof flows)[number]) => boolean) =>
        Uint8Array.from(flows, (flow) => (of(flow) ? 1 : 0));
      const now = 1_000;
      // A member that does not run waits for nobody and nobody for it.
      const isMember = (entry: (typeof flows)[number]): boolean => entry.member && entry.runs;
      const foreseen = expectedEnds(graph, {
        now,
        runs: bytes((entry) => entry.runs),
        members: bytes(isMember),
        roots: bytes((entry) => entry.root),
        durations: Float64Array.from(flows, (flow) => flow.ms),
        starts: Float64Array.from(flows, (flow) => flow.start),
      });
      const upsOf = (v: number): number[] => {
        const list: number[] = [];
        for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++)
          if (graph.loopEdge[e] === 0) list.push(graph.up[e]!);
        return list;
      };
      const above = (v: number): Set<number> => new Set(upsOf(v).flatMap((u) => [u, ...above(u)]));
      const waitsFor = (v: number): number[] => [
        ...upsOf(v).filter((u) => flows[u]!.runs),
        ...(isMember(flows[v]!) ? [...above(v)].filter((u) => isMember(flows[u]!)) : []),
      ];
      const end = (v: number): number =>
        Math.max(now, flows[v]!.start, ...waitsFor(v).map(end)) + flows[v]!.ms;
      const moved = (v: number): boolean => flows[v]!.root || waitsFor(v).some(moved);
      flows.forEach(({ runs }, v) => {
        expect(foreseen.ends[v]).toBe(runs ? end(v) : 0);
        expect(foreseen.moved[v] === 1).toBe(runs && moved(v));
        if (!runs) return;
        const way = longestWayTo(foreseen, v);
        const first = way[0]!;
        const sum = way.reduce((total, u) => total + flows[u]!.ms, 0);
        expect(Math.max(now, flows[first]!.start) + sum).toBe(end(v));
      });
      expect(
        deadlinesMoved(
          foreseen,
          Float64Array.from(flows, (flow) => flow.deadline),
        ),
      ).toEqual(
        flows.flatMap(({ runs, deadline }, v) =>
          runs && moved(v) && deadline > 0
            ? [{ v, endsAt: end(v), lateMs: Math.max(0, end(v) - deadline) }]
            : [],
        ),
      );
    }),
    { seed, numRuns },
  );
});

const anyTables = fc.option(fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1 }), {
  nil: null,
});
const anyData = fc.option(fc.record({ reads: anyTables, writes: anyTables }), { nil: null });

test('a flow is untouched when no way of data leads to it from what is redone', () => {
  fc.assert(
    fc.property(anyRun, fc.array(anyData, { minLength: 40, maxLength: 40 }), (flows, tables) => {
      const graph = graphOf(flows.map(({ id, after }) => ({ id, after })));
      const roots = flows.flatMap(({ root }, v) => (root ? [v] : []));
      const tablesOf = (v: number) => tables[v % tables.length]!;
      const vertices = flows.map((_, v) => v);
      const waitsFor = (v: number, u: number): boolean =>
        [...graph.up.subarray(graph.upOff[v], graph.upOff[v + 1])].includes(u);
      const isBelow = (v: number, seen: readonly number[] = []): boolean =>
        vertices.some(
          (u) => waitsFor(v, u) && !seen.includes(u) && (roots.includes(u) || isBelow(u, [...seen, v])),
        );
      const below = new Set(vertices.filter((v) => !roots.includes(v) && isBelow(v)));
      const hands = (u: number, v: number): boolean => {
        const [from, to] = [tablesOf(u), tablesOf(v)];
        if (from === null || to === null) return false;
        if (from.writes === null) return waitsFor(v, u);
        return from.writes.some((table) => to.reads?.includes(table) ?? false);
      };
      // Again and again over all pairs, until nothing is added.
      const touched = new Set(roots);
      for (let size = -1; size !== touched.size; ) {
        size = touched.size;
        for (const v of below) {
          const to = tablesOf(v);
          if (to === null) continue;
          if (to.reads === null || [...touched].some((u) => hands(u, v))) touched.add(v);
        }
      }
      const want = [...below].filter((v) => !touched.has(v) && tablesOf(v) !== null).sort((a, b) => a - b);
      expect(untouchedFlows(graph, roots, tablesOf)).toEqual(want);
    }),
    { seed, numRuns },
  );
});

test('what a change touches, and when work would end, cost as many times more as there are more flows', () => {
  const walks = (width: number) => {
    const { flows } = checkCatalogue(denseCatalogue(width));
    const estate = estateOf(flows, flows);
    const graph = inflate(compact(flows, 'day'));
    const ones = new Uint8Array(graph.n).fill(1);
    const [durations, starts] = [new Float64Array(graph.n).fill(60_000), new Float64Array(graph.n)];
    expect(impactOf(estate, [0]).below.length).toBeGreaterThan(0.75 * graph.n);
    return {
      impact: () => impactOf(estate, [0]),
      ends: () => expectedEnds(graph, { now: 1, runs: ones, members: ones, roots: ones, durations, starts }),
    };
  };
  const [small, large] = [walks(50), walks(500)];
  expect(costRatio(small.impact, large.impact)).toBeLessThan(LINEAR_FOR_TEN_TIMES);
  expect(costRatio(small.ends, large.ends)).toBeLessThan(LINEAR_FOR_TEN_TIMES);
});
