/** Setting up again: the program itself, on a record that another home set up. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { childEnvironment, projectFolder } from '../../config.ts';
import { actorOfToken, disableActor } from '../../store/operations/actors.ts';
import { createPool } from '../../store/schema/pool.ts';
import { createTestDatabase } from '../support/database.ts';

const database = await createTestDatabase('setup');
const pool = createPool(database.url, { max: 2, name: 'test' });
afterAll(() => pool.end());
const folder = await mkdtemp(join(tmpdir(), 'sluice-test-setup-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

const setUp = (file: string, ...options: string[]): Promise<{ exit: number; err: string }> =>
  new Promise((resolve) => {
    execFile(
      process.execPath,
      ['api/setup/main.ts', ...options, join(folder, file), 'catalogue/month-start', 'agent-1'],
      { cwd: projectFolder, env: childEnvironment({ DATABASE_URL: database.url }) },
      (error, _out, err) => resolve({ exit: error === null ? 0 : Number(error.code), err }),
    );
  });
const tokens = async (file: string): Promise<Record<string, string>> =>
  JSON.parse(await readFile(join(folder, file), 'utf8')).actors;
const works = async (token: string): Promise<boolean> => (await actorOfToken(pool, token)) !== null;

test('setting up again keeps tokens, and another home does not replace them in silence', async () => {
  expect(await setUp('one.json')).toMatchObject({ exit: 0 });
  const first = await tokens('one.json');
  expect(await setUp('one.json')).toMatchObject({ exit: 0 });
  expect(await tokens('one.json')).toEqual(first);

  const second = await setUp('two.json');
  expect(second).toMatchObject({ exit: 5, err: expect.stringContaining('tokens_elsewhere') });
  expect(second.err).toContain('--replace-tokens');
  expect(second.err).not.toMatch(/\n\s+at /);
  await expect(readFile(join(folder, 'two.json'))).rejects.toThrow('ENOENT');
  for (const token of Object.values(first)) expect(await works(token)).toBe(true);

  await writeFile(join(folder, 'broken.json'), '{"actors":');
  expect(await setUp('broken.json')).toMatchObject({ exit: 5, err: expect.stringContaining('broken.json') });

  await disableActor(pool, 'viewer');
  const replaced = await setUp('two.json', '--replace-tokens');
  expect(replaced).toMatchObject({ exit: 0, err: expect.stringContaining('replaced the tokens of admin') });
  expect(await works(first.admin!)).toBe(false);
  expect(await works((await tokens('two.json')).admin!)).toBe(true);
  const { rows } = await pool.query("select disabled from actors where name = 'viewer'");
  expect(rows).toEqual([{ disabled: true }]);
  const audit = await pool.query("select reason from audit where verb = 'replace-tokens'");
  expect(audit.rows[0].reason).toContain('admin');
});
