import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { freePort } from '../../embedded/ports.ts';
import { removeOutsideData } from '../../embedded/postgres-data.ts';
import { processIdentity } from '../../embedded/process-lock.mjs';
import { npmStart, type Started, scratchHome, stopStarted } from '../support/npm-start.ts';

const { home, env } = await scratchHome();
afterEach(stopStarted);

const start = (changes: Record<string, string> = {}): Started =>
  npmStart({ ...env, ...changes }, '--no-demo');

/** Name -> pid of the children that the home knows. */
async function children(): Promise<Record<string, number>> {
  const files = readdirSync(join(home, 'run')).filter((entry) => entry.endsWith('.json'));
  const notes = await Promise.all(
    files.map(
      async (file) =>
        JSON.parse(await readFile(join(home, 'run', file), 'utf8')) as { name: string; pid: number },
    ),
  );
  return Object.fromEntries(notes.map(({ name, pid }) => [name, pid]));
}

describe('npm start', () => {
  test('starts, says nothing on stdout, and Ctrl-C stops everything and leaves no process and no locked folder', async () => {
    const first = start();
    await first.until('serving; press Ctrl-C');
    const pids = await children();
    expect(Object.keys(pids)).toEqual(expect.arrayContaining(['postgres', 'temporal']));
    first.child.kill('SIGINT');
    expect(await first.exit).toEqual([130, null]);
    for (const pid of Object.values(pids)) expect(processIdentity(pid)).toBeUndefined();
    expect(await children()).toEqual({});
    expect(first.printed).toBe('');

    const second = start();
    await second.until('serving; press Ctrl-C');
    expect(second.said).not.toContain('killed start');
  });

  test('after kill -9 ends what was left and starts on the same data', async () => {
    const first = start();
    await first.until('serving; press Ctrl-C');
    const left = await children();
    first.child.kill('SIGKILL');
    await first.exit;
    const second = start();
    await second.until('serving; press Ctrl-C');
    expect(second.said).toContain('stopped processes left by a killed start');
    const now = await children();
    for (const name of ['postgres', 'temporal']) {
      expect(now[name]).not.toBe(left[name]);
      expect(processIdentity(left[name] ?? 0)).toBeUndefined();
    }
  });

  test('while one runs, a second one on its folder or on its ports is refused, and killed servers come back', async () => {
    const first = start();
    await first.until('serving; press Ctrl-C');
    const before = await children();
    const second = start();
    expect(await second.exit).toEqual([5, null]);
    expect(second.said).toContain(`already_running: process ${first.child.pid}`);

    const other = await mkdtemp(join(tmpdir(), 'sluice-test-'));
    const third = start({ SLUICE_HOME: other, SLUICE_PORT: String(await freePort()) });
    expect(await third.exit).toEqual([2, null]);
    expect(third.said).toMatch(/port_in_use: .*SLUICE_(POSTGRES|TEMPORAL)_PORT/);
    expect(third.said).toContain(`${before.postgres}`);
    const run = join(other, 'run');
    expect(existsSync(run) ? readdirSync(run) : []).toEqual([]);
    await removeOutsideData(other);
    await rm(other, { recursive: true, force: true });
    // The first one was not disturbed.
    expect(await children()).toEqual(before);

    process.kill(before.postgres ?? 0, 'SIGKILL');
    process.kill(before.temporal ?? 0, 'SIGKILL');
    await first.until('PostgreSQL is back');
    await first.until('Temporal is back');
    expect(first.said).toContain('PostgreSQL ended (signal SIGKILL); it is started again');
  });

  test('a port of the API in use is said before anything is started', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const main = start({ SLUICE_PORT: String(port) });
    expect(await main.exit).toEqual([2, null]);
    expect(main.said).toContain(
      `port_in_use: the API cannot listen on port ${port}: process ${process.pid} has it`,
    );
    expect(main.said).not.toContain('PostgreSQL');
    server.close();
  });

  test('a bad setting is said before anything is started', async () => {
    const main = start({ SLUICE_LEASE_MS: 'soon', SLUICE_LANG: 'xx' });
    expect(await main.exit).toEqual([2, null]);
    expect(main.said).toMatch(/invalid_config: .*SLUICE_LEASE_MS.*SLUICE_LANG/);
  });
});
