import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectFolder } from '../../config.ts';
import { ERRORS, type ErrorKind, SluiceError } from '../../errors.ts';
import { PROBLEMS } from '../../graph/text/problems.ts';

/** Code -> its section. */
function sectionsOf(document: string): Map<string, string> {
  const sections = readFileSync(join(projectFolder, 'docs', document), 'utf8')
    .split(/^## /m)
    .slice(1);
  return new Map(sections.map((section) => [section.slice(0, section.indexOf('\n')), section]));
}
const sections = sectionsOf('errors.md');
const chinese = sectionsOf('zh/errors.md');
const kinds = Object.entries(ERRORS) as [string, ErrorKind][];

describe('the catalogue of errors', () => {
  test('is in alphabetical order', () => {
    expect(Object.keys(ERRORS)).toEqual(Object.keys(ERRORS).toSorted());
  });

  test('and docs/errors.md have the same codes', () => {
    const codes = [...Object.keys(ERRORS), ...Object.keys(PROBLEMS).map((code) => `problem: ${code}`)];
    expect([...sections.keys()].toSorted()).toEqual(codes.toSorted());
  });

  test.each(kinds)('%s is documented as it behaves, and says what to do in both languages', (code, kind) => {
    const section = sections.get(code) ?? '';
    const head = `**${kind.en}** · ${kind.zh} · HTTP ${kind.status} · exit ${kind.exit}${kind.retryable ? ' · retryable' : ''}`;
    expect(section).toContain(head);
    expect(section).toContain(`What to do: ${kind.remedy.en}\n${kind.remedy.zh}`);
    expect(section).not.toContain('TODO');
    for (const chinese of [kind.zh, kind.remedy.zh]) expect(chinese).toMatch(/\p{Script=Han}/u);
  });

  test('docs/zh/errors.md has the same codes in the same order', () => {
    expect([...chinese.keys()]).toEqual([...sections.keys()]);
  });

  test.each(kinds)('%s is documented in Chinese with the words of the catalogue', (code, kind) => {
    const section = chinese.get(code) ?? '';
    const head = `**${kind.zh}** · HTTP ${kind.status} · 退出码 ${kind.exit}${kind.retryable ? ' · 可重试' : ''}`;
    expect(section).toContain(`${head}\n\n`);
    expect(section).toContain(`处理：${kind.remedy.zh}\n`);
  });

  test.each(kinds)(
    'the remedy of %s names the same commands, options and keys in both languages',
    (_code, { remedy }) => {
      const namesOf = (text: string): string[] =>
        [...new Set(text.match(/\bsluice [a-z]+|--[a-z-]+|\b[A-Z][A-Z_]{2,}\b/g) ?? [])].sort();
      expect(namesOf(remedy.zh)).toEqual(namesOf(remedy.en));
    },
  );

  test('only what may succeed later is retryable, and nothing of the caller is', () => {
    for (const [, kind] of kinds) if (kind.retryable) expect(kind.status).toBeGreaterThanOrEqual(500);
  });

  test('an error carries its code, its facts and its cause', () => {
    const cause = new Error('below');
    const error = new SluiceError('unknown_run', 'there is no run x', { facts: { run: 'x' }, cause });
    expect(error).toMatchObject({
      code: 'unknown_run',
      facts: { run: 'x' },
      cause,
      kind: { status: 404, exit: 3 },
    });
  });
});
