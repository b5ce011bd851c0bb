import { expect, test } from 'vitest';
import { estate } from '../../../bench/estate/catalogue.ts';
import { checkCatalogue } from '../../../graph/catalogue/check.ts';
import { unorderedWriters } from '../../../graph/catalogue/unordered-writers.ts';
import { tableKey } from '../../../graph/impact/lineage.ts';
import type { Flow } from '../../../graph/model.ts';
import { catalogueText, type ShortFlow } from '../../support/estate.ts';
import { costRatio, LINEAR_FOR_TEN_TIMES } from '../../support/growth.ts';

const check = (flows: readonly ShortFlow[], frame: object = {}): readonly Flow[] =>
  checkCatalogue([{ path: 'f.yaml', text: catalogueText(flows, { ...frame }) }], 'import').flows;
const dataOf = (flows: readonly Flow[]) =>
  flows.map(({ id, reads, writes }) => ({
    flow: id,
    reads: reads.map((table) => tableKey('yt', table)),
    writes: writes.map((table) => tableKey('yt', table)),
  }));
const found = (flows: readonly Flow[]) =>
  unorderedWriters(flows, dataOf(flows)).map(
    ({ table, first, second }) => `${table.slice(3)}: ${first}, ${second}`,
  );

const writes = ['s.t'];
const sql = (id: string, file: string, parameters: object = {}, more: object = {}): ShortFlow => ({
  id,
  writes,
  program: { type: 'sql', file, connection: 'yt' },
  parameters,
  ...more,
});
const region = (value: string) => ({ region: { value } });
const connections = [{ id: 'yt', platform: 'yt' }];

const ROWS: [name: string, { given: readonly ShortFlow[]; frame?: object; want: string[] }][] = [
  [
    'two beside one another',
    {
      given: [
        { id: 'A', writes },
        { id: 'B', writes },
      ],
      want: ['s.t: A, B'],
    },
  ],
  [
    'names of tables count in any case',
    {
      given: [
        { id: 'A', writes },
        { id: 'B', writes: ['S.T'] },
      ],
      want: ['s.t: A, B'],
    },
  ],
  [
    'one after the other',
    {
      given: [
        { id: 'A', writes },
        { id: 'B', writes, after: ['A'] },
      ],
      want: [],
    },
  ],
  [
    'one after the other through a third',
    {
      given: [
        { id: 'B', writes, after: ['X'] },
        { id: 'X', after: ['A'] },
        { id: 'A', writes },
      ],
      want: [],
    },
  ],
  [
    'three, of which two are ordered',
    {
      given: [
        { id: 'A', writes },
        { id: 'B', writes, after: ['A'] },
        { id: 'C', writes, after: ['A'] },
      ],
      want: ['s.t: B, C'],
    },
  ],
  [
    'a check and a gate write nothing',
    {
      given: [
        { id: 'A', writes },
        { id: 'C', kind: 'check', writes },
        { id: 'G', kind: 'gate', person: { role: 'r' }, writes },
      ],
      want: [],
    },
  ],
  [
    'one file with different parameters',
    {
      given: [
        sql('A', 'a.sql', region('BJ')),
        sql('B', 'a.sql', region('SH')),
        sql('C', 'a.sql', region('GZ')),
      ],
      want: [],
    },
  ],
  [
    'one file with the same parameters',
    { given: [sql('A', 'a.sql', region('BJ')), sql('B', 'a.sql', region('BJ'))], want: ['s.t: A, B'] },
  ],
  [
    'what only tells runs apart tells no work apart',
    {
      given: [
        sql('A', 'a.sql', { run: { from: 'run' } }),
        sql('B', 'a.sql', { generation: { from: 'generation' } }),
      ],
      want: ['s.t: A, B'],
    },
  ],
  [
    'one file with different parameters beside another file',
    {
      given: [
        sql('A', 'a.sql', region('BJ')),
        sql('B', 'a.sql', region('SH')),
        sql('C', 'c.sql', {}, { after: ['A'] }),
      ],
      want: ['s.t: B, C'],
    },
  ],
  [
    'another file after all of one file',
    {
      given: [
        sql('A', 'a.sql', region('BJ')),
        sql('B', 'a.sql', region('SH')),
        sql('C', 'c.sql', {}, { after: ['A', 'B'] }),
      ],
      want: [],
    },
  ],
  [
    'an edge to the period before orders nothing within one',
    {
      given: [
        { id: 'A', writes },
        { id: 'B', writes, after: [{ flow: 'A', period: 'previous' }] },
      ],
      want: ['s.t: A, B'],
    },
  ],
  [
    'different periods, each in its run, in no order',
    {
      given: [
        { id: 'A', writes },
        { id: 'B', writes, period: 'previous' },
      ],
      want: ['s.t: A, B'],
    },
  ],
  [
    'different periods, in an order',
    {
      given: [
        { id: 'A', writes },
        { id: 'B', writes, period: 'previous', after: [{ flow: 'A', period: 'same' }] },
      ],
      want: [],
    },
  ],
  [
    'a month and a day write different kinds of periods',
    {
      given: [
        { id: 'A', writes },
        { id: 'B', writes, cycle: 'day' },
      ],
      want: [],
    },
  ],
  [
    'a month flow of the last day and a day flow',
    {
      given: [
        { id: 'A', writes, period: 'lastDayOfMonth' },
        { id: 'B', writes, cycle: 'day' },
      ],
      want: ['s.t: A, B'],
    },
  ],
  [
    'the same file in a month run and a day run is kept apart by its lock',
    {
      given: [sql('A', 'a.sql', {}, { period: 'lastDayOfMonth' }), sql('B', 'a.sql', {}, { cycle: 'day' })],
      want: [],
    },
  ],
  [
    'a distribution and a program',
    {
      given: [{ id: 'A', writes }],
      frame: {
        distributions: [
          {
            id: 'D',
            names: { en: 'D', zh: 'D' },
            cycle: 'month',
            columns: ['m'],
            periodColumn: 'm',
            from: { connection: 'yt', table: 's.from' },
            to: { connection: 'yt', table: 's.t' },
          },
        ],
      },
      want: ['s.t: A, D.import'],
    },
  ],
  [
    'a program after a distribution',
    {
      given: [{ id: 'A', writes, after: ['D'] }],
      frame: {
        distributions: [
          {
            id: 'D',
            names: { en: 'D', zh: 'D' },
            cycle: 'month',
            columns: ['m'],
            periodColumn: 'm',
            from: { connection: 'yt', table: 's.from' },
            to: { connection: 'yt', table: 's.t' },
          },
        ],
      },
      want: [],
    },
  ],
  [
    'flows of a loop wait for one another',
    {
      given: [
        { id: 'A', writes, after: ['B'] },
        { id: 'B', writes, after: ['A'] },
      ],
      want: [],
    },
  ],
];

test.each(ROWS)('%s', (_, { given, frame = {}, want }) => {
  expect(found(check(given, { connections, ...frame }))).toEqual(want);
});

/** Numbers from a seed, 0 <= x < 1. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test('on random graphs a table is named exactly when some pair of its writers is in no order', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const next = random(seed);
    const n = 5 + Math.floor(next() * 40);
    const flows: ShortFlow[] = Array.from({ length: n }, (_, i) => {
      const after = Array.from({ length: i }, (__, k) => `F${k}`).filter(() => next() < 2 / n);
      const tables = ['a', 'b', 'c', 'd'].filter(() => next() < 0.15);
      const id = `F${i}`;
      if (next() < 0.5) return { id, after, writes: tables };
      const file = next() < 0.5 ? 'x.sql' : 'y.sql';
      const parameters = { k: { value: Math.floor(next() * 3) } };
      return { id, after, writes: tables, parameters, program: { type: 'sql', file, connection: 'yt' } };
    });
    const built = check(flows, { connections });
    const above = built.map(() => new Set<number>());
    built.forEach(({ after }, v) => {
      for (const { from } of after) {
        const u = Number(from.slice(1));
        above[v]!.add(u);
        for (const w of above[u]!) above[v]!.add(w);
      }
    });
    const excused = (a: Flow, b: Flow): boolean =>
      a.program?.type === 'sql' &&
      b.program?.type === 'sql' &&
      a.program.file === b.program.file &&
      JSON.stringify(a.parameters) !== JSON.stringify(b.parameters);
    const want = ['a', 'b', 'c', 'd'].filter((table) =>
      built.some((a, i) =>
        built.some(
          (b, j) =>
            i < j &&
            a.writes.includes(table) &&
            b.writes.includes(table) &&
            !excused(a, b) &&
            !above[j]!.has(i),
        ),
      ),
    );
    const answered = unorderedWriters(built, dataOf(built));
    expect({ seed, tables: answered.map(({ table }) => table.slice(3)).sort() }).toEqual({
      seed,
      tables: want,
    });
    for (const { table, first, second } of answered) {
      const [i, j] = [first, second].map((id) => Number(id.slice(1))) as [number, number];
      expect(above[j]!.has(i) || above[i]!.has(j) || excused(built[i]!, built[j]!)).toBe(false);
      for (const k of [i, j]) expect(built[k]!.writes).toContain(table.slice(3));
    }
  }
});

test('unordered writers are found in a time that grows with the flows', () => {
  const [small, large] = [1_300, 13_000].map((count) => {
    const { flows } = checkCatalogue(estate(count));
    // Each flow writes a table of its own, one of ten with its neighbours, and a log that all share.
    const data = flows.map(({ id }, i) => ({
      flow: id,
      reads: [],
      writes: [`yt own${i}`, `yt shared${Math.floor(i / 10)}`, 'yt log'],
    }));
    return () => unorderedWriters(flows, data);
  }) as [() => ReturnType<typeof unorderedWriters>, () => ReturnType<typeof unorderedWriters>];
  expect(large().map(({ table }) => table)).toContain('yt log');
  expect(costRatio(small, large, 2)).toBeLessThan(LINEAR_FOR_TEN_TIMES);
});
