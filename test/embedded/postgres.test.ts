import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startOwned } from '../../embedded/children.ts';
import { type Home, openHome } from '../../embedded/home.ts';
import { createDatabase, type Postgres, startPostgres } from '../../embedded/postgres.ts';
import { removeOutsideData } from '../../embedded/postgres-data.ts';
import { processIdentity } from '../../embedded/process-lock.mjs';

// A folder that only this user may enter: as root the server runs as `postgres` and must still work.
let path: string;
let home: Home;
let postgres: Postgres;

beforeAll(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'sluice-test-')), 'home');
  home = await openHome(path);
  postgres = await startPostgres({ home, port: 0, shortLived: true });
});
afterAll(async () => {
  await postgres.stop();
  await home.release();
  await removeOutsideData(path);
  await rm(join(path, '..'), { recursive: true, force: true });
});

const clients: pg.Client[] = [];
async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  clients.push(client);
  await client.connect();
  return client;
}
afterEach(() => Promise.all(clients.splice(0).map((client) => client.end().catch(() => undefined))));

const ask = async (url: string, text: string): Promise<string> => {
  const { rows } = await (await connect(url)).query({ text, rowMode: 'array' });
  return String(rows[0]?.[0]);
};

describe('the embedded PostgreSQL', () => {
  test('lets nobody in without its password, and keeps that to its owner', async () => {
    const wrong = new URL(postgres.url());
    wrong.password = 'postgres';
    await expect(connect(wrong.href)).rejects.toMatchObject({ code: '28P01' });
    expect((await stat(join(path, 'postgres.json'))).mode & 0o077).toBe(0);
  });

  test.each([
    ['listen_addresses', '127.0.0.1'],
    ['unix_socket_directories', ''],
    ['fsync', 'on'],
    ['data_checksums', 'on'],
    ['client_connection_check_interval', '1s'],
    ['max_connections', '200'],
    ['server_encoding', 'UTF8'],
  ])('has %s = %s', async (name, want) => {
    expect(await ask(postgres.url(), `show ${name}`)).toBe(want);
  });

  test('makes a database once, and copies a template', async () => {
    await createDatabase(postgres.url(), 'Batch A');
    await createDatabase(postgres.url(), 'Batch A');
    const client = await connect(postgres.url('Batch A'));
    await client.query('create table t as select 7 as n');
    await client.end();
    await createDatabase(postgres.url(), 'copy', { template: 'Batch A' });
    expect(await ask(postgres.url('copy'), 'select n from t')).toBe('7');
  });

  test('kill -9 and restart: what was committed is there, on the same port', async () => {
    const url = postgres.url('kept');
    await createDatabase(postgres.url(), 'kept');
    const client = await connect(url);
    await client.query('create table t as select 7 as n');
    const before = postgres.pid;
    await postgres.kill9();
    expect(processIdentity(before)).toBeUndefined();
    await postgres.restart();
    expect(await ask(url, 'select n from t')).toBe('7');
    expect(postgres.pid).not.toBe(before);
  });

  test('a port in use is a coded error that names port and process', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const other = await openHome(join(path, 'other'));
    const start = startPostgres({ home: other, port, shortLived: true });
    await expect(start).rejects.toMatchObject({ code: 'port_in_use', facts: { port, pid: process.pid } });
    server.close();
    await other.release();
    await removeOutsideData(other.path);
  });

  test('a server that a killed predecessor left without a pid file is found by its data folder and ended', async () => {
    await postgres.stop();
    const { folder } = JSON.parse(await readFile(join(path, 'postgres.json'), 'utf8')) as { folder: string };
    postgres = await startPostgres({ home, port: 0 });
    const former = postgres.pid;
    await rm(join(path, 'run', 'postgres.json'));
    postgres = await startPostgres({ home, port: 0 });
    expect(processIdentity(former)).toBeUndefined();
    expect(await readFile(join(folder, 'data', 'postmaster.pid'), 'utf8').catch(() => '')).toContain(
      String(postgres.pid),
    );
  });

  test('a stale postmaster.pid whose process id now belongs to somebody else does not hinder the start', async () => {
    const { folder } = JSON.parse(await readFile(join(path, 'postgres.json'), 'utf8')) as { folder: string };
    const lockFile = join(folder, 'data', 'postmaster.pid');
    const text = await readFile(lockFile, 'utf8');
    await postgres.kill9();
    const { uid, gid } = await stat(join(folder, 'data'));
    const asOwner = process.getuid?.() === 0 ? { uid, gid } : {};
    const stranger = await startOwned(path, {
      name: 'stranger',
      command: 'sleep',
      args: ['600'],
      env: { PATH: '/usr/bin:/bin' },
      cwd: '/',
      ...asOwner,
    });
    await writeFile(lockFile, text.replace(/^\d+/, String(stranger.pid)));
    postgres = await startPostgres({ home, port: 0 });
    expect(await ask(postgres.url(), 'select 1')).toBe('1');
    expect(processIdentity(stranger.pid)).toBeDefined();
    await stranger.kill9();
  });

  test('stop leaves no process behind and open sessions do not hinder it', async () => {
    await connect(postgres.url());
    const pid = postgres.pid;
    expect(await postgres.stop()).toMatchObject({ code: 0 });
    expect(processIdentity(pid)).toBeUndefined();
    await postgres.restart();
  });
});
