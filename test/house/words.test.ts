/**
 * Words that documents, comments, messages, help texts and titles of tests do not use: each stands for a plainer one, or for a number that
 * the sentence should say.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectFolder } from '../../config.ts';
import { commentsOf, stringsOf } from '../support/comments.ts';

/** Decisions and changes say what was decided at their time, in its words. A migration that was released stays as it is, byte by byte. */
const EXEMPT = /^docs\/decisions\/|^CHANGELOG|^store\/schema\/migrations\//;
/** Files whose strings hold these words for a purpose: this test. */
const EXEMPT_STRINGS = ['test/house/words.test.ts'];
const WORDS = ['whoever', 'anew', 'so many', 'so long', 'is told'];

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
  cwd: projectFolder,
  encoding: 'utf8',
})
  .split('\0')
  .filter((file) => file !== '' && !EXEMPT.test(file) && existsSync(join(projectFolder, file)));
const textOf = (file: string): string => readFileSync(join(projectFolder, file), 'utf8');

const documents = files
  .filter((file) => /\.md$|^\.env\.example$/.test(file))
  .map((file) => ({ file, text: textOf(file) }));
const code = files.filter((file) => /\.(m?ts|mjs|sql|sh|ya?ml)$|^\.ci\/run$/.test(file));
const comments = code
  // What stands between backticks is a name of the code.
  .flatMap((file) =>
    commentsOf(file, textOf(file)).map((text) => ({ file, text: text.replace(/`[^`]*`/g, '``') })),
  );

const strings = code
  .filter((file) => !EXEMPT_STRINGS.includes(file))
  .flatMap((file) => stringsOf(file, textOf(file)).map((text) => ({ file, text })));

const foundIn = (texts: readonly { file: string; text: string }[], refused: RegExp): string[] =>
  texts.flatMap(({ file, text }) =>
    [...text.matchAll(refused)].map(
      ({ index }) => `${file}: ...${text.slice(Math.max(0, index - 40), index + 40)}`,
    ),
  );

describe.each(WORDS)('"%s"', (word) => {
  const refused = new RegExp(`\\b${word.replace(' ', '\\s+')}\\b`, 'gi');
  test('is in no document', () => expect(foundIn(documents, refused)).toEqual([]));
  test('is in no comment', () => expect(foundIn(comments, refused)).toEqual([]));
  test('is in no message, help text or title of a test', () => expect(foundIn(strings, refused)).toEqual([]));
});

test('no comment and no message begins with "Of a" for a label: it says what the thing is', () => {
  expect(comments.length).toBeGreaterThan(5_000);
  expect(strings.length).toBeGreaterThan(20_000);
  expect(foundIn([...comments, ...strings], /^Of an? /g)).toEqual([]);
});

test.each([
  [
    'a.ts',
    "const a = '// none'; // one\n// two\nconst b = /[/*'\"`]/;\n/** three\n * four */\n",
    ['one two', 'three four'],
  ],
  ['a.ts', 'const a = `/* none */`; /* one */', ['one']],
  ['a.sql', "select '-- none' -- one\n  -- two\n;", ['one two']],
  ['a.sh', 'echo "# none" $# # one', ['one']],
])('comments of %s are found: %j', (file, text, want) => {
  expect(commentsOf(file, text)).toEqual(want);
});

test('strings are found with their text, and without what a template fills in', () => {
  const code = `const a = 'one'; // 'two'\nconst b = \`three \${a} four\`;\nconst c = /'five'/;\n`;
  expect(stringsOf('a.ts', code)).toEqual(['one', 'three  four']);
  expect(stringsOf('a.sql', "select 'one' -- 'two'\n;")).toEqual(['one']);
});
