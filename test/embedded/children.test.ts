import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { projectFolder } from '../../config.ts';
import { SMALL_HEAP, spawnOwned, startOwned } from '../../embedded/children.ts';
import { openHome } from '../../embedded/home.ts';
import { processIdentity, tryLock } from '../../embedded/process-lock.mjs';
import { runToEnd, startProgram } from '../../embedded/programs.ts';

const standIn = join(import.meta.dirname, 'stand-in.ts');
const env = { PATH: '/usr/bin:/bin' };
const folders: string[] = [];
let path: string;

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'sluice-test-'));
  folders.push(path);
});
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

const gone = (pid: number) => vi.waitFor(() => expect(processIdentity(pid)).toBeUndefined(), 60_000);

/** A process with two owned children: one runs Node, one does not. */
async function startParent(): Promise<{ parent: ChildProcess; child: number; sleeper: number }> {
  const parent = spawn(process.execPath, [standIn, path, 'parent'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  return { parent, ...(JSON.parse(line.toString()) as { child: number; sleeper: number }) };
}

describe('a child of ours', () => {
  test('tells when it is ready, and is gone with its pid file after stop', async () => {
    const child = await spawnOwned(path, 'stand-in', standIn, {}, ['child', 'hello']);
    expect(await child.ready).toEqual({ ready: true, said: 'hello' });
    expect(await readdir(join(path, 'run'))).toEqual(['stand-in.json']);
    expect(await child.stop()).toEqual({ code: 0, signal: null });
    expect(processIdentity(child.pid)).toBeUndefined();
    expect(await readdir(join(path, 'run'))).toEqual([]);
  });

  test('that does not stop when asked is ended after the deadline', async () => {
    const script = join(path, 'stubborn.mjs');
    await writeFile(
      script,
      "process.on('SIGTERM', () => {}); process.send({ ready: true }); setInterval(() => {}, 1e6);",
    );
    const child = await spawnOwned(path, 'stubborn', script);
    await child.ready;
    expect(await child.stop(200)).toEqual({ code: null, signal: 'SIGKILL' });
  });

  test('has a heap that is collected before it has become several times what lives', async () => {
    const script = join(path, 'heap.mjs');
    await writeFile(
      script,
      `process.send({ ready: true, flags: process.execArgv, arenas: process.env.MALLOC_ARENA_MAX });
      process.once('disconnect', () => process.exit(0));`,
    );
    const child = await spawnOwned(path, 'heap', script);
    const { flags, arenas } = await child.ready;
    expect(flags).toEqual(expect.arrayContaining([...SMALL_HEAP]));
    expect(arenas).toBe('2');
    await child.kill9();
  });

  test('has the same heap in the several-machine form', async () => {
    const compose = await readFile(join(projectFolder, 'docker-compose.yml'), 'utf8');
    for (const part of ['api', 'worker'])
      expect(compose).toContain(`command: [node, ${SMALL_HEAP.join(', ')}, ${part}/main.ts]`);
    expect(compose).toContain("MALLOC_ARENA_MAX: '2'");
  });

  test('that cannot be started at all is a coded error', async () => {
    const start = startOwned(path, { name: 'absent', command: join(path, 'absent'), args: [], env });
    await expect(start).rejects.toMatchObject({ code: 'child_failed' });
  });

  test('that ends before it is ready is a coded error with its last lines', async () => {
    const script = join(path, 'broken.mjs');
    await writeFile(script, "console.error('the disk is sad'); process.exit(3);");
    const home = await openHome(path);
    await expect(startProgram(home, { name: 'broken', file: script })).rejects.toMatchObject({
      code: 'child_failed',
      message: expect.stringMatching(/exit code 3.*the disk is sad/s),
    });
    await expect(runToEnd(home, { name: 'broken', file: script })).rejects.toMatchObject({
      code: 'child_failed',
    });
    await home.release();
  });

  test('is in a session of its own: Ctrl-C of the terminal does not reach it', async () => {
    const { parent, child, sleeper } = await startParent();
    const session = async (pid: number) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]);
    };
    expect(await session(child)).toBe(child);
    expect(await session(sleeper)).toBe(sleeper);
    parent.kill('SIGKILL');
    await gone(child);
    process.kill(sleeper, 'SIGKILL');
  });
});

describe('after kill -9 of the parent', () => {
  test('a Node child ends by itself, and the next opening of the home ends what is left, and only that', async () => {
    const { parent, child, sleeper } = await startParent();
    const bystander = spawn('sleep', ['600'], { stdio: 'ignore' });
    // The id of a process that was not ours, as after ids were used again: the start time does not match.
    const reused = { name: 'reused', pid: bystander.pid, identity: 'another/1', stopSignal: 'SIGTERM' };
    await writeFile(join(path, 'run', 'reused.json'), JSON.stringify(reused));

    parent.kill('SIGKILL');
    await once(parent, 'exit');
    await gone(child);
    expect(processIdentity(sleeper)).toBeDefined();

    const home = await openHome(path);
    expect(home.leftovers).toContain('sleeper');
    expect(home.leftovers).not.toContain('reused');
    expect(processIdentity(sleeper)).toBeUndefined();
    expect(processIdentity(bystander.pid ?? 0)).toBeDefined();
    expect(await readdir(join(path, 'run'))).toEqual([]);
    await home.release();
    bystander.kill('SIGKILL');
  });
});

describe('a home', () => {
  test('belongs to one process: a second one is refused and told whose it is', async () => {
    const { parent, sleeper } = await startParent();
    await expect(openHome(path)).rejects.toMatchObject({
      code: 'already_running',
      facts: { pid: parent.pid },
    });
    expect(processIdentity(sleeper)).toBeDefined();
    parent.kill('SIGTERM');
    await gone(parent.pid ?? 0);
    const home = await openHome(path);
    await home.release();
    expect(existsSync(join(path, 'owner.lock'))).toBe(false);
  });

  test('of a dead process is taken over by exactly one of many that try at once', async () => {
    const file = join(path, 'owner.lock');
    for (let round = 0; round < 100; round++) {
      await mkdir(path, { recursive: true });
      await writeFile(file, JSON.stringify({ pid: 2 ** 22 - 1, identity: 'dead/1', nonce: 'x' }));
      const taken = await Promise.all(Array.from({ length: 8 }, () => tryLock(file)));
      const winners = taken.flatMap((entry) => (entry.release === undefined ? [] : [entry.release]));
      expect(winners).toHaveLength(1);
      await winners[0]?.();
    }
    expect((await readdir(path)).filter((entry) => entry.startsWith('owner.lock'))).toEqual([]);
  });
});
