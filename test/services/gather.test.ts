import { expect, test } from 'vitest';
import { gather } from '../../services/gather.ts';

/** A transaction whose end the test decides. */
function lane(fail: (calls: readonly number[]) => boolean = () => false) {
  const groups: number[][] = [];
  const ends: (() => void)[] = [];
  const submit = gather(
    async (calls: readonly number[]) => {
      groups.push([...calls]);
      await new Promise<void>((resolve) => ends.push(resolve));
      if (fail(calls)) throw new Error(`bad: ${calls}`);
      return calls.map((call) => call * 10);
    },
    { limit: 3 },
  );
  const end = async () => {
    while (ends.length === 0) await new Promise((resolve) => setImmediate(resolve));
    ends.shift()!();
  };
  return { groups, submit, end };
}

test('C2: calls that come while a group is carried out become the next group', async () => {
  const { groups, submit, end } = lane();
  const first = [submit(1), submit(2)];
  await new Promise((resolve) => setImmediate(resolve));
  const second = [submit(3), submit(4), submit(5), submit(6)];
  for (let i = 0; i < 3; i++) await end();
  expect(await Promise.all([...first, ...second])).toEqual([10, 20, 30, 40, 50, 60]);
  expect(groups).toEqual([[1, 2], [3, 4, 5], [6]]);
});

test('one bad call fails alone', async () => {
  const { submit, end } = lane((calls) => calls.includes(2));
  const answers = Promise.allSettled([submit(1), submit(2), submit(3)]);
  for (let i = 0; i < 5; i++) await end();
  expect((await answers).map((answer) => answer.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
});
