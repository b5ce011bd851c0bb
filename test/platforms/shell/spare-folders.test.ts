import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { containmentFor } from '../../../agent/containment-level.ts';
import { AttemptFolder, spooledEpochs } from '../../../platforms/shell/attempt-folder.ts';
import { createShellPlatform, type ShellPlatform } from '../../../platforms/shell/shell.ts';
import { contextOf, type TaskOptions, taskOf } from '../task.ts';

let spool: string;
let platform: ShellPlatform;
beforeEach(() => {
  spool = mkdtempSync(join(tmpdir(), 'sluice-spares-'));
  platform = createShellPlatform({
    spool,
    keeper: join(import.meta.dirname, '../../../agent/keeper/main.ts'),
    containment: containmentFor('auto', join(tmpdir(), 'sluice-spares-test')),
    environment: { PATH: process.env.PATH ?? '/usr/bin:/bin' },
    cwd: spool,
    graceMs: 300,
  });
});
afterEach(() => {
  // Programs of failed tests must not outlive them.
  for (const epoch of spooledEpochs(spool)) new AttemptFolder(spool, epoch).requestEnd('cancel');
  platform.close();
  rmSync(spool, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
});

/** Runs `script` and returns its ending, all that it wrote, and the number of the folder on the disk. */
async function run(epoch: number, script: string, options: TaskOptions = {}) {
  const context = contextOf();
  const spec = { type: 'shell' as const, command: ['sh', '-c', script], env: {} };
  const running = platform.execute(taskOf(spec, { epoch, ...options }), context);
  const folder = statSync(new AttemptFolder(spool, epoch).path).ino;
  const ending = await running;
  platform.clear(epoch);
  return { ending, said: context.text(), folder };
}

it('the folder of a program that ended is used again, and nothing of it is seen by the next one', async () => {
  const first = await run(1, 'echo first; echo trouble >&2; exit 3', { timeoutMs: 60_000 });
  expect(first.ending).toMatchObject({ exitCode: 3 });
  expect(spooledEpochs(spool)).toEqual([]);
  const second = await run(2, 'exit 4');
  expect(second).toMatchObject({ ending: { exitCode: 4 }, said: '', folder: first.folder });
  expect(second.ending).not.toHaveProperty('message', expect.stringContaining('trouble'));
  const third = await run(3, 'echo third; echo "$SLUICE_EPOCH" >&2');
  expect(third).toMatchObject({ ending: { outcome: 'succeeded' }, said: 'third\n3\n', folder: first.folder });
});

it('attempt.sh is whole and for nobody else to read, also when it is shorter than the one before', async () => {
  const first = await run(1, `exit 0 # ${'x'.repeat(20_000)}`);
  const text = 'test "$(stat -c %a attempts/2/attempt.sh)" = 600 && tail -n 1 attempts/2/attempt.sh';
  const second = await run(2, text);
  expect(second.folder).toBe(first.folder);
  expect(second.said).toMatch(/^set -- 'sh' '-c' .*attempt\.sh'\n$/);
});

it('what a program left running goes on writing to its own log, not to that of the next program', async () => {
  const leaves = { leaves: 'running' as const };
  const script = `(while [ ! -e gate ]; do sleep 0.02; done; echo late; echo late >&2; touch wrote) & exit 0`;
  const first = await run(1, script, leaves);
  const context = contextOf();
  const spec = {
    type: 'shell' as const,
    command: ['sh', '-c', 'until [ -e wrote ]; do sleep 0.02; done; echo mine'],
    env: {},
  };
  const second = platform.execute(taskOf(spec, { epoch: 2 }), context);
  expect(statSync(new AttemptFolder(spool, 2).path).ino).toBe(first.folder);
  writeFileSync(join(spool, 'gate'), '');
  expect(await second).toEqual({ outcome: 'succeeded' });
  expect(context.text()).toBe('mine\n');
});

it('the folder of a program that was ended is not used again', async () => {
  const first = await run(1, 'sleep 1000', { timeoutMs: 300 });
  expect(first.ending).toMatchObject({ kind: 'timeout' });
  expect((await run(2, 'exit 0')).ending).toEqual({ outcome: 'succeeded' });
  expect(existsSync(join(spool, 'spare', '1'))).toBe(false);
  expect(existsSync(join(spool, 'spare', '2'))).toBe(true);
});

it('a spare folder that somebody has removed is not missed', async () => {
  await run(1, 'exit 0');
  rmSync(join(spool, 'spare', '1'), { recursive: true });
  expect((await run(2, 'echo here')).said).toBe('here\n');
});
