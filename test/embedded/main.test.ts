import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { childEnvironment, projectFolder } from '../../config.ts';
import { freePort } from '../../embedded/ports.ts';
import { removeOutsideData } from '../../embedded/postgres-data.ts';
import { processIdentity } from '../../embedded/process-lock.mjs';

let home: string;
let env: Record<string, string>;
const started: ChildProcess[] = [];

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'sluice-test-'));
  const [postgres, temporal, api] = await Promise.all([freePort(), freePort(), freePort()]);
  env = childEnvironment({
    SLUICE_HOME: home,
    SLUICE_POSTGRES_PORT: String(postgres),
    SLUICE_TEMPORAL_PORT: String(temporal),
    SLUICE_PORT: String(api),
  });
});
afterEach(async () => {
  for (const it of started.splice(0)) {
    if (it.exitCode !== null || it.signalCode !== null) continue;
    it.kill('SIGTERM');
    await once(it, 'exit');
  }
});
afterAll(async () => {
  await removeOutsideData(home);
  await rm(home, { recursive: true, force: true });
});

/** `npm start` without npm; `said` grows with what it says. */
function start(changes: Record<string, string> = {}) {
  const child = spawn(
    process.execPath,
    [join(projectFolder, 'embedded', 'launch.mjs'), 'embedded/main.ts', '--no-demo'],
    {
      env: { ...env, ...changes },
      // With a channel it stops by itself when this test is killed.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    },
  );
  started.push(child);
  const it = {
    child,
    said: '',
    printed: '',
    exit: once(child, 'exit') as Promise<[number | null, string | null]>,
  };
  child.stderr?.on('data', (chunk: Buffer) => {
    it.said += chunk;
  });
  child.stdout?.on('data', (chunk: Buffer) => {
    it.printed += chunk;
  });
  const until = (text: string) =>
    vi.waitFor(() => expect(it.said).toContain(text), { timeout: 60_000, interval: 50 });
  return Object.assign(it, { until });
}

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
    await first.until('Ctrl-C stops everything');
    const pids = await children();
    expect(Object.keys(pids)).toEqual(expect.arrayContaining(['postgres', 'temporal']));
    first.child.kill('SIGINT');
    expect(await first.exit).toEqual([130, null]);
    for (const pid of Object.values(pids)) expect(processIdentity(pid)).toBeUndefined();
    expect(await children()).toEqual({});
    expect(first.printed).toBe('');

    const second = start();
    await second.until('Ctrl-C stops everything');
    expect(second.said).not.toContain('killed start');
  });

  test('refuses a second one on the same folder, and the first one is not disturbed', async () => {
    const first = start();
    await first.until('Ctrl-C stops everything');
    const before = await children();
    const second = start();
    expect(await second.exit).toEqual([5, null]);
    expect(second.said).toContain(`already_running: process ${first.child.pid}`);
    expect(await children()).toEqual(before);
  });

  test('after kill -9 ends what was left and starts on the same data', async () => {
    const first = start();
    await first.until('Ctrl-C stops everything');
    const left = await children();
    first.child.kill('SIGKILL');
    await first.exit;
    const second = start();
    await second.until('Ctrl-C stops everything');
    expect(second.said).toContain('ended what a killed start had left');
    const now = await children();
    for (const name of ['postgres', 'temporal']) {
      expect(now[name]).not.toBe(left[name]);
      expect(processIdentity(left[name] ?? 0)).toBeUndefined();
    }
  });

  test('starts PostgreSQL and Temporal again when they are killed, and says so', async () => {
    const main = start();
    await main.until('Ctrl-C stops everything');
    const before = await children();
    process.kill(before.postgres ?? 0, 'SIGKILL');
    process.kill(before.temporal ?? 0, 'SIGKILL');
    await main.until('PostgreSQL is back');
    await main.until('Temporal is back');
    expect(main.said).toContain('PostgreSQL ended (signal SIGKILL); it is started again');
  });

  test('a port in use is said with port and process, and nothing is left running', async () => {
    const first = start();
    await first.until('Ctrl-C stops everything');
    const { postgres } = await children();
    const other = await mkdtemp(join(tmpdir(), 'sluice-test-'));
    const second = start({ SLUICE_HOME: other, SLUICE_PORT: String(await freePort()) });
    expect(await second.exit).toEqual([2, null]);
    expect(second.said).toMatch(/port_in_use: .*SLUICE_(POSTGRES|TEMPORAL)_PORT/);
    expect(second.said).toContain(`${postgres}`);
    const run = join(other, 'run');
    expect(existsSync(run) ? readdirSync(run) : []).toEqual([]);
    await removeOutsideData(other);
    await rm(other, { recursive: true, force: true });
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
