/** The command as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { writeOutput } from '../../cli/output-file.ts';
import { childEnvironment, projectFolder } from '../../config.ts';
import packageFile from '../../package.json' with { type: 'json' };
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';
import { startCliEstate } from './estate.ts';

const { api, home, apiUrl } = await startCliEstate(await createTestDatabase('cli_main'));
await applyCatalogue(api.pool, catalogueText(Array.from({ length: 400 }, (_, i) => ({ id: `FLOW${i}` }))));
const run = await openTestRun(api.pool);

const started: ChildProcess[] = [];
afterAll(async () => {
  for (const child of started) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

function sluice(args: readonly string[], changes: Record<string, string | undefined> = {}) {
  const env = childEnvironment({
    SLUICE_HOME: home,
    SLUICE_TOKEN: undefined,
    SLUICE_LANG: undefined,
    ...changes,
  });
  const child = spawn(process.execPath, [join(projectFolder, 'cli', 'sluice.mjs'), ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk;
  });
  const ended = once(child, 'close').then(([exit]) => ({ exit: exit as number | null, out, err }));
  return { child, ended, out: () => out };
}

test('--version is there at once: nothing of Sluice is loaded for it', async () => {
  const hook = `import { registerHooks } from 'node:module';
    registerHooks({ load(url, context, next) { process.stderr.write(url + '\\n'); return next(url, context); } });`;
  const NODE_OPTIONS = `--import data:text/javascript,${encodeURIComponent(hook)}`;
  const { out, err, exit } = await sluice(['--version'], { NODE_OPTIONS }).ended;
  expect([out, exit]).toEqual([`${packageFile.version}\n`, 0]);
  const loaded = err.split('\n').filter((url) => url.startsWith('file:'));
  expect(loaded.map((url) => url.slice(url.lastIndexOf('/') + 1))).toEqual(['sluice.mjs']);
  expect((await sluice(['run', 'list', '-V']).ended).out).toBe(`${packageFile.version}\n`);
});

test('the commands of the README run as pasted: address and token come from the profile of the home', async () => {
  const { exit, out, err } = await sluice(['run', 'show', run]).ended;
  expect([exit, err]).toEqual([0, '']);
  expect(out).toContain('400');
});

test('SLUICE_API_URL and SLUICE_TOKEN name another API; a token of the profile is never sent there', async () => {
  const wrong = await sluice(['run', 'list'], { SLUICE_API_URL: apiUrl, SLUICE_TOKEN: 'some-other-token-1' })
    .ended;
  expect([wrong.exit, wrong.err]).toEqual([4, expect.stringContaining('unauthenticated')]);
  const kept = await sluice(['run', 'list'], { SLUICE_API_URL: 'http://127.0.0.1:9' }).ended;
  expect(kept.exit).toBe(0);
});

test('a bad setting is reported like every failure', async () => {
  const { exit, err } = await sluice(['run', 'list', '--json'], { SLUICE_PORT: 'x' }).ended;
  expect([exit, JSON.parse(err)]).toEqual([2, expect.objectContaining({ code: 'invalid_config' })]);
});

test('a profile that others may read is warned about', async () => {
  await chmod(join(home, 'cli.json'), 0o644);
  try {
    expect((await sluice(['run', 'list']).ended).err).toContain('chmod 600');
  } finally {
    await chmod(join(home, 'cli.json'), 0o600);
  }
});

test('Ctrl-C ends a watch with 130', async () => {
  const watch = sluice(['run', 'watch', run]);
  await expect.poll(watch.out).toContain(run);
  watch.child.kill('SIGINT');
  expect((await watch.ended).exit).toBe(130);
});

test('a reader that has enough of the output is no failure', async () => {
  const list = sluice(['flow', 'list', '--run', run]);
  list.child.stdout!.destroy();
  const { exit, err } = await list.ended;
  expect([exit, err]).toEqual([0, '']);
});

test.skipIf(process.platform !== 'linux')('a full disk behind its output is said in a sentence', async () => {
  const full = await open('/dev/full', 'w');
  const child = spawn(process.execPath, [join(projectFolder, 'cli', 'sluice.mjs'), '--help'], {
    stdio: ['ignore', full.fd, 'pipe'],
  });
  started.push(child);
  let err = '';
  child.stderr!.on('data', (chunk: Buffer) => {
    err += chunk;
  });
  const [exit] = await once(child, 'close');
  await full.close();
  expect([exit, err]).toEqual([2, expect.stringMatching(/^sluice: file_unwritable: .*ENOSPC/)]);
  expect(err).not.toMatch(/\n\s+at /);
});

test('a file that cannot be written whole leaves the old one as it was', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-test-output-'));
  const file = join(folder, 'a.csv');
  await writeOutput(file, 'old');
  await writeOutput(file, 'new');
  expect([await readFile(file, 'utf8'), await readdir(folder)]).toEqual(['new', ['a.csv']]);
  await expect(writeOutput('/dev/full', 'x')).rejects.toMatchObject({ code: 'file_unwritable' });
  await mkdir(join(folder, 'b.csv'));
  await expect(writeOutput(join(folder, 'b.csv'), 'x')).rejects.toMatchObject({ code: 'file_unwritable' });
  await rm(folder, { recursive: true });
});
