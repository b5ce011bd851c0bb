/**
 * Documents that exist in English (docs/) and in Chinese (docs/zh/) say the same, section by section: the same commands, keys of tables, names
 * of the code and figures. So a change of one edition alone is red.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectFolder } from '../../config.ts';

const names = readdirSync(join(projectFolder, 'docs', 'zh')).filter((name) => name.endsWith('.md'));
const read = (...path: string[]): string => readFileSync(join(projectFolder, 'docs', ...path), 'utf8');

interface Section {
  /** Signs of the heading: `##`. */
  readonly level: string;
  /** Lines of blocks of code. */
  readonly code: string[];
  readonly rows: string[];
  readonly prose: string[];
}

function sectionsOf(text: string): Section[] {
  const sections: Section[] = [];
  let inBlock = false;
  for (const line of text.split('\n')) {
    const heading = inBlock ? null : /^#+ /.exec(line);
    if (heading !== null) sections.push({ level: heading[0], code: [], rows: [], prose: [] });
    const section = sections.at(-1)!;
    if (line.startsWith('```')) inBlock = !inBlock;
    else if (inBlock) section.code.push(line);
    else (line.startsWith('|') ? section.rows : section.prose).push(line);
  }
  return sections;
}

const withoutComment = (line: string): string => line.replace(/(^|\s+)(#|--) .*$/, '').trimEnd();
/** Lines that a person writes. What follows `$ command` is its output, which like quoted reasons is in the language of the document. */
function written(code: readonly string[]): string[] {
  const commands = code.filter((line) => line.startsWith('$ '));
  return commands.length === 0
    ? code.map(withoutComment)
    : commands.map((line) => line.replace(/"[^"]*"/g, '""'));
}
const keyOf = (row: string): string => row.split(/(?<!\\)\|/)[1] ?? '';
const inOrder = (texts: Iterable<string>): string[] => [...new Set(texts)].sort();
const codeIn = (text: string): string[] =>
  inOrder([...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code!.replaceAll(/\s+/g, ' ')));
/** Numbers outside of code, addresses of links and the numbers of a list. */
const figuresIn = (text: string): string[] =>
  inOrder(text.replace(/`[^`]+`|\]\([^)]*\)|^\d+\. /gm, ' ').match(/\d+(?:[.,]\d+)*/g) ?? []);

describe.each(names)('docs/zh/%s', (name) => {
  const [english, chinese] = [read(name), read('zh', name)];
  const [there, here] = [sectionsOf(english), sectionsOf(chinese)];
  const expectSame = (partOf: (section: Section) => unknown): void =>
    expect(here.map(partOf)).toEqual(there.map(partOf));

  test('and the English edition name each other in the third line', () => {
    expect(chinese.split('\n')[2]).toMatch(new RegExp(`^English: \\[.+\\]\\(\\.\\./${name}\\)$`));
    expect(english.split('\n')[2]).toMatch(new RegExp(`^中文：\\[.+\\]\\(zh/${name}\\)$`));
  });

  test('leads to Chinese editions where they exist', () => {
    const links = [...chinese.matchAll(/\]\(\.\.\/([\w-]+\.md)/g)].map(([, to]) => to!);
    expect(links.filter((to) => to !== name && names.includes(to))).toEqual([]);
  });

  test('has the same sections', () => expectSame(({ level }) => level));
  test('has the same lines in blocks of code, but for comments and output', () =>
    expectSame(({ code }) => written(code)));
  test('has tables with the same keys, and the same code and figures in each row', () => {
    expectSame(({ rows }) => rows.map((row) => codeIn(keyOf(row))));
    expectSame(({ rows }) => rows.map((row) => [codeIn(row), figuresIn(row)]));
  });
  test('has the same code and the same figures in its text', () =>
    expectSame(({ prose }) => [codeIn(prose.join('\n')), figuresIn(prose.join('\n'))]));
});
