import { expect, test } from 'vitest';
import { patiently } from '../../../store/schema/patiently.ts';

const said: string[] = [];
const log = { warn: (_facts: object, message: string) => void said.push(message) };

test('a server that is away at the start is waited for, and that is said once', async () => {
  let tries = 0;
  const answer = await patiently(
    async () => {
      if (++tries < 4) throw new Error('away');
      return 'here';
    },
    () => true,
    log,
    { patienceMs: 60_000, againMs: 1 },
  );
  expect({ answer, tries, said }).toEqual({
    answer: 'here',
    tries: 4,
    said: ['a server does not answer yet: waiting'],
  });
});

test('what will never pass, and what does not pass in time, is thrown', async () => {
  const wrong = new Error('wrong password');
  const fail = () => Promise.reject(wrong);
  await expect(patiently(fail, () => false, log)).rejects.toBe(wrong);
  await expect(patiently(fail, () => true, log, { patienceMs: 0, againMs: 1 })).rejects.toBe(wrong);
});
