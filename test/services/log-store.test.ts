import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { fileLogStore, type LogPlace, type LogStore } from '../../services/log-store.ts';

const folder = await mkdtemp(join(tmpdir(), 'sluice-test-logs-'));
afterAll(() => rm(folder, { recursive: true, force: true }));
const limits = { head: 100, segment: 50, line: 10 };
let epoch = 0;
const place = (): LogPlace => ({ run: 'month-2026-10', flow: 'A', epoch: ++epoch });

async function all(store: LogStore, where: LogPlace): Promise<{ text: string; leftOut: number }> {
  let text = '';
  let leftOut = 0;
  for (let at = 0; ; ) {
    const part = await store.read(where, at);
    if (part.data.length === 0) return { text, leftOut };
    leftOut += part.from - at;
    text += part.data.toString();
    at = part.next;
  }
}

test('text comes back as it was written, over segments and characters of many bytes', async () => {
  const store = fileLogStore(folder, limits);
  const where = place();
  const text = 'äöü€😀\n'.repeat(10);
  await store.append(where, 0, Buffer.from(text));
  expect(await all(store, where)).toEqual({ text, leftOut: 0 });
});

test('of much text head and tail are kept', async () => {
  const store = fileLogStore(folder, limits);
  const where = place();
  const text = Array.from({ length: 200 }, (_, i) => String(i).padStart(4, '0')).join('\n');
  for (let at = 0; at < text.length; at += 37)
    await store.append(where, at, Buffer.from(text.slice(at, at + 37)));
  const kept = await all(store, where);
  expect(kept.text.startsWith(text.slice(0, 90))).toBe(true);
  expect(kept.text.endsWith(text.slice(-250))).toBe(true);
  expect(kept.text.length + kept.leftOut).toBe(text.length);
  expect(kept.text.length).toBeLessThanOrEqual(400);
});

test('repeated, overlapping and simultaneous chunks change nothing, also after a restart', async () => {
  const store = fileLogStore(folder, limits);
  const where = place();
  await Promise.all([
    store.append(where, 0, Buffer.from('abcdef')),
    store.append(where, 0, Buffer.from('abcdef')),
    store.append(where, 3, Buffer.from('defghi')),
  ]);
  expect((await all(store, where)).text).toBe('abcdefghi');
  const restarted = fileLogStore(folder, limits);
  await restarted.append(where, 6, Buffer.from('ghijkl'));
  expect(await all(restarted, where)).toEqual({ text: 'abcdefghijkl', leftOut: 0 });
});

test('two APIs with one folder: what one wrote before it was lost is not there twice when it comes again to the other', async () => {
  const [first, second] = [fileLogStore(folder, limits), fileLogStore(folder, limits)];
  const where = place();
  await first.append(where, 0, Buffer.from('abc'));
  await second.append(where, 3, Buffer.from('def'));
  await first.append(where, 3, Buffer.from('def'));
  await first.append(where, 6, Buffer.from('ghi'));
  await second.append(where, 6, Buffer.from('ghijkl'));
  expect(await all(first, where)).toEqual({ text: 'abcdefghijkl', leftOut: 0 });
});

test('a lost chunk is left out, not made up', async () => {
  const store = fileLogStore(folder, limits);
  const where = place();
  await store.append(where, 0, Buffer.from('abc'));
  await store.append(where, 10, Buffer.from('klm'));
  expect(await all(store, where)).toEqual({ text: 'abcklm', leftOut: 7 });
});

test('hostile ids stay inside the folder', async () => {
  const store = fileLogStore(join(folder, 'inside'), limits);
  for (const id of ['../../x', '..', '/etc', '.'])
    await store.append({ run: id, flow: id, epoch: ++epoch }, 0, Buffer.from('x'));
  const where = { run: 'a/b', flow: 'a/b', epoch: ++epoch };
  await store.append(where, 0, Buffer.from('x'));
  expect((await readdir(folder)).sort()).toEqual(['inside', 'month-2026-10']);
  expect((await all(store, where)).text).toBe('x');
});

test('head and tail are cut between lines, and within one that is too long for it', async () => {
  const store = fileLogStore(folder, limits);
  const where = place();
  const line = '错误€\n';
  const text = line.repeat(100);
  let at = 0;
  for (const piece of text.match(/(.*\n){1,4}/g)!) {
    await store.append(where, at, Buffer.from(piece));
    at += Buffer.byteLength(piece);
  }
  const kept = await all(store, where);
  expect(kept.leftOut).toBeGreaterThan(0);
  expect(kept.text).toBe(line.repeat((at - kept.leftOut) / Buffer.byteLength(line)));
  const long = place();
  const bytes = Buffer.from(Array.from({ length: 5_000 }, (_, i) => i % 256).filter((byte) => byte !== 10));
  await store.append(long, 0, bytes);
  const head = await store.read(long, 0);
  expect(head.data).toEqual(bytes.subarray(0, limits.head));
});

test('a segment that another API left out does not come again with a hole', async () => {
  const [first, second] = [fileLogStore(folder, limits), fileLogStore(folder, limits)];
  const where = place();
  await first.append(where, 0, Buffer.alloc(140, 'a'));
  await second.append(where, 140, Buffer.alloc(700, 'b'));
  await first.append(where, 840, Buffer.from('c'));
  const { text, leftOut } = await all(second, where);
  expect(text.length + leftOut).toBe(841);
  expect(text).toMatch(/^a{100}b{200,}c$/);
});
