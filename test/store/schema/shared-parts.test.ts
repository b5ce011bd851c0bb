import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { estate } from '../../../bench/estate/catalogue.ts';
import { checkCatalogue } from '../../../graph/catalogue/check.ts';
import type { Flow } from '../../../graph/model.ts';
import { flowReader } from '../../../store/schema/shared-parts.ts';

test('what is read is what the JSON says', () => {
  const objects = fc.dictionary(fc.string(), fc.jsonValue());
  fc.assert(
    fc.property(fc.array(objects, { maxLength: 5 }), (flows) => {
      const read = flowReader();
      const plain = flows.map((flow) => JSON.stringify(flow));
      expect(plain.map(read)).toEqual(plain.map((text) => JSON.parse(text)));
    }),
  );
});

test('equal parts of different flows are one object that nobody can change', () => {
  const read = flowReader();
  const one = (id: string, after: string[]) =>
    JSON.stringify({
      id,
      owner: 'report of the day',
      retries: { program: 1, lost: 3 },
      uses: [{ pool: 'heavy', n: 1 }],
      groups: [],
      after: after.map((from) => ({ from, period: { offset: -2 } })),
    });
  const a = read(one('A', ['X', 'Y']));
  const b = read(one('B', ['Y', 'Z']));
  expect(a.retries).toBe(b.retries);
  expect(a.uses).toBe(b.uses);
  expect(a.groups).toBe(b.groups);
  expect(a.after[1]).toBe(b.after[0]);
  for (const part of [a.retries, a.uses[0], a.groups, a.after[0], a.after[0]!.period])
    expect(Object.isFrozen(part)).toBe(true);
});

test('13,000 flows of an estate take half of what they take as objects of their own', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const used = (): number => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  const files = estate(13_000, 42, { noop: true });
  const rows = checkCatalogue(files, 'apply').flows.map((flow) => JSON.stringify(flow));
  /** A function of its own, so that nothing but what was read is left when it returns. */
  const readAll = (read: (json: string) => Flow): Flow[] => rows.map((json) => read(json));
  const takes = (reader: () => (json: string) => Flow): number => {
    const before = used();
    const flows = readAll(reader());
    const after = used();
    expect(flows).toHaveLength(rows.length);
    return after - before;
  };
  const own = takes(() => JSON.parse);
  const shared = takes(flowReader);
  expect(shared / own).toBeLessThan(0.55);
});
