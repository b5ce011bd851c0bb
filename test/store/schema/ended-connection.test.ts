/** A connection that its server ends makes the next statement fail; it never ends the process. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterAll, expect, test } from 'vitest';
import { createPool, inTransaction } from '../../../store/schema/pool.ts';
import { createEmptyDatabase } from '../../support/database.ts';

const { url } = await createEmptyDatabase('ended_connection');
const other = createPool(url, { max: 1, name: 'other' });
afterAll(() => other.end());

test('while somebody only holds it, as learning and retention do', async () => {
  const pool = createPool(url, { max: 1, name: 'test' });
  const held = await pool.connect();
  const { rows } = await held.query<{ pid: number }>('select pg_backend_pid() as pid');
  const ended = new Promise<void>((resolve) => held.once('end', resolve));
  await other.query('select pg_terminate_backend($1)', [rows[0]!.pid]);
  await ended;
  await expect(held.query('select 1')).rejects.toThrow(/not queryable/);
  held.release();
  expect((await pool.query('select 2 as two')).rows).toEqual([{ two: 2 }]);
  await pool.end();
});

/** A message of PostgreSQL's protocol: its letter, its length, its content. */
function message(letter: string, content: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(4 + Buffer.byteLength(content));
  return Buffer.concat([Buffer.from(letter), length, Buffer.from(content)]);
}

/** A server that is killed in the moment in which it is ready: both messages come in one packet. */
async function killedServer(): Promise<{ url: string; close(): void }> {
  const ready = Buffer.concat([message('R', '\0\0\0\0'), message('Z', 'I')]);
  const fatal = message('E', 'SFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0');
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () => socket.end(Buffer.concat([ready, fatal])));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    url: `postgres://nobody@127.0.0.1:${port}/none`,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

test('before anybody has it: the message that it is ready and the one that it ends come together', async () => {
  const server = await killedServer();
  const pool = createPool(server.url, { max: 1, name: 'test' });
  await expect(inTransaction(pool, (client) => client.query('select 1'))).rejects.toThrow(
    /not queryable|Connection terminated|postmaster exit/,
  );
  await pool.end();
  server.close();
});
