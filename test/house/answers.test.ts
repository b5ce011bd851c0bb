/** docs/answers.md against the code: every cause with what it means, what it says in both languages, and what removes it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectFolder } from '../../config.ts';
import { sentenceOf } from '../../graph/why/cause-text.ts';
import { CAUSES, type CauseCode } from '../../graph/why/causes.ts';
import { remedyRule } from '../../graph/why/remedies.ts';

const doc = readFileSync(join(projectFolder, 'docs', 'answers.md'), 'utf8');
const codes = Object.keys(CAUSES) as CauseCode[];
const MIN = 60_000;

/** As the table has it: `F` since five minutes; a moment lies ten minutes ahead, of deadlines ten minutes back. */
function rowOf(code: CauseCode): string {
  const past = code === 'interface_late' || code === 'gate_unconfirmed';
  const now = 100 * MIN;
  const told = {
    subject: { en: 'F', zh: 'F' },
    members: ['A', 'B'],
    now,
    since: now - 5 * MIN,
    until: now + (past ? -10 : 10) * MIN,
    by: 'WHO',
    reason: 'WHY',
  };
  const { en, zh } = sentenceOf(code, told);
  const { verb, otherwise = [], procedure } = remedyRule(code);
  const quoted = (verbs: readonly string[]): string => verbs.map((verb) => `\`${verb}\``).join(', ');
  const verbs = [
    ...(verb === undefined ? [] : [quoted([verb])]),
    ...(otherwise.length === 0 ? [] : [`else ${quoted(otherwise)}`]),
    ...(procedure === undefined ? [] : [procedure]),
  ];
  return `| \`${code}\` | ${CAUSES[code]} | ${en}<br>${zh} | ${verbs.join('; ') || '-'} |`;
}

test('the codes are in alphabetical order', () => {
  expect(codes).toEqual(codes.toSorted());
});

describe('docs/answers.md', () => {
  test.each(codes)('has %s as the code has it', (code) => {
    expect(doc).toContain(rowOf(code));
  });

  test('has no code that does not exist', () => {
    const rows = doc.split('\n').flatMap((line) => /^\| `([a-z_]+)` \| .*<br>/.exec(line)?.[1] ?? []);
    expect(rows).toEqual(codes);
  });

  test('says what each procedure is that a cause names', () => {
    const named = codes.flatMap((code) => remedyRule(code).procedure ?? []);
    const said = doc.split('\n').flatMap((line) => /^\| (P\d\d) \p{Script=Han}/u.exec(line)?.[1] ?? []);
    expect(said).toEqual([...new Set([...named, 'P25'])].sort());
  });

  test('has no heading without text', () => {
    expect(doc).not.toMatch(/^#+ .*\n+(?=#|$(?![\s\S]))/m);
  });
});
