/** The thread that reads programs: every text once, within limits, whatever the text does to the parser. */
import { afterEach, expect, test } from 'vitest';
import { ProgramReader, type ReadLimits } from '../../../services/programs/program-reader.ts';

const portsBefore = process.getActiveResourcesInfo().filter((name) => name === 'MessagePort');
let reader: ProgramReader;
const begin = (limits: ReadLimits = {}) => {
  reader = new ProgramReader(limits);
  return reader;
};
afterEach(() => reader.close());

const rows = (n: number): string =>
  `insert into a values ${Array.from({ length: n }, (_, i) => `(${i})`).join(',')}`;
const HUGE = rows(10_000);

test('a text that was read is not read again, by whomever it is asked', async () => {
  begin();
  const texts = Array.from({ length: 200 }, (_, i) => `select ${i}`);
  const [first, second] = await Promise.all([reader.read(texts), reader.read(texts.toReversed())]);
  for (const text of texts) {
    expect(first.get(text)).toMatchObject({ problems: [] });
    // The very same facts: read once.
    expect(second.get(text)).toBe(first.get(text));
  }
  await reader.close();
  expect((await reader.read(texts)).get('select 7')).toBe(first.get('select 7'));
});

test('a process that has asked it ends by itself: the thread does not hold it', async () => {
  await begin().read(['select 1']);
  expect(process.getActiveResourcesInfo().filter((name) => name === 'MessagePort')).toEqual(portsBefore);
});

const HOSTILE: [name: string, { given: string; limits?: ReadLimits }][] = [
  ['one that exhausts the stack', { given: `select ${'1+'.repeat(20_000)}1` }],
  ['one that exhausts the parser', { given: `select ${'('.repeat(50_000)}1${')'.repeat(50_000)}` }],
  ['one that takes too long', { given: HUGE, limits: { textMs: 1 } }],
  ['one that needs too much memory', { given: rows(60_000), limits: { memoryMb: 16 } }],
  ['one that is too long', { given: HUGE, limits: { longest: 1_000 } }],
];

test.each(HOSTILE)('%s is given up, those before and behind it are read', async (_, { given, limits }) => {
  begin(limits);
  const facts = await reader.read(['select 1', given, 'selec 2', 'select :x']);
  expect(facts.get(given)).toBeNull();
  if (limits?.textMs === undefined) {
    expect(facts.get('select 1')).toMatchObject({ problems: [] });
    expect(facts.get('selec 2')).toMatchObject({ problems: [{ code: 'sql_syntax' }] });
    expect(facts.get('select :x')!.parameters).toHaveLength(1);
  }
});

test('a question ends when its time is over; the next one goes on with what is missing', async () => {
  begin();
  const texts = [HUGE, 'select 1'];
  expect([...(await reader.read(texts, 1)).values()]).toEqual([null, null]);
  // The first was with the thread already.
  const facts = await reader.read(texts);
  expect(texts.map((text) => facts.get(text)?.problems)).toEqual([[], []]);
});

test('a question that is given up takes nothing from another one for the same text', async () => {
  begin();
  const [hasty, patient] = await Promise.all([
    reader.read([HUGE, 'select 1'], 1),
    reader.read(['select 1', HUGE]),
  ]);
  expect(hasty.get('select 1')).toBeNull();
  expect(patient.get('select 1')).toMatchObject({ problems: [] });
});
