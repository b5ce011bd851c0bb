import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Keeper } from '../../agent/keeper/keeper.ts';
import { AttemptFolder, makeSpool } from '../../platforms/shell/attempt-folder.ts';
import { taskOf } from '../platforms/task.ts';

test('an attempt that its agent took away keeps no keeper, although the folder is there for ever', async () => {
  const spool = mkdtempSync(join(tmpdir(), 'sluice-keeper-'));
  makeSpool(spool);
  const folder = new AttemptFolder(spool, 7);
  folder.create(taskOf({ type: 'shell', command: ['true'], env: {} }, { epoch: 7 }), {
    command: ['true'],
    cwd: spool,
    env: {},
    timeoutMs: null,
    orphanMs: 60_000,
    graceMs: 1,
    containment: { level: 'marks' },
    leaves: false,
    mark: 'x',
  });
  expect(folder.giveUp()).toBe(true);
  const errors: unknown[] = [];
  const keeper = new Keeper(spool, '-', (_epoch, error) => errors.push(error));
  const idle: boolean[] = [];
  await new Promise<void>((resolve) => {
    keeper.start(() => {
      if (idle.push(keeper.idle) === 3) resolve();
    });
  });
  keeper.stop();
  rmSync(spool, { recursive: true });
  expect({ idle, errors }).toEqual({ idle: [true, true, true], errors: [] });
});
