import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { fileLogStore, type LogPlace, type LogStore } from '../../api/log-store.ts';

const folder = await mkdtemp(join(tmpdir(), 'sluice-test-logs-'));
afterAll(() => rm(folder, { recursive: true, force: true }));
const limits = { head: 100, segment: 50 };
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
  await store.append(where, 0, text);
  expect(await all(store, where)).toEqual({ text, leftOut: 0 });
});

test('of much text head and tail are kept', async () => {
  const store = fileLogStore(folder, limits);
  const where = place();
  const text = Array.from({ length: 200 }, (_, i) => String(i).padStart(4, '0')).join('\n');
  for (let at = 0; at < text.length; at += 37) await store.append(where, at, text.slice(at, at + 37));
  const kept = await all(store, where);
  expect(kept.text.startsWith(text.slice(0, 100))).toBe(true);
  expect(kept.text.endsWith(text.slice(-100))).toBe(true);
  expect(kept.text.length + kept.leftOut).toBe(text.length);
  expect(kept.text.length).toBeLessThanOrEqual(250);
});

test('repeated, overlapping and simultaneous chunks change nothing, also after a restart', async () => {
  const store = fileLogStore(folder, limits);
  const where = place();
  await Promise.all([
    store.append(where, 0, 'abcdef'),
    store.append(where, 0, 'abcdef'),
    store.append(where, 3, 'defghi'),
  ]);
  expect((await all(store, where)).text).toBe('abcdefghi');
  const restarted = fileLogStore(folder, limits);
  await restarted.append(where, 6, 'ghijkl');
  expect(await all(restarted, where)).toEqual({ text: 'abcdefghijkl', leftOut: 0 });
});

test('two APIs with one folder: what one wrote before it was lost is not there twice when it comes again to the other', async () => {
  const [first, second] = [fileLogStore(folder, limits), fileLogStore(folder, limits)];
  const where = place();
  await first.append(where, 0, 'abc');
  await second.append(where, 3, 'def');
  await first.append(where, 3, 'def');
  await first.append(where, 6, 'ghi');
  await second.append(where, 6, 'ghijkl');
  expect(await all(first, where)).toEqual({ text: 'abcdefghijkl', leftOut: 0 });
});

test('a lost chunk is left out, not made up', async () => {
  const store = fileLogStore(folder, limits);
  const where = place();
  await store.append(where, 0, 'abc');
  await store.append(where, 10, 'klm');
  expect(await all(store, where)).toEqual({ text: 'abcklm', leftOut: 7 });
});

test('hostile ids stay inside the folder', async () => {
  const store = fileLogStore(join(folder, 'inside'), limits);
  for (const id of ['../../x', '..', '/etc', '.'])
    await store.append({ run: id, flow: id, epoch: ++epoch }, 0, 'x');
  const where = { run: 'a/b', flow: 'a/b', epoch: ++epoch };
  await store.append(where, 0, 'x');
  expect((await readdir(folder)).sort()).toEqual(['inside', 'month-2026-10']);
  expect((await all(store, where)).text).toBe('x');
});
