import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type KeeperServices, KeptAttempt } from '../../agent/keeper/attempt.ts';
import { Keeper } from '../../agent/keeper/keeper.ts';
import type { Shim } from '../../agent/keeper/shims.ts';
import { AttemptFolder, endedOf, makeSpool } from '../../platforms/shell/attempt-folder.ts';
import { taskOf } from '../platforms/task.ts';

let spool: string;
beforeEach(() => {
  spool = mkdtempSync(join(tmpdir(), 'sluice-keeper-'));
  makeSpool(spool);
});
afterEach(() => rmSync(spool, { recursive: true }));

function folderOf(epoch: number, ...command: string[]): AttemptFolder {
  const folder = new AttemptFolder(spool, epoch);
  folder.create(taskOf({ type: 'shell', command, env: {} }, { epoch }), {
    command,
    cwd: spool,
    env: { PATH: process.env.PATH! },
    timeoutMs: null,
    orphanMs: 60_000,
    graceMs: 1,
    containment: { level: 'marks' },
    leaves: false,
    mark: `mark-${epoch}`,
  });
  return folder;
}

test('an attempt that its agent took away keeps no keeper, although the folder is there for ever', async () => {
  const folder = folderOf(7, 'true');
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
  expect({ idle, errors }).toEqual({ idle: [true, true, true], errors: [] });
});

/** A keeper of the spool whose shims stand still from their first moment, and which is asked to end every attempt after that. */
function slowKeeper() {
  const keeper = new Keeper(spool, '-', () => {});
  const { table, shims } = keeper;
  const stopped: Shim[] = [];
  const take = shims.take.bind(shims);
  shims.take = async (launch) => {
    const shim = await take(launch);
    process.kill(shim.pid, 'SIGSTOP');
    stopped.push(shim);
    return shim;
  };
  const services: KeeperServices = {
    table,
    shims,
    scanned: () => keeper.scanned(),
    requestFor: () => (stopped.length === 0 ? undefined : 'cancel'),
  };
  return { services, stopped };
}

test('an attempt that is asked to end before its shim has begun is over, and the shim does not begin it later', async () => {
  const folder = folderOf(8, 'touch', 'effect');
  const { services, stopped } = slowKeeper();
  await new KeptAttempt(folder, folder.attempt()!.launch, services).run();
  expect(readdirSync(endedOf(spool))).toEqual(['8.cancel']);
  expect(stopped.map((shim) => shim.lives)).toEqual([true]);
  for (const shim of stopped) process.kill(shim.pid, 'SIGCONT');
  await expect.poll(() => stopped.some((shim) => shim.lives)).toBe(false);
  expect(existsSync(join(spool, 'effect'))).toBe(false);
});

test('a keeper reports the end of an attempt that an earlier one took away before it was killed', async () => {
  const folder = folderOf(9, 'touch', 'effect');
  expect(folder.giveUp('cancel')).toBe(true);
  const keeper = new Keeper(spool, '-', () => {});
  keeper.start(() => {});
  await expect.poll(() => readdirSync(endedOf(spool))).toEqual(['9.cancel']);
  keeper.stop();
  expect(existsSync(join(spool, 'effect'))).toBe(false);
});
