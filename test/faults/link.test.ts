/**
 * The links of the fault harness do what a network can do, and nothing that it cannot: TCP may be slow, cut or silent, but never swaps,
 * doubles or leaves out bytes of a connection that goes on.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type Link, openLink } from '../../bench/faults/link.ts';
import { randomOf } from '../../bench/load/graphs.ts';

const open: { link: Link; close: () => void }[] = [];

afterEach(async () => {
  for (const { link, close } of open.splice(0)) {
    await link.close();
    close();
  }
});

/** A link to a server that keeps what it gets, and a connection through it. */
async function through(
  seed: number,
): Promise<{ link: Link; near: Socket; got: () => Buffer; far: Promise<Socket> }> {
  const pieces: Buffer[] = [];
  const { promise: far, resolve } = Promise.withResolvers<Socket>();
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => pieces.push(bytes));
    resolve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as { port: number };
  const link = await openLink('test', address.port, randomOf(seed));
  const near = connect(link.port, '127.0.0.1');
  near.setNoDelay(true);
  near.on('error', () => {});
  await once(near, 'connect');
  open.push({
    link,
    close: () => {
      near.destroy();
      server.close();
    },
  });
  return { link, near, got: () => Buffer.concat(pieces), far };
}

/** Keeps the process busy for `ms`, as load does: timers fire late, and several at once. */
function busy(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

test('a delayed link passes everything on in the order in which it came, also once it is sound again', async () => {
  const { link, near, got, far } = await through(7);
  await far;
  const random = randomOf(8);
  const sent: Buffer[] = [];
  for (let n = 0; n < 3_000; n++) {
    if (n % 1_000 === 0) link.break('delay');
    if (n % 1_000 === 700) link.heal();
    const piece = Buffer.alloc(4);
    piece.writeUInt32BE(n);
    sent.push(piece);
    near.write(piece);
    if (n % 10 === 0) busy(random() * 3);
    if (n % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const all = Buffer.concat(sent);
  await expect.poll(() => got().length).toBe(all.length);
  expect(got().equals(all)).toBe(true);
});

test('the end of a connection comes behind what was sent before it, however late that is', async () => {
  const { link, near, got, far } = await through(9);
  const ended = once(await far, 'end');
  link.break('delay');
  for (let n = 0; n < 50; n++) {
    near.write(`piece ${n};`);
    await new Promise((resolve) => setImmediate(resolve));
  }
  near.end('last');
  await ended;
  expect(got().toString()).toBe(`${Array.from({ length: 50 }, (_, n) => `piece ${n};`).join('')}last`);
});

test('half-open, a link passes nothing on, not even the end, and is reset when it heals', async () => {
  const { link, near, got, far } = await through(10);
  const socket = await far;
  const told: string[] = [];
  socket.once('end', () => told.push('end'));
  socket.once('error', (error: NodeJS.ErrnoException) => told.push(error.code ?? ''));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  link.break('half-open');
  near.end('lost');
  await new Promise((resolve) => near.once('close', resolve));
  expect(told).toEqual([]);
  link.heal();
  await closed;
  expect(told).toEqual(['ECONNRESET']);
  expect(got().length).toBe(0);
});
