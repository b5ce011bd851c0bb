import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { ProgramSpec } from '../../contract/agent.ts';
import { fileLogStore } from '../../services/log-store.ts';
import { FakeApi } from '../agent/fake-api.ts';
import { agentFor, platformsIn } from '../agent/test-agent.ts';
import { taskOf } from '../platforms/task.ts';
import { type SmallDisk, smallDisk } from '../support/small-disk.ts';

const MB = 1024 * 1024;
const first = smallDisk(1);
first?.remove();

const disks: SmallDisk[] = [];
const ends: (() => Promise<void>)[] = [];
function diskOf(megabytes: number): string {
  const disk = smallDisk(megabytes)!;
  disks.push(disk);
  return disk.path;
}
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  for (const disk of disks.splice(0)) disk.remove();
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function agentOn(spool: string): Promise<FakeApi> {
  const api = new FakeApi();
  await api.start();
  const agent = agentFor(api, spool, { platforms: platformsIn(spool, { cwd: '/' }) });
  const over = agent.run();
  ends.push(async () => {
    agent.stop();
    await over;
    await api.end();
  });
  return api;
}

const shell = (script: string): ProgramSpec => ({ type: 'shell', command: ['sh', '-c', script], env: {} });
const task = (epoch: number, script: string, timeoutMs: number | null = null) =>
  taskOf(shell(script), { epoch, timeoutMs });
const troubleOf = (api: FakeApi): string =>
  JSON.parse(api.of('heartbeat').at(-1)?.body ?? '{}').trouble ?? '';

describe.skipIf(first === undefined)('a full disk of an agent', () => {
  it('delays no end, and is said with the heartbeat until there is room', async () => {
    const spool = diskOf(16);
    const api = await agentOn(spool);
    await until(() => api.of('heartbeat').length > 0);
    expect(troubleOf(api)).toBe('');
    writeFileSync(join(spool, 'ballast'), Buffer.alloc(8 * MB));
    // It cannot write all of this, and says so with its exit code.
    api.offer(task(1, 'head -c 20000000 /dev/zero; exit 7'), task(2, 'sleep 0.1; exit 0'));
    await until(() => api.result(1) !== undefined && api.result(2) !== undefined);
    expect(api.result(1)?.ending).toMatchObject({ outcome: 'failed', exitCode: 7 });
    expect(api.result(2)?.ending).toEqual({ outcome: 'succeeded' });
    await until(() => api.logEnd(1) === api.result(1)!.logBytes);
    expect(api.log(1).length).toBe(api.result(1)!.logBytes);
    rmSync(join(spool, 'ballast'));
    await until(() => troubleOf(api) === '');
  });

  it('keeps nobody from ending a program that writes without end', async () => {
    const spool = diskOf(16);
    const api = await agentOn(spool);
    api.offer(
      task(1, 'while :; do head -c 1000000 /dev/zero; done'),
      task(2, 'while :; do head -c 1000000 /dev/zero; done', 1_000),
    );
    await until(() => troubleOf(api).includes(spool));
    await until(() => api.result(2) !== undefined);
    expect(api.result(2)?.ending).toMatchObject({ outcome: 'failed', kind: 'timeout' });
    api.stop.add(1);
    await until(() => api.result(1) !== undefined);
    expect(api.result(1)?.ending.outcome).toBe('cancelled');
    for (const epoch of [1, 2]) await until(() => api.logEnd(epoch) === api.result(epoch)!.logBytes);
  });
});

describe.skipIf(first === undefined)('a full disk of an API', () => {
  it('is said, takes no byte for stored that is not, and ends with the room', async () => {
    const folder = diskOf(4);
    const store = fileLogStore(folder);
    const place = { run: 'month-2026-10', flow: 'A', epoch: 1 };
    const chunk = (i: number) => Buffer.alloc(500_000, `${String(i).padStart(9, '0')}\n`);
    writeFileSync(join(folder, 'ballast'), Buffer.alloc(2 * MB));
    let n = 0;
    await expect(
      (async () => {
        for (; ; n++) await store.append(place, n * 500_000, chunk(n));
      })(),
    ).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(n).toBeGreaterThan(1);
    expect(store.trouble()).toBe(`no space is left for ${folder}`);
    rmSync(join(folder, 'ballast'));
    // Another API, or this one after a restart, gets the same bytes again.
    for (const it of [store, fileLogStore(folder)]) await it.append(place, n * 500_000, chunk(n));
    expect(store.trouble()).toBeNull();
    const stored: Buffer[] = [];
    for (let at = 0; ; ) {
      const part = await store.read(place, at);
      expect(part.from).toBe(at);
      if (part.data.length === 0) break;
      stored.push(part.data);
      at = part.next;
    }
    const want = Buffer.concat(Array.from({ length: n + 1 }, (_, i) => chunk(i)));
    expect(Buffer.concat(stored).equals(want)).toBe(true);
  });
});
