import { afterAll, expect, test } from 'vitest';
import { readFiles, versionReader } from '../../../store/catalogue/catalogue.ts';
import { contextReader } from '../../../store/record/run-context.ts';
import { createPool } from '../../../store/schema/pool.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';

const database = await createTestDatabase('catalogue-versions');
// Answers come in the pipeline, as with the API and the workers.
const pool = createPool(database.url, { max: 2, name: 'test' });
afterAll(() => pool.end());

const sql = { path: 'programs/load.sql', text: 'select 1 -- 装载' };
const text = catalogueText(
  [
    { id: 'C', after: ['B', 'A'], names: { en: 'C', zh: '汇总' } },
    { id: 'A', program: { type: 'sql', file: 'load.sql' } },
    { id: 'B', after: ['A'] },
  ],
  { connections: [{ id: 'yt', platform: 'yt' }] },
);
const version = await applyCatalogue(pool, text, 'apply', [sql]);

test('a version has its flows in the order of the catalogue, and the programs that agents get', async () => {
  const read = await versionReader(pool)(version);
  expect([...read.flows.keys()]).toEqual(['C', 'A', 'B']);
  expect(read.flows.get('C')).toMatchObject({
    id: 'C',
    names: { en: 'C', zh: '汇总' },
    after: [
      { from: 'B', period: 'same' },
      { from: 'A', period: 'same' },
    ],
  });
  expect([...read.programs]).toEqual([[sql.path, sql.text]]);
});

test('the files come back as they were given, when they are asked for', async () => {
  expect((await readFiles(pool, version)).files).toEqual([{ path: 'test.yaml', text }, sql]);
  await expect(readFiles(pool, 99)).rejects.toMatchObject({ code: 'unknown_version' });
});

test('a reader that was told so keeps no texts of programs', async () => {
  const read = await versionReader(pool, undefined, { programs: false })(version);
  expect(read.programs.size).toBe(0);
  expect(read.flows.size).toBe(3);
});

test('runs of one version and cycle share their graph', async () => {
  const contextOf = contextReader(pool, versionReader(pool));
  const one = await contextOf(await openTestRun(pool, '2026-09'));
  const other = await contextOf(await openTestRun(pool, '2026-10'));
  expect(other.run.id).not.toBe(one.run.id);
  expect(other.graph).toBe(one.graph);
  expect(other.index).toBe(one.index);
});

test('a version that does not exist has a code of its own', async () => {
  await expect(versionReader(pool)(99)).rejects.toMatchObject({ code: 'unknown_version' });
});
