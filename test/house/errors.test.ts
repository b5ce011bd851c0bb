import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectFolder } from '../../config.ts';
import { ERRORS, type ErrorKind, SluiceError } from '../../errors.ts';
import { PROBLEMS } from '../../graph/text/problems.ts';

const text = readFileSync(join(projectFolder, 'docs', 'errors.md'), 'utf8');
const sections = new Map(
  text
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf('\n')), section] as const),
);
const kinds = Object.entries(ERRORS) as [string, ErrorKind][];

describe('the catalogue of errors', () => {
  test('is in alphabetical order', () => {
    expect(Object.keys(ERRORS)).toEqual(Object.keys(ERRORS).toSorted());
  });

  test('and docs/errors.md have the same codes', () => {
    const codes = [...Object.keys(ERRORS), ...Object.keys(PROBLEMS).map((code) => `problem: ${code}`)];
    expect([...sections.keys()].toSorted()).toEqual(codes.toSorted());
  });

  test.each(kinds)(
    '%s is documented as it behaves, and says how to mend it in both languages',
    (code, kind) => {
      const section = sections.get(code) ?? '';
      const head = `**${kind.en}** · ${kind.zh} · HTTP ${kind.status} · exit ${kind.exit}${kind.retryable ? ' · retryable' : ''}`;
      expect(section).toContain(head);
      expect(section).toContain(`To mend it: ${kind.remedy.en}\n${kind.remedy.zh}`);
      expect(section).not.toContain('TODO');
      for (const chinese of [kind.zh, kind.remedy.zh]) expect(chinese).toMatch(/\p{Script=Han}/u);
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
