/** The list of long test files names files that exist. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectFolder } from '../../config.ts';
import { LONGEST } from '../support/longest-first.ts';

test('every long test file that starts early is there', () => {
  expect(LONGEST.filter((file) => !existsSync(join(projectFolder, file)))).toEqual([]);
  expect(new Set(LONGEST).size).toBe(LONGEST.length);
});
