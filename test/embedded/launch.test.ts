import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { childEnvironment, projectFolder } from '../../config.ts';
import { ERRORS } from '../../errors.ts';

const folders: string[] = [];
let project: string;

/** A project with this launcher and no packages: small enough to install in a moment. */
beforeEach(async () => {
  project = await mkdtemp(join(tmpdir(), 'sluice-test-'));
  folders.push(project);
  await mkdir(join(project, 'embedded'));
  for (const it of ['launch', 'bootstrap', 'runtime', 'process-lock']) {
    cpSync(join(projectFolder, 'embedded', `${it}.mjs`), join(project, 'embedded', `${it}.mjs`));
  }
  const root = { name: 'small', version: '1.0.0' };
  await writeFile(join(project, 'package.json'), JSON.stringify({ ...root, type: 'module' }));
  await lockFile({ '': root });
});
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

const lockFile = (packages: Record<string, unknown>) =>
  writeFile(
    join(project, 'package-lock.json'),
    JSON.stringify({ name: 'small', version: '1.0.0', lockfileVersion: 3, requires: true, packages }),
  );

function launch(args: string[], env: Record<string, string | undefined> = {}): ChildProcess {
  return spawn(process.execPath, [join(project, 'embedded', 'launch.mjs'), ...args], {
    cwd: project,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: childEnvironment({ SLUICE_CACHE: join(project, 'cache'), npm_execpath: undefined, ...env }),
  });
}

async function finished(child: ChildProcess) {
  const text = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk: Buffer) => {
    text.stdout += chunk;
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    text.stderr += chunk;
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { ...text, code, signal };
}

describe('the launcher', () => {
  test('installs once, however many start at once, and keeps stdout for the program', async () => {
    await writeFile(
      join(project, 'hello.ts'),
      'const n: number = 7; console.log(JSON.stringify({ n, args: process.argv.slice(2) }));',
    );
    const starts = Array.from({ length: 3 }, () => finished(launch(['hello.ts', '--json'])));
    const ends = await Promise.all(starts);
    for (const it of ends) expect(it).toMatchObject({ code: 0, stdout: '{"n":7,"args":["--json"]}\n' });
    expect(ends.filter((end) => end.stderr.includes('installing packages'))).toHaveLength(1);
    expect((await finished(launch(['hello.ts']))).stderr).toBe('');
  });

  test('has Node keep what it compiled, for the program and for those that it starts', async () => {
    await writeFile(
      join(project, 'cached.ts'),
      `import { getCompileCacheDir } from 'node:module';
      console.log(JSON.stringify({ own: getCompileCacheDir(), children: process.env.NODE_COMPILE_CACHE }));`,
    );
    const { stdout } = await finished(launch(['cached.ts'], { NODE_COMPILE_CACHE: undefined }));
    const { own, children } = JSON.parse(stdout) as { own: string; children: string };
    expect(children).toBe(join(project, 'cache', 'compile'));
    expect(own.startsWith(children)).toBe(true);
  });

  test('installs again when the lock file changed', async () => {
    await writeFile(join(project, 'hello.ts'), '');
    await finished(launch(['hello.ts']));
    await lockFile({ '': { name: 'small', version: '1.0.0', engines: { node: '>=20' } } });
    await rm(join(project, 'node_modules', '.package-lock.json'), { force: true });
    expect((await finished(launch(['hello.ts']))).stderr).toContain('installing packages');
  });

  test('leaves alone what somebody installed by hand', async () => {
    await writeFile(join(project, 'hello.ts'), '');
    await mkdir(join(project, 'node_modules', 'a'), { recursive: true });
    const packages = { 'node_modules/a': { version: '1.0.0' } };
    await lockFile({ '': { name: 'small', version: '1.0.0' }, ...packages });
    await writeFile(join(project, 'node_modules', '.package-lock.json'), JSON.stringify({ packages }));
    expect(await finished(launch(['hello.ts']))).toMatchObject({ code: 0, stderr: '' });
  });

  test('hands on exit codes', async () => {
    await writeFile(join(project, 'exit.ts'), 'process.exit(6);');
    expect(await finished(launch(['exit.ts']))).toMatchObject({ code: 6 });
  });

  test('hands on signals', async () => {
    await writeFile(
      join(project, 'wait.ts'),
      "process.on('SIGTERM', () => process.exit(9)); console.log('up'); setInterval(() => {}, 1e6);",
    );
    const child = launch(['wait.ts']);
    const end = finished(child);
    await once(child.stdout!, 'data');
    child.kill('SIGTERM');
    expect(await end).toMatchObject({ code: 9 });
  });

  test('without network says what failed and how to mend it', async () => {
    const absent = {
      version: '1.0.0',
      integrity: 'sha512-AAAA',
      resolved: 'http://127.0.0.1:9/absent-1.0.0.tgz',
    };
    await lockFile({
      '': { name: 'small', version: '1.0.0', dependencies: { absent: '1.0.0' } },
      'node_modules/absent': absent,
    });
    await writeFile(
      join(project, 'package.json'),
      JSON.stringify({ name: 'small', version: '1.0.0', dependencies: { absent: '1.0.0' } }),
    );
    const closed = { npm_config_fetch_retries: '0', npm_config_registry: 'http://127.0.0.1:9/' };
    const { code, stdout, stderr } = await finished(launch(['hello.ts'], closed));
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('install_failed');
    expect(stderr).toContain('check the network');
  });

  test('without npm says so', async () => {
    const { code, stderr } = await finished(launch(['hello.ts'], { PATH: join(project, 'nothing') }));
    expect(code).toBe(2);
    expect(stderr).toContain('npm_missing');
  });

  test('knows which Node runs our TypeScript', async () => {
    const { runsTypeScript } = (await import(join(projectFolder, 'embedded', 'runtime.mjs'))) as {
      runsTypeScript: (version: string) => boolean;
    };
    const fit = ['18.20.0', '20.20.2', '22.12.0', '22.18.0', '23.1.0', '24.0.0', '26.1.0'].filter(
      runsTypeScript,
    );
    expect(fit).toEqual(['22.18.0', '24.0.0', '26.1.0']);
  });

  test('uses only codes that the catalogue of errors has', async () => {
    const sources = await Promise.all(
      ['bootstrap', 'runtime'].map((entry) =>
        readFile(join(projectFolder, 'embedded', `${entry}.mjs`), 'utf8'),
      ),
    );
    const codes = sources.flatMap((source) =>
      [...source.matchAll(/(?:BootstrapError\(\s*|code: )'([a-z_]+)'/g)].map((found) => found[1]),
    );
    expect(new Set(codes)).toEqual(
      new Set(['cache_unusable', 'install_failed', 'npm_missing', 'runtime_unavailable', 'usage']),
    );
    for (const code of codes) expect(Object.keys(ERRORS)).toContain(code);
  });
});
