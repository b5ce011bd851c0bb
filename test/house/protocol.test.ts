/** docs/protocol.md against the code: its rules are numbered without gap, and its table of verbs is the one of graph/verbs/verbs.ts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectFolder } from '../../config.ts';
import { NOT_STARTED, type State } from '../../graph/run/status.ts';
import { VERBS, type VerbRule } from '../../graph/verbs/verbs.ts';

const doc = readFileSync(join(projectFolder, 'docs', 'protocol.md'), 'utf8');

test('the rules of each letter are numbered from 1 without gap, in order', () => {
  const letters = [...doc.matchAll(/^## ([A-F])\. /gm)].map(([, letter]) => letter!);
  expect(letters).toEqual(['A', 'B', 'C', 'D', 'E', 'F']);
  const rules = [...doc.matchAll(/^### ([A-F]\d+) \S/gm)].map(([, rule]) => rule!);
  const want = letters.flatMap((letter) => {
    const count = rules.filter((rule) => rule.startsWith(letter)).length;
    return Array.from({ length: count }, (_, i) => `${letter}${i + 1}`);
  });
  expect(rules).toEqual(want);
});

/** `ns` for the six states without attempt and result, as the page has it. */
function statesText(states: readonly State[]): string {
  if (!NOT_STARTED.every((state) => states.includes(state))) return states.join(', ');
  return ['ns', ...states.filter((state) => !NOT_STARTED.includes(state))].join(', ');
}

function rowOf(rule: VerbRule): string {
  const { verb, zh, target, allowedIn, withSupersede, downstream, atNewGeneration } = rule;
  const supersede = withSupersede.length === 0 ? '' : `; with supersede also ${statesText(withSupersede)}`;
  const needs = [
    ...(rule.needsReason ? ['reason'] : []),
    ...(rule.needsEvidence ? ['evidence'] : []),
    ...(rule.onlyPerson ? ['the role of the gate'] : []),
  ];
  const states = `${statesText(allowedIn) || '-'}${supersede}`;
  return `| ${verb} ${zh} | ${target} | ${states} | ${needs.join(', ') || '-'} | ${downstream} | ${atNewGeneration} |`;
}

test('the table of verbs has the rows of the code, in its order', () => {
  const rows = doc.split('\n').filter((line) => /^\| [a-z-]+ \p{Script=Han}/u.test(line));
  expect(rows).toEqual([...VERBS.values()].map(rowOf));
});
