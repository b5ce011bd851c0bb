import { expect, test } from 'vitest';
import { MemoryLog } from '../../agent/memory-log.ts';

/** What a store would keep: bytes, and how many lay before or between them. */
function drained(log: MemoryLog, limit: number): { text: string; leftOut: number } {
  const pieces: Buffer[] = [];
  let [end, leftOut] = [0, 0];
  for (let slice = log.next(limit); slice !== undefined; slice = log.next(limit)) {
    leftOut += slice.offset - end;
    end = slice.offset + slice.data.length;
    pieces.push(slice.data);
    expect(log.next(limit)).toBe(slice);
    log.taken();
  }
  return { text: Buffer.concat(pieces).toString(), leftOut };
}

test('all comes out in order, whatever the sizes of what goes in and out', () => {
  for (const limit of [1, 7, 1_000, 100_000]) {
    const log = new MemoryLog();
    const lines = Array.from({ length: 500 }, (_, i) => `${i} ${'错'.repeat(i % 50)}\n`);
    for (const line of lines) log.write(line);
    log.write(Buffer.alloc(100_000, 'x'));
    expect(log.done).toBe(false);
    log.end();
    const all = lines.join('') + 'x'.repeat(100_000);
    expect(drained(log, limit)).toEqual({ text: all, leftOut: 0 });
    expect(log.bytes).toBe(Buffer.byteLength(all));
    expect(log.done).toBe(true);
  }
});

test('of a flood of short lines the newest wait, and the others are counted', () => {
  const log = new MemoryLog();
  const line = `NOTICE: ${'x'.repeat(15)}\n`;
  const count = 500_000;
  for (let i = 0; i < count; i++) log.write(line);
  log.end();
  const { text, leftOut } = drained(log, 100_000);
  expect(text.length + leftOut).toBe(count * line.length);
  expect(log.bytes).toBe(count * line.length);
  expect(text.length).toBeGreaterThan(3 * 1024 * 1024);
  expect(text.length).toBeLessThanOrEqual(4 * 1024 * 1024);
});

test('a piece that is under way stays the same while the flood goes on', () => {
  const log = new MemoryLog();
  log.write('first\n');
  const slice = log.next(100);
  log.write(Buffer.alloc(10 * 1024 * 1024, 'x'));
  expect(log.next(100)).toBe(slice);
  expect(slice?.data.toString()).toBe('first\n');
});
