/** The demo as `npm start` runs it: real servers, real agents, a small sample. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { compactMonth, monthBefore } from '../../cli/demo/months.ts';
import { childEnvironment, projectFolder } from '../../config.ts';
import { freePort } from '../../embedded/ports.ts';
import { removeOutsideData } from '../../embedded/postgres-data.ts';

const started: ChildProcess[] = [];

async function homeWithPorts() {
  const home = await mkdtemp(join(tmpdir(), 'sluice-demo-'));
  const [postgres, temporal, api] = await Promise.all([freePort(), freePort(), freePort()]);
  const env = childEnvironment({
    SLUICE_HOME: home,
    SLUICE_POSTGRES_PORT: String(postgres),
    SLUICE_TEMPORAL_PORT: String(temporal),
    SLUICE_PORT: String(api),
    SLUICE_SAMPLE_SCALE: '5000',
    SLUICE_LANG: 'en',
  });
  return { home, env };
}

/** `npm start -- ...args`; what it says and prints so far. */
function npmStart(env: Record<string, string>, ...args: string[]) {
  const child = spawn(
    process.execPath,
    [join(projectFolder, 'embedded', 'launch.mjs'), 'embedded/main.ts', ...args],
    { env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] },
  );
  started.push(child);
  const it = {
    child,
    said: '',
    printed: '',
    exit: once(child, 'close') as Promise<[number | null, string | null]>,
  };
  child.stderr?.on('data', (chunk: Buffer) => {
    it.said += chunk;
  });
  child.stdout?.on('data', (chunk: Buffer) => {
    it.printed += chunk;
  });
  return it;
}

afterAll(async () => {
  for (const child of started) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
});

const [last, before] = [monthBefore(1), monthBefore(2)];

describe('npm start -- --once --json', () => {
  let home: string;
  let env: Record<string, string>;
  beforeAll(async () => {
    ({ home, env } = await homeWithPorts());
  });
  afterAll(async () => {
    await removeOutsideData(home);
    await rm(home, { recursive: true, force: true });
  });

  test('runs two months and answers one object in which everything is as it should be', async () => {
    const run = npmStart(env, '--once', '--json');
    const [code] = await run.exit;
    expect(run.said).not.toContain('not as it should be');
    const answer = JSON.parse(run.printed);
    expect(answer.problems).toEqual([]);
    expect(code).toBe(0);
    expect(answer).toMatchObject({
      run: `month-${last}`,
      flows: 69,
      states: { succeeded: 68, force_passed: 1 },
      forcePassed: ['P06.S4.ForcePassMppTasks'],
      stale: [],
      previous: { run: `month-${before}`, flows: 69, states: { succeeded: 69 } },
      existing: false,
      ok: true,
    });
    expect(answer.reruns).toHaveLength(1);
    expect(answer.reruns[0]).toMatchObject({ scope: 'downstream', roots: ['P04.S5.DwdAccPocketM'] });
    expect(answer.refused.map((entry: { code: string }) => entry.code)).toEqual([
      'force_pass_requires',
      'forbidden',
    ]);
    expect(answer.criticalPath.map((entry: { kind: string }) => entry.kind)).toContain('rework');
    expect(answer.durationMs).toBeLessThan(60_000);
    // The answer to why, printed while the chain was broken.
    expect(run.said).toContain('why has P04.S7.AllSucceeded not run?');
    expect(run.said).toContain(`ods.pocket has no rows of month ${compactMonth(last)}`);
  });

  test('a second start finds the months finished, does nothing again and still succeeds', async () => {
    const run = npmStart(env, '--once', '--json');
    const [code] = await run.exit;
    expect(code).toBe(0);
    expect(JSON.parse(run.printed)).toMatchObject({ run: `month-${last}`, existing: true, ok: true });
    expect(run.said).toContain('is finished already');
  });
});

describe('a start that is killed in the middle of the demo', () => {
  let home: string;
  let env: Record<string, string>;
  beforeAll(async () => {
    ({ home, env } = await homeWithPorts());
  });
  afterAll(async () => {
    await removeOutsideData(home);
    await rm(home, { recursive: true, force: true });
  });

  test('goes on where the months stand when it is started again, and all is as it should be', async () => {
    for (const moment of [`opens month-${before}`, 'is refused: 403']) {
      const killed = npmStart(env);
      await vi.waitFor(() => expect(killed.said).toContain(moment), { timeout: 120_000, interval: 20 });
      killed.child.kill('SIGKILL');
      await killed.exit;
    }
    const run = npmStart(env, '--once', '--json');
    const [code] = await run.exit;
    const answer = JSON.parse(run.printed);
    expect(answer.problems).toEqual([]);
    expect(answer).toMatchObject({ states: { succeeded: 68, force_passed: 1 }, ok: true });
    expect(run.said).toContain(`month-${last} is there already; the demo goes on where it stands`);
    expect(code).toBe(0);
  });
});
