/** The template queries as a whole: numbered, named in both languages, documented. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { QUERIES } from '../../services/queries/index.ts';

type Names = (typeof QUERIES)[number]['names'];

test.each([
  ['queries.md', (names: Names) => `${names.en} · ${names.zh}`],
  ['zh/queries.md', (names: Names) => names.zh],
])('docs/%s has one row for each query, with its names, inputs and example', (document, titleOf) => {
  const text = readFileSync(new URL(`../../docs/${document}`, import.meta.url), 'utf8');
  const rows = text.split('\n').filter((line) => /^\| Q\d\d \|/.test(line));
  const want = QUERIES.map(({ id, names, input, example }) => {
    const inputs = Object.keys(input).join(', ') || '-';
    return `| ${id} | ${titleOf(names)} | ${inputs} | \`${`sluice query ${id} ${example}`.trimEnd()}\` |`;
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

test('the examples speak of flows and procedures that the shipped catalogue has', () => {
  const folder = new URL('../../catalogue/month-start/', import.meta.url);
  const texts = readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => readFileSync(new URL(name, folder), 'utf8'));
  const ids = new Set(
    texts.flatMap((text) => [...text.matchAll(/^ {2}- (?:\{ )?id: ([\w.]+)/gm)].map(([, id]) => id)),
  );
  const named = QUERIES.flatMap(({ id, example }) =>
    [...example.matchAll(/\b(?:flows?|procedure)=(\S+)/g)].flatMap(([, list]) =>
      list!.split(',').map((part) => [id, part]),
    ),
  );
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter(([, it]) => !ids.has(it!))).toEqual([]);
});
