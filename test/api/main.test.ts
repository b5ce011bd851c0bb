import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { childEnvironment, projectFolder } from '../../config.ts';
import { createActor } from '../../store/operations/actors.ts';
import { createPool } from '../../store/schema/pool.ts';
import { createTestDatabase } from '../support/database.ts';

const database = await createTestDatabase('api_main');
const pool = createPool(database.url, { max: 2, name: 'test' });
const home = await mkdtemp(join(tmpdir(), 'sluice-test-main-'));
afterAll(async () => {
  await pool.end();
  await rm(home, { recursive: true, force: true });
});

/** A port that nobody has at the moment. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

async function start(port: number): Promise<{ child: ChildProcess; first: Promise<unknown> }> {
  const env = childEnvironment({
    DATABASE_URL: database.url,
    SLUICE_PORT: String(port),
    SLUICE_HOME: home,
    SLUICE_LOG_LEVEL: 'fatal',
  });
  const child = fork(join(projectFolder, 'api', 'main.ts'), [], {
    env,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const first = Promise.race([
    once(child, 'message').then(([message]) => message as unknown),
    once(child, 'exit').then(([code]) => ({ exit: code as unknown })),
  ]);
  return { child, first };
}

test('the process serves on loopback, beats, answers what is open at SIGTERM and ends with 0', async () => {
  const port = await freePort();
  const { child, first } = await start(port);
  expect(await first).toEqual({ ready: true, port });
  const base = `http://127.0.0.1:${port}/api/v1`;
  expect(await (await fetch(`${base}/healthz`)).json()).toEqual({ ok: true });
  expect((await fetch(`${base}/readyz`)).status).toBe(200);
  expect((await fetch(`${base}/runs`)).status).toBe(401);
  const beats = await pool.query('select count(*)::int as n from api_beats');
  expect(beats.rows[0].n).toBe(1);

  const token = await createActor(pool, { name: 'a1', kind: 'agent' });
  const call = (operation: string, body: object) =>
    fetch(`${base}/agents/a1/${operation}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ instance: 'instance-1', ...body }),
    });
  await call('hello', { lockToken: 'x'.repeat(16), platform: 'yt', slots: 1, version: '1', protocol: 2 });
  const waiting = call('claim', { claimId: 'claim-0001', platform: 'yt', free: 1, waitMs: 30_000 });
  await call('heartbeat', { leases: [] });
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await (await waiting).json()).toEqual({ tasks: [], stop: [] });
  expect(await ended).toEqual([0, null]);
  expect((await pool.query('select count(*)::int as n from api_beats')).rows[0].n).toBe(0);
});

test('a connection that never asked anything does not hold up the end', async () => {
  const port = await freePort();
  const { child, first } = await start(port);
  await first;
  const idle = connect(port, '127.0.0.1');
  idle.on('error', () => {});
  await once(idle, 'connect');
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
});

test('it ends when its parent is gone', async () => {
  const { child, first } = await start(await freePort());
  await first;
  const ended = once(child, 'exit');
  child.disconnect();
  expect(await ended).toEqual([0, null]);
});

test('a taken port is said with its code', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const { child, first } = await start(port);
  let said = '';
  child.stderr!.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const closed = once(child.stderr!, 'close');
  expect(await first).not.toMatchObject({ ready: true });
  await closed;
  expect(said).toContain('port_in_use');
  server.close();
});
