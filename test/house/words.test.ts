/** Words that documents do not use: each stands for a plainer one, or for a number that the sentence should say. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectFolder } from '../../config.ts';

const documents = execFileSync(
  'git',
  ['ls-files', '--cached', '--others', '--exclude-standard', '*.md', '.env.example'],
  {
    cwd: projectFolder,
    encoding: 'utf8',
  },
)
  .split('\n')
  // Decisions and changes say what was decided at their time, in the words of that time.
  .filter(
    (file) =>
      file !== '' && !/^docs\/decisions\/|^CHANGELOG/.test(file) && existsSync(join(projectFolder, file)),
  );

test.each(['whoever', 'anew', 'so many', 'so long', 'is told'])('no document says "%s"', (word) => {
  const refused = new RegExp(`\\b${word.replace(' ', '\\s+')}\\b`, 'gi');
  const found = documents.flatMap((file) => {
    const text = readFileSync(join(projectFolder, file), 'utf8');
    return [...text.matchAll(refused)].map(
      ({ index }) => `${file}: ...${text.slice(Math.max(0, index - 40), index + 40)}`,
    );
  });
  expect(found).toEqual([]);
});
