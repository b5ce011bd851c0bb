import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir, uptime } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { containmentFor } from '../../../agent/containment-level.ts';
import { ResultSpool } from '../../../agent/result-spool.ts';
import {
  AttemptFolder,
  attemptsOf,
  endedOf,
  spooledEpochs,
} from '../../../platforms/shell/attempt-folder.ts';
import { processIdentity } from '../../../platforms/shell/process-identity.mjs';
import { createShellPlatform, type ShellPlatform } from '../../../platforms/shell/shell.ts';
import { contextOf, type TaskOptions, taskOf } from '../task.ts';

let spool: string;
let platform: ShellPlatform;
beforeEach(() => {
  spool = mkdtempSync(join(tmpdir(), 'sluice-shims-'));
  platform = platformOf();
});
afterEach(() => {
  // Programs of failed tests must not outlive them.
  for (const epoch of spooledEpochs(spool)) new AttemptFolder(spool, epoch).requestEnd('cancel');
  platform.close();
  rmSync(spool, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
});

const containment = containmentFor('auto', join(tmpdir(), 'sluice-shims-test'));
const platformOf = () =>
  createShellPlatform({
    spool,
    keeper: join(import.meta.dirname, '../../../agent/keeper/main.ts'),
    containment,
    environment: { PATH: process.env.PATH ?? '/usr/bin:/bin' },
    cwd: spool,
    graceMs: 300,
  });
/** The program says its shim first. */
const sh = (script: string) => ({
  type: 'shell' as const,
  command: ['sh', '-c', `echo "$PPID"; ${script}`],
  env: {},
});
async function run(epoch: number, script: string, options: TaskOptions = {}) {
  const context = contextOf();
  const ending = await platform.execute(taskOf(sh(script), { epoch, ...options }), context);
  platform.clear(epoch);
  const [shim, ...said] = context.text().trim().split('\n');
  return { ending, shim: Number(shim), said };
}
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}
const isAlive = (pid: number) => processIdentity(pid) !== undefined;
function keeperOf(): number {
  const [lock] = readdirSync(join(spool, 'keeper')).filter((name) => /^lock\.\d+$/.test(name));
  return JSON.parse(readFileSync(join(spool, 'keeper', lock!), 'utf8')).pid;
}

describe.skipIf(containment.level !== 'cgroup')('a shim', () => {
  it('runs one program after the other, each with its own environment, mark, folder and status', async () => {
    const first = await run(1, 'cd /; export LEFT=over; umask 0; echo "$SLUICE_MARK $SLUICE_EPOCH"; exit 3');
    const second = await run(2, 'echo "$SLUICE_MARK $SLUICE_EPOCH $(pwd) [$LEFT] $(umask)"');
    expect(first.ending).toMatchObject({ exitCode: 3 });
    expect(second.ending).toEqual({ outcome: 'succeeded' });
    expect(second.shim).toBe(first.shim);
    const [mark] = first.said[0]!.split(' ');
    expect(second.said[0]).toMatch(new RegExp(`^(?!${mark})[0-9a-f]+ 2 ${spool} \\[\\] 0022$`));
  });

  it('runs nothing more after a program that left processes, was cancelled or lived on purpose', async () => {
    const left = await run(1, 'setsid sleep 1000 & echo $!');
    expect(left.ending).toEqual({ outcome: 'succeeded' });
    expect(isAlive(Number(left.said[0]))).toBe(false);
    const timed = await run(2, 'sleep 1000', { timeoutMs: 300 });
    expect(timed.ending).toMatchObject({ kind: 'timeout' });
    const living = await run(3, 'setsid sleep 1000 & echo $!', { leaves: 'running' });
    const service = Number(living.said[0]);
    expect(living.ending).toEqual({ outcome: 'succeeded' });
    const last = await run(4, 'exit 0');
    expect(new Set([left.shim, timed.shim, living.shim, last.shim]).size).toBe(4);
    await until(() => [left, timed, living].every(({ shim }) => !isAlive(shim)));
    expect(isAlive(service)).toBe(true);
    process.kill(service, 'SIGKILL');
  });

  it('that was killed while it waited costs nothing', async () => {
    const { shim } = await run(1, 'exit 0');
    process.kill(shim, 'SIGKILL');
    await until(() => !isAlive(shim));
    expect((await run(2, 'exit 4')).ending).toMatchObject({ exitCode: 4 });
  });

  it('goes with its keeper, and a program that outlives the keeper has its whole timeout', async () => {
    const { shim } = await run(1, 'sleep 1');
    const context = contextOf();
    const script = `touch ${join(spool, 'began')}; while [ ! -e ${join(spool, 'gate')} ]; do sleep 0.02; done; exit 5`;
    // Were it counted from the start of the shim, it would be over at once under the second keeper.
    const running = platform.execute(taskOf(sh(script), { epoch: 2, timeoutMs: 60_000 }), context);
    const late = platform.execute(taskOf(sh('sleep 1000'), { epoch: 3, timeoutMs: 900 }), contextOf());
    await until(() => readdirSync(spool).includes('began'));
    const first = keeperOf();
    process.kill(first, 'SIGKILL');
    await until(() => !isAlive(first));
    expect(await late).toMatchObject({ kind: 'timeout' });
    writeFileSync(join(spool, 'gate'), '');
    expect(await running).toMatchObject({ exitCode: 5 });
    expect(Number(context.text())).toBe(shim);
    await until(() => !isAlive(shim));
  });
});

describe('a keeper that takes over', () => {
  it('does not call an attempt lost that another shim has just begun, before that has noted its process', async () => {
    const folder = new AttemptFolder(spool, 5);
    const task = taskOf(sh('exit 4'), { epoch: 5 });
    folder.create(task, {
      command: ['true'],
      cwd: spool,
      env: {},
      timeoutMs: null,
      orphanMs: 600_000,
      graceMs: 300,
      containment,
      leaves: false,
      mark: 'a1b2',
    });
    // As between the two steps of a shim: the file is there and empty.
    writeFileSync(folder.file('running'), '');
    const shim = spawn('sleep', ['1000'], { env: { ...process.env, SLUICE_SHIM: spool }, stdio: 'ignore' });
    const ending = platform.adopt(task, contextOf());
    // Under the same keeper, which has looked at all folders before.
    expect((await run(6, 'exit 0')).ending).toEqual({ outcome: 'succeeded' });
    expect(readdirSync(endedOf(spool)).filter((name) => name.startsWith('5.'))).toEqual([]);
    writeFileSync(join(folder.path, 'exit.4'), '');
    shim.kill('SIGKILL');
    expect(await ending).toMatchObject({ exitCode: 4 });
  });

  it('counts from the last contact with the API, not from its own beginning', async () => {
    const options = { epoch: 8, orphanMs: 600_000 };
    const ending = platform.execute(taskOf(sh('exec sleep 1000'), options), contextOf());
    const folder = new AttemptFolder(spool, 8);
    await until(() => typeof folder.runner() === 'object');
    const silentSince = uptime() - 601;
    process.kill(keeperOf(), 'SIGKILL');
    utimesSync(folder.file('attempt.sh'), silentSince, silentSince);
    expect(await ending).toMatchObject({ outcome: 'lost', message: expect.stringContaining('no contact') });
  });
});

describe('a spool that somebody has damaged', () => {
  it('makes the attempt lost and ends its program when its folder is removed: nothing runs beside it', async () => {
    const context = contextOf();
    const running = platform.execute(taskOf(sh('setsid sleep 1000 & echo $!; sleep 1000')), context);
    await until(() => context.text().trim().includes('\n'));
    rmSync(join(attemptsOf(spool), '1'), { recursive: true });
    expect(await running).toMatchObject({ outcome: 'lost', message: expect.stringContaining('removed') });
    const [shim, daemon] = context.text().trim().split('\n').map(Number);
    expect(isAlive(daemon!)).toBe(false);
    await until(() => !isAlive(shim!));
  });

  it('does not keep its agent from the start: what a power cut emptied is passed by', () => {
    const results = new ResultSpool(spool);
    writeFileSync(join(spool, 'results', '7.json'), '');
    expect([results.found(), results.found()]).toEqual([[], []]);
    expect(readdirSync(join(spool, 'results'))).toEqual(['7.unreadable']);
    const folder = join(attemptsOf(spool), '8');
    rmSync(folder, { recursive: true, force: true });
    writeFileSync(join(spool, 'made'), '');
    expect(platform.found()).toEqual([]);
  });
});
