import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';
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
  const measure = fileURLToPath(new URL('./heap-of-flows.ts', import.meta.url));
  const { own, shared } = JSON.parse(
    execFileSync(process.execPath, ['--expose-gc', measure], { encoding: 'utf8' }),
  );
  expect(shared / own).toBeLessThan(0.55);
});
