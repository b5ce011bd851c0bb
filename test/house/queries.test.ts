/** The template queries as a whole: numbered, named in both languages, documented. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { QUERIES } from '../../api/queries/index.ts';

const docs = readFileSync(new URL('../../docs/queries.md', import.meta.url), 'utf8');

test('docs/queries.md has one row for each query, with its names, inputs and example', () => {
  const rows = docs.split('\n').filter((line) => /^\| Q\d\d \|/.test(line));
  const want = QUERIES.map(({ id, names, input, example }) => {
    const inputs = Object.keys(input).join(', ') || '-';
    return `| ${id} | ${names.en} · ${names.zh} | ${inputs} | \`${`sluice query ${id} ${example}`.trimEnd()}\` |`;
  });
  expect(rows).toEqual(want);
});

test('queries are in the order of their numbers, and everything operators read is there in both languages', () => {
  const ids = QUERIES.map(({ id }) => id);
  expect(ids).toEqual([...new Set(ids)].sort());
  for (const query of QUERIES)
    for (const { en, zh } of [query.names, query.question, query.rule, ...Object.values(query.columns)]) {
      expect(en).not.toBe('');
      expect(zh).not.toBe('');
    }
});
