import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDocument } from 'yaml';
import { type Marks, NotPlain } from '../../../graph/text/yaml-inline.ts';
import { readYaml } from '../../../graph/text/yaml-reader.ts';
import { runsOr, seed } from '../../support/property.ts';

/** What the fast reader says, or null when it leaves the text to the yaml package. */
function fast(text: string): unknown {
  try {
    return readYaml(text, () => {
      throw new NotPlain();
    });
  } catch (error) {
    if (error instanceof NotPlain) return null;
    throw error;
  }
}

/** What the yaml package says: its value, or that it is an error. */
function slow(text: string): unknown {
  const document = parseDocument(text, { prettyErrors: false, merge: true });
  return document.errors.length > 0 ? 'an error' : (document.toJS() ?? {});
}

const plainWord = fc.constantFrom(
  'a',
  'B.c',
  'x y',
  '程序',
  '1',
  '-1',
  '+1.5e3',
  '007',
  '.5',
  'true',
  'null',
  '~',
  '""',
  '"q # x"',
  "'it''s'",
  'a#b',
  'http://x/y',
  '2026-10',
  '2026-10-01',
  '"\\n"',
  "it's",
  'x]',
  'on',
  'No',
  '1_000',
  '0o8',
  '12:30',
  '-x',
  '(a)',
  '$x',
  '[]',
  '{}',
);
const oddWord = fc.constantFrom(
  '0x1F',
  '.inf',
  '"\\u0041"',
  '-',
  '?',
  '|',
  '>-',
  '&a',
  '*a',
  '!t',
  '@x',
  '"a',
  'a: b',
  'a:',
  '- b',
  '0o7',
  '<<',
  '=',
  '%',
  '`',
  '...',
  '---',
  '+1 month, day 1, 23:59',
  '\tx',
  '}',
  ']',
  ',',
  ': x',
  '# x',
  "'a",
  '"a" b',
  '[a] b',
  '{a',
  'x  # y',
);
const word = fc.oneof({ weight: 9, arbitrary: plainWord }, { weight: 1, arbitrary: oddWord });
const key = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.constantFrom(
      'id',
      'kind',
      'after',
      'names',
      'x.y',
      'a-b',
      '_z',
      '"q r"',
      'zh',
      'en',
      't/u',
      'k1',
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('null', '1', "'s'", '?', '<<', '[k]', '-k', '""', 'true', '__proto__'),
  },
);
const tail = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom('', '', ' # note: x', '  ') },
  { weight: 1, arbitrary: fc.constantFrom('#no', ' \t', ' x', ' "') },
);
const line = fc
  .tuple(
    fc.constantFrom(0, 0, 2, 2, 4, 4, 6, 1, 3),
    fc.constantFrom('', '', '- ', '- - ', '-   '),
    fc.option(key),
    fc.option(word),
    tail,
  )
  .map(
    ([indent, dash, k, v, end]) =>
      `${' '.repeat(indent)}${dash}${k === null ? '' : `${k}:`}${v === null ? '' : ` ${v}`}${end}`,
  );

/** A value in block style, each level deeper, sometimes with flow collections: nearly always valid. */
const flowText: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    word,
    fc
      .tuple(fc.array(tie('value'), { maxLength: 3 }), fc.constantFrom(', ', ',', ' ,\n          '))
      .map(([a, s]) => `[${a.join(s)}]`),
    fc
      .array(fc.tuple(key, tie('value')), { maxLength: 3 })
      .map((a) => `{ ${a.map(([k, v]) => `${k}: ${v}`).join(', ')} }`),
  ),
})).value;
const blockText = fc
  .array(fc.tuple(key, fc.oneof(flowText, fc.array(flowText, { minLength: 1, maxLength: 3 })), tail), {
    minLength: 1,
    maxLength: 5,
  })
  .map((entries) =>
    entries
      .map(([k, v, end]) =>
        typeof v === 'string'
          ? `${k}: ${v}${end}`
          : `${k}:${end}\n${v.map((item) => `  - ${item}`).join('\n')}`,
      )
      .join('\n'),
  );

describe('the fast reader', () => {
  test('agrees with the yaml package on every text that it takes on', () => {
    let taken = 0;
    const same = (text: string) => {
      const value = fast(text);
      if (value === null) return;
      taken++;
      expect(value, JSON.stringify(text)).toEqual(slow(text));
    };
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 6 }), (lines) => same(lines.join('\n'))),
      { seed, numRuns: runsOr(6000) },
    );
    fc.assert(fc.property(blockText, same), { seed, numRuns: runsOr(4000) });
    // Otherwise the property would say nothing.
    expect(taken).toBeGreaterThan(500);
  });

  test.each([
    [
      'flows:\n  - id: A\n    after: [B, { flow: C, period: previous }]\n    names: { en: a b, zh: 程序 }\n',
      'mappings, lists, flow style',
    ],
    ['flows:\n- id: A\n  note: "x: \\"y\\" # z"\n- id: B\n', 'a list as deep as its key'],
    ["# first\n\nflows: # second\n  # third\n  - 'it''s'\n\npools: []\n", 'comments and blank lines'],
    ['---\nflows:\n  -\n    id: A\n  - null\n  - ~\n', 'a document mark, entries on the next line, nulls'],
    [
      'a: 1\nb: -1.5\nc: 2026-10\nd: 1_000\ne: true\nf: No\ng: 12:30\n',
      'numbers and words of the core schema',
    ],
    ['columns: [\n    a, # first\n    b,\n  ]\n', 'a flow list over several lines'],
    ['', 'nothing'],
    ['# nothing but this', 'a comment without line end'],
  ])('takes on %j (%s)', (text) => {
    expect(fast(text)).not.toBeNull();
    expect(fast(text)).toEqual(slow(text));
  });

  test.each([
    ['a: |\n  text\n', 'a block scalar'],
    ['a: one\n  two\n', 'a scalar over several lines'],
    ['a: &x 1\nb: *x\n', 'anchors'],
    ['a: !!str 1\n', 'tags'],
    ['a: 0x1F\n', 'hexadecimal'],
    ['a: 007\n', 'a number with zeros in front'],
    ['a: 1.10\n', 'a number with zeros at its end'],
    ['a: 1e3\n', 'a number with an exponent'],
    ['a: 20261130000012345678\n', 'a number that a double cannot hold'],
    ['a: +1\n', 'a number with a plus'],
    ['a: -0\n', 'minus zero'],
    ['a: True\n', 'a truth value that is not written in small letters'],
    [`a: ${'['.repeat(200)}${']'.repeat(200)}\n`, 'lists that lie deep in one another'],
    [`${Array.from({ length: 200 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')}\n`, 'mappings that lie deep'],
    ['a: 1\na: 2\n', 'a key twice'],
    ['\ta: 1\n', 'a tab as indentation'],
    ['a: b: c\n', 'a mapping in a line'],
    ['a: [1, 2\n', 'a list without end'],
    ['a: 1\n---\na: 2\n', 'two documents'],
    ['- a\n', 'a list at the top'],
    ['columns: [\n  a\n]\n', 'a closing bracket not deeper than its key'],
  ])('leaves %j to the yaml package (%s)', (text) => {
    expect(fast(text)).toBeNull();
  });

  test('notes where keys and values stand', () => {
    const text = 'flows:\n  - id: A\n    after: [B, { flow: C }]\n';
    const marks: Marks = new Map();
    const root = readYaml(text, () => null, marks) as { flows: { after: object[] }[] };
    const first = root.flows[0]!;
    expect(marks.get(root)!.get('flows')).toEqual({ key: 0, value: text.indexOf('- id') });
    expect(marks.get(first)!.get('after')).toEqual({ key: text.indexOf('after'), value: text.indexOf('[B') });
    expect(marks.get(first.after)!.get(1)!.value).toBe(text.indexOf('{ flow'));
    expect(marks.get(first.after[1]!)!.get('flow')).toEqual({
      key: text.indexOf('flow: C'),
      value: text.indexOf('C }'),
    });
  });
});
