import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { childEnvironment, projectFolder } from '../../config.ts';
import { freePort } from '../../embedded/ports.ts';
import { removeOutsideData } from '../../embedded/postgres-data.ts';

/** The product as its README says: `npm start` with the demo on a small sample, then the four tasks exactly as they are written there. */
let home: string;
let env: Record<string, string>;
let product: ChildProcess;
let printed = '';
let said = '';

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'sluice-readme-'));
  const [postgres, temporal, api] = await Promise.all([freePort(), freePort(), freePort()]);
  env = childEnvironment({
    SLUICE_HOME: home,
    SLUICE_POSTGRES_PORT: String(postgres),
    SLUICE_TEMPORAL_PORT: String(temporal),
    SLUICE_PORT: String(api),
    SLUICE_SAMPLE_SCALE: '6000',
    NO_COLOR: '1',
  });
  product = spawn(
    process.execPath,
    [join(projectFolder, 'embedded', 'launch.mjs'), 'embedded/main.ts', '--json'],
    {
      cwd: projectFolder,
      env,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    },
  );
  product.stdout!.on('data', (chunk: Buffer) => {
    printed += chunk;
  });
  product.stderr!.on('data', (chunk: Buffer) => {
    said += chunk;
  });
  let up = false;
  product.stderr!.on('data', () => {
    up ||= said.includes('serving');
  });
  await vi.waitUntil(() => up || product.exitCode !== null, { timeout: 110_000, interval: 50 });
  if (!up) throw new Error(`npm start ended:\n${said.slice(-3000)}`);
});

afterAll(async () => {
  if (product.exitCode === null) {
    product.kill('SIGTERM');
    await once(product, 'exit');
  }
  await removeOutsideData(home);
  await rm(home, { recursive: true, force: true });
});

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a line of the README as a shell would. */
function paste(line: string): Promise<Ran> {
  return new Promise((resolve) => {
    execFile('bash', ['-c', line], { cwd: projectFolder, env, timeout: 60_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err });
    });
  });
}

/** Commands of the tasks, in order; `run watch` goes on until Ctrl-C and has a test of its own. */
async function linesOf(readme: string): Promise<string[]> {
  const text = await readFile(join(projectFolder, readme), 'utf8');
  return [...text.matchAll(/^node cli\/sluice\.mjs .*$/gm)].map((match) => match[0]);
}

test('the demo is as it should be, and says so in one JSON object on stdout', () => {
  const summary = JSON.parse(printed);
  expect(summary).toMatchObject({ flows: 69, ok: true, forcePassed: ['P06.S4.ForcePassMppTasks'] });
  expect(summary.states).toEqual({ succeeded: 68, force_passed: 1 });
  expect(summary.refused.map((entry: { code: string }) => entry.code).sort()).toEqual([
    'forbidden',
    'force_pass_requires',
  ]);
  expect(summary.reruns).toHaveLength(1);
  expect(summary.tainted).toContain('P06.S6.Confirm');
  const sum = summary.criticalPath.reduce((total: number, piece: { ms: number }) => total + piece.ms, 0);
  expect(sum).toBeGreaterThan(0);
  expect(summary.criticalPath.map((piece: { kind: string }) => piece.kind)).toContain('rework');
});

describe('README: the four tasks work as pasted', () => {
  test('each command of README.md ends with 0, in the order of the page', async () => {
    const lines = await linesOf('README.md');
    expect(lines.length).toBeGreaterThanOrEqual(9);
    for (const line of lines.filter((line) => !line.includes(' watch '))) {
      // A reader takes longer than this test: what a command rests on has come by then.
      if (line.includes('force-pass')) await reached('P06.S3.DistributionComplete.import');
      if (line.includes('rerun')) await reached('P04.S3.DwdMergeBillM');
      const ran = await paste(line);
      expect(ran, line).toMatchObject({ code: 0 });
      expect(ran.out.trim(), line).not.toBe('');
    }
  });

  test('both languages show the same commands but for the language asked for and the words said', async () => {
    const plain = (lines: string[]): string[] =>
      lines.map((line) => line.replace(/ --lang zh/, '').replace(/"[^"]*"/g, '""'));
    expect(plain(await linesOf('README.zh-CN.md'))).toEqual(plain(await linesOf('README.md')));
  });

  test('run watch follows a run until Ctrl-C', async () => {
    const watch = spawn(process.execPath, ['cli/sluice.mjs', 'run', 'watch', 'month-2026-08'], {
      cwd: projectFolder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let shown = '';
    watch.stdout.on('data', (chunk: Buffer) => {
      shown += chunk;
    });
    await expect.poll(() => shown).toContain('month-2026-08');
    watch.kill('SIGINT');
    const [code] = await once(watch, 'exit');
    expect(code).toBe(130);
  });
});

describe('a hostile operator', () => {
  const cases: readonly [string, string, number, string][] = [
    [
      'an unknown flow is named with its neighbours',
      'hold P04.S3.DwdMergeBilM --run month-2026-08 --reason x',
      3,
      'DwdMergeBillM',
    ],
    ['an unknown run', 'run show month-2026-13', 3, 'unknown_run'],
    [
      'a verb in the wrong state',
      'cancel P02.S1.CustomerNotice --run month-2026-08 --reason x',
      5,
      'wrong_state',
    ],
    ['a second opening', 'run open 2026-08', 5, 'run_exists'],
    ['a missing reason', 'skip P02.S1.CustomerNotice --run month-2026-08', 2, 'reason'],
    ['a wrong period', 'run open 2026-99', 2, ''],
    [
      'somebody without the right',
      'hold P02.S1.CustomerNotice --run month-2026-08 --reason x --as viewer',
      4,
      'forbidden',
    ],
    ['an actor that does not exist', 'run list --as nobody', 3, 'nobody'],
  ];
  test.each(cases)('%s', async (_name, command, code, names) => {
    const ran = await paste(`node cli/sluice.mjs ${command}`);
    expect(ran).toMatchObject({ code, out: '' });
    expect(ran.err).toContain(names);
  });
});

async function reached(flow: string): Promise<void> {
  await expect
    .poll(
      async () =>
        JSON.parse(
          (await paste(`node cli/sluice.mjs flow show ${flow} --run month-2026-08 --json`)).out || '{}',
        ).state,
      { interval: 300 },
    )
    .toBe('succeeded');
}
