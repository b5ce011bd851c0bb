/** Documents that exist in English (docs/) and in Chinese (docs/zh/) have the same parts, and lead to each other. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectFolder } from '../../config.ts';

const names = readdirSync(join(projectFolder, 'docs', 'zh'));
const read = (...path: string[]): string => readFileSync(join(projectFolder, 'docs', ...path), 'utf8');

describe.each(names)('docs/zh/%s', (name) => {
  const [english, chinese] = [read(name), read('zh', name)];

  test('and the English edition name each other in the third line', () => {
    expect(chinese.split('\n')[2]).toMatch(new RegExp(`^English: \\[.+\\]\\(\\.\\./${name}\\)$`));
    expect(english.split('\n')[2]).toMatch(new RegExp(`^中文：\\[.+\\]\\(zh/${name}\\)$`));
  });

  test('has the headings of the English edition, in its order', () => {
    const levels = (text: string): number[] =>
      [...withoutSamples(text).matchAll(/^(#+) /gm)].map(([, signs]) => signs!.length);
    expect(levels(chinese)).toEqual(levels(english));
  });

  test('has as many rows in each table as the English edition', () => {
    const tables = (text: string): number[] =>
      [...withoutSamples(text).matchAll(/^\|.*(?:\n\|.*)*/gm)].map(([table]) => table.split('\n').length);
    expect(tables(chinese)).toEqual(tables(english));
  });

  test('leads to Chinese editions where they exist', () => {
    const links = [...chinese.matchAll(/\]\(\.\.\/([\w-]+\.md)/g)].map(([, to]) => to!);
    expect(links.filter((to) => to !== name && names.includes(to))).toEqual([]);
  });
});

/** Without what stands between fences: commands and their output. */
function withoutSamples(text: string): string {
  return text.replace(/^```[\s\S]*?^```$/gm, '');
}
