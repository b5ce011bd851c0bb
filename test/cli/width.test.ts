import { describe, expect, test } from 'vitest';
import { painter } from '../../cli/text/colour.ts';
import { duration } from '../../cli/text/instant.ts';
import { table } from '../../cli/text/table.ts';
import { harmless, oneLine, padEnd, truncate, widthOf } from '../../cli/text/width.ts';

describe('text in a terminal', () => {
  test.each([
    ['plain', 5],
    ['流程', 4],
    ['a流b', 4],
    ['，。（）', 8],
    ['e\u0301', 1],
    ['ｆｕｌｌ', 8],
    ['👍', 2],
    ['\x1b[31mred\x1b[0m', 3],
    ['', 0],
  ])('%j takes %i columns', (text, width) => {
    expect(widthOf(text)).toBe(width);
  });

  test('Chinese text is padded and cut by columns, never through a character', () => {
    expect(padEnd('流程', 6)).toBe('流程  ');
    expect(truncate('强制通过流程', 7)).toBe('强制通…');
    expect(truncate('强制通过流程', 6)).toBe('强制…');
    expect(widthOf(truncate('强制通过流程', 6))).toBeLessThanOrEqual(6);
    expect(truncate('short', 5)).toBe('short');
  });

  test.each([
    ['colours', '\x1b[31mred\x1b[0m', 'red'],
    ['a window title', '\x1b]0;pwned\x07text', 'text'],
    ['the clipboard', 'a\x1b]52;c;cm0gLXJm\x1b\\b', 'ab'],
    ['a link', '\x1b]8;;http://evil\x1b\\here\x1b]8;;\x1b\\', 'here'],
    ['the cursor', 'one\x1b[2K\x1b[1Atwo', 'onetwo'],
    ['the terminal itself', 'a\x1bcb', 'ab'],
    ['eight-bit sequences', 'a\x9b31mb\x9d0;t\x9cc', 'abc'],
    ['a bell, a backspace and a delete', 'a\x07\x08\x7fb', 'ab'],
    ['the direction of writing', 'a\u202eb\u2066c', 'abc'],
    ['a lone escape', 'a\x1b', 'a'],
  ])('what would change %s is taken out of text of others', (_what, text, want) => {
    expect(harmless(text)).toBe(want);
  });

  test('lines stay lines in logs and become spaces elsewhere; a carriage return hides nothing', () => {
    expect(harmless('good\rbad\r\nnext\tone')).toBe('good\nbad\nnext\tone');
    expect(oneLine('a\n  b\tc\r\nd')).toBe('a b c d');
  });

  test.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [1_250, '1.25 s'],
    [59_940, '59.9 s'],
    [247_000, '4 min 07 s'],
    [3_900_000, '1 h 05 min'],
    [273_600_000, '3 d 4 h'],
    [-1_500, '-1.50 s'],
  ])('%i ms is printed as %s', (ms, want) => {
    expect(duration(ms)).toBe(want);
  });
});

describe('a table', () => {
  const rows = [
    { id: 'P02.S4.DimAccItemCode', name: '账单科目维表，由客户维护的报表数据生成', n: 7 },
    { id: 'P01.S1.StationFilesImported', name: 'short', n: 12_345 },
  ];
  const shape = [
    { title: '流程', cell: (row: (typeof rows)[0]) => row.id, gives: 0 as const },
    {
      title: 'n',
      cell: (row: (typeof rows)[0]) => String(row.n),
      align: 'right' as const,
      gives: 0 as const,
    },
    { title: '名称', cell: (row: (typeof rows)[0]) => row.name, gives: 2 as const },
  ];

  const on = (columns: number) => ({ columns, paint: painter(false) });

  test.each([60, 80, 120])('stays within %i columns in both scripts', (columns) => {
    for (const line of table(rows, shape, on(columns))) expect(widthOf(line)).toBeLessThanOrEqual(columns);
  });

  test('columns begin at the same place in every line, wide characters or not', () => {
    const lines = table(rows, shape, on(200));
    const starts = lines.map((line) => widthOf(line.slice(0, line.search(/(名称|账单|short)/))));
    expect(new Set(starts).size).toBe(1);
  });

  test('what may not give way is never cut', () => {
    for (const line of table(rows, shape, on(20)).slice(1)) expect(line).toMatch(/^P0\d\.S\d\.\w+ /);
  });

  test('no rows are a line of titles', () => {
    expect(table([], shape, on(80))).toEqual(['流程  n  名称']);
  });
});
