import { appendFileSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it, test } from 'vitest';
import type { LogSource } from '../../../platforms/log-source.ts';
import { type LogBounds, LogPump } from '../../../platforms/shell/log-pump.ts';
import { runsOr, seed } from '../../support/property.ts';

const spool = mkdtempSync(join(tmpdir(), 'sluice-pump-'));
afterAll(() => rmSync(spool, { recursive: true, force: true }));

const KB = 1024;
const BOUNDS: LogBounds = { head: 10 * KB, tail: 10 * KB, limit: 1_000_000 * KB };
const SUCCEEDED = { outcome: 'succeeded' } as const;
const EXIT_3 = { outcome: 'failed', kind: 'program', message: 'exit code 3', exitCode: 3 } as const;

let folders = 0;
/** A program's folder without a program: the test writes. */
function attempt(bounds: LogBounds = BOUNDS, encoding?: string) {
  const path = join(spool, String(++folders));
  mkdirSync(path);
  for (const name of ['log', 'err']) writeFileSync(join(path, name), '');
  const asked: string[] = [];
  const open = () =>
    new LogPump(
      { path, requestEnd: (reason) => void asked.push(reason) },
      { signal: new AbortController().signal, log: () => {}, encoding },
      bounds,
    );
  return {
    path,
    asked,
    open,
    out: (said: string | Buffer) => appendFileSync(join(path, 'log'), said),
    err: (said: string | Buffer) => appendFileSync(join(path, 'err'), said),
  };
}

/** What a store keeps of slices: bytes by their offset, a repeat changes nothing. */
class Store {
  readonly parts: { offset: number; data: Buffer }[] = [];
  end = 0;

  put({ offset, data }: { offset: number; data: Buffer }): void {
    const fresh = data.subarray(Math.max(0, Math.min(data.length, this.end - offset)));
    if (fresh.length === 0) return;
    this.parts.push({ offset: offset + data.length - fresh.length, data: fresh });
    this.end = offset + data.length;
  }

  /** All that there is now, or `most` slices of it. */
  take(source: LogSource, limit = 4 * KB, most = Number.POSITIVE_INFINITY): this {
    for (let n = 0; n < most; n++) {
      const slice = source.next(limit);
      if (slice === undefined) break;
      this.put(slice);
      source.taken();
    }
    return this;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.parts.map(({ data }) => data));
  }

  get text(): string {
    return this.bytes.toString();
  }
}

test('what the program wrote is given out byte for byte, stdout before stderr where both have lines', () => {
  const { open, out, err } = attempt();
  const pump = open();
  const store = new Store();
  const bytes = Buffer.from(Array.from({ length: 300 }, (_, i) => i % 256));
  out('one\n');
  err('two\n');
  expect(store.take(pump).text).toBe('one\ntwo\n');
  out('three\n');
  expect(store.take(pump).text).toBe('one\ntwo\nthree\n');
  out(bytes);
  expect(pump.finish(SUCCEEDED)).toEqual(SUCCEEDED);
  expect(store.take(pump).bytes).toEqual(Buffer.concat([Buffer.from('one\ntwo\nthree\n'), bytes]));
  expect(pump.bytes).toBe(314);
});

test('a line that stands still is shown as far as its characters are whole; one that grows is waited for', () => {
  const { open, out } = attempt();
  const pump = open();
  out(Buffer.from('错误').subarray(0, 5));
  expect(pump.next(KB)).toBeUndefined();
  expect(pump.next(KB)?.data.toString()).toBe('错');
  pump.taken();
  out(Buffer.from('错误\n').subarray(5));
  expect(pump.next(KB)?.data.toString()).toBe('误\n');
});

test('of a flood head and tail come, in whole lines, and what is left out is known to the byte', () => {
  const { open, out } = attempt();
  const pump = open();
  const store = new Store();
  let written = 0;
  const line = (i: number) => `line ${i} ${'错误'.repeat(5)}\n`;
  for (let i = 0; i < 5_000; i++) {
    out(line(i));
    written += Buffer.byteLength(line(i));
    if (i % 500 === 0) pump.pump();
    if (i % 700 === 0) store.take(pump, KB, 1);
  }
  pump.finish(SUCCEEDED);
  store.take(pump);
  expect(pump.bytes).toBe(written);
  expect(store.end).toBe(written);
  expect(store.bytes.length).toBeLessThan(written / 3);
  const lines = store.text.split('\n').slice(0, -1);
  expect(lines[0]).toBe(line(0).trimEnd());
  expect(lines.at(-1)).toBe(line(4_999).trimEnd());
  const numbers = lines.map((line) => Number(/^line (\d+) (错误){5}$/.exec(line)![1]));
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  // Head and tail are there whole.
  const kept = new Set(numbers);
  for (let i = 0; i < 200; i++) expect(kept).toContain(i);
  for (let i = 4_800; i < 5_000; i++) expect(kept).toContain(i);
});

test('100 MB: the end is known at once, and a few slices hold what is kept', () => {
  const MB = KB * KB;
  const { open, out, err } = attempt({ head: 10 * MB, tail: 10 * MB, limit: 1_000 * MB });
  const pump = open();
  const block = Buffer.from(`${'x'.repeat(99)}\n`.repeat(10 * KB));
  for (let i = 0; i < 100; i++) {
    out(block);
    pump.pump();
  }
  err('ORA-01653: unable to extend table\n');
  const ending = pump.finish(EXIT_3);
  expect(ending).toEqual({ ...EXIT_3, message: 'exit code 3\nstderr: ORA-01653: unable to extend table' });
  const store = new Store().take(pump, MB);
  const written = 100 * block.length + 34;
  expect(pump.bytes).toBe(written);
  expect(store.end).toBe(written);
  expect(store.bytes.length).toBeGreaterThan(19 * MB);
  expect(store.bytes.length).toBeLessThan(23 * MB);
  expect(store.text.endsWith('unable to extend table\n')).toBe(true);
});

test('what was given out, and what is left out, gives its room on the disk back while the program runs', async () => {
  const MB = KB * KB;
  const { open, out, path } = attempt({ head: MB, tail: MB, limit: 10_000 * MB });
  const pump = open();
  const block = Buffer.alloc(MB, `${'x'.repeat(127)}\n`);
  const used = () => statSync(join(path, 'log')).blocks * 512;
  const store = new Store();
  for (let i = 0; i < 100; i++) {
    out(block);
    pump.pump();
    store.take(pump, KB, 1);
    await new Promise((resolve) => setImmediate(resolve));
  }
  // A hole is made by another process: until it has come to it.
  while (used() > 20 * MB) {
    pump.pump();
    store.take(pump, KB, 1);
    await new Promise((resolve) => setTimeout(resolve, 10));
    out(block);
  }
  pump.finish(SUCCEEDED);
  store.take(pump);
  expect(store.end).toBe(pump.bytes);
  expect(/^(x{127}\n)+$/.test(store.text)).toBe(true);
});

test('a program whose output passes the limit is ended, in words of ours', () => {
  const { open, out, asked } = attempt({ ...BOUNDS, limit: 2 * KB * KB });
  const pump = open();
  out(Buffer.alloc(2 * KB * KB, 'x'));
  pump.pump();
  expect(asked).toEqual([]);
  out('x');
  pump.pump();
  pump.pump();
  expect(asked).toEqual(['cancel']);
  expect(pump.finish({ outcome: 'cancelled', effect: null })).toEqual({
    outcome: 'failed',
    kind: 'program',
    message: 'ended: its output exceeded 2 MB',
  });
});

describe('the end of stderr in the reason', () => {
  const reason = (said: string | Buffer, encoding?: string) => {
    const { open, err } = attempt(BOUNDS, encoding);
    err(said);
    const ending = open().finish(EXIT_3);
    return ending.outcome === 'failed' ? ending.message : '';
  };
  const gbk = Buffer.from([0xb4, 0xed, 0xce, 0xf3]);

  it.each<[string, string | Buffer, string]>([
    ['nothing at all', '', 'exit code 3'],
    ['blank lines only', '\n \r\n\t\n', 'exit code 3'],
    ['one line without an end', 'no space', 'exit code 3\nstderr: no space'],
    ['its last five lines', '1\n2\n3\n4\n\n5\n6\n', 'exit code 3\nstderr: 2\n3\n4\n5\n6'],
    [
      'what a terminal would hide',
      'a\u001b[31mred\u0007\u202e\u0000b\n',
      'exit code 3\nstderr: a\\x1b[31mred\\x07\\u202e\\x00b',
    ],
    ['a bar of progress', '10%\r20%\r30%\rdone\n', 'exit code 3\nstderr: 10%\n20%\n30%\ndone'],
  ])('is %s', (_name, said, want) => expect(reason(said)).toBe(want));

  it('is text of the declared encoding, and shows by signs where it is none', () => {
    expect(reason(gbk, 'gbk')).toBe('exit code 3\nstderr: 错误');
    expect(reason(gbk)).toContain('\ufffd');
  });

  it('is bounded, on a border between characters', () => {
    const text = `${'x'.repeat(20_000)}\n${'😀错'.repeat(1_500)}`;
    const said = reason(text);
    expect([...said].length).toBeLessThanOrEqual('exit code 3\nstderr: '.length + 1_000);
    expect(said.startsWith('exit code 3\nstderr: …')).toBe(true);
    expect(said.slice('exit code 3\nstderr: …'.length)).toMatch(/^错?(😀错)+$/u);
    // The end of the last line, where that line alone is longer than what is looked at.
    const ended = reason(`first\n${'y'.repeat(30_000)} no space\n`);
    expect(ended).toBe(`exit code 3\nstderr: …${'y'.repeat(990)} no space`);
    expect(reason(`no space\n${'\n'.repeat(30_000)}`)).toBe('exit code 3');
    const wide = Buffer.concat(Array.from({ length: 3_000 }, () => gbk));
    expect(reason(Buffer.concat([Buffer.from('first\n'), wide]), 'gbk')).not.toContain('\ufffd');
  });
});

/** Lines of one length with their file and number: each can be recognised wherever it stands. */
const numbered = (file: 'L' | 'E', i: number) => `${file}${String(i).padStart(6, '0')}错\n`;

test('whatever is killed and started again, each byte comes once, in order, and all others are counted', () => {
  const Step = fc.oneof(
    fc.record({ t: fc.constant('out'), n: fc.integer({ min: 1, max: 400 }) }),
    fc.record({ t: fc.constant('err'), n: fc.integer({ min: 1, max: 400 }) }),
    fc.record({ t: fc.constant('send'), limit: fc.integer({ min: 100, max: 3_000 }) }),
    fc.record({ t: fc.constant('lost'), limit: fc.integer({ min: 100, max: 3_000 }) }),
    fc.constant({ t: 'look' as const }),
    fc.constant({ t: 'killed' as const }),
  );
  fc.assert(
    fc.property(fc.array(Step, { maxLength: 60 }), fc.nat(5), (steps, kills) => {
      const { open, out, err } = attempt({ head: 1_500, tail: 1_500, limit: 1e9 });
      const store = new Store();
      const written = { L: 0, E: 0 };
      let pump = open();
      const write = (file: 'L' | 'E', n: number) => {
        const lines = Array.from({ length: n }, () => numbered(file, written[file]++)).join('');
        (file === 'L' ? out : err)(lines);
      };
      for (const step of steps) {
        if (step.t === 'out') write('L', step.n);
        else if (step.t === 'err') write('E', step.n);
        else if (step.t === 'look') pump.pump();
        else if (step.t === 'killed') pump = open();
        else {
          const slice = pump.next('limit' in step ? step.limit : KB);
          if (slice === undefined) continue;
          store.put(slice);
          // The answer was lost, and the agent with it.
          if (step.t === 'lost') pump = open();
          else pump.taken();
        }
      }
      pump.finish(SUCCEEDED);
      for (let i = 0; i < kills; i++) {
        const slice = pump.next(700);
        if (slice !== undefined) store.put(slice);
        pump = open();
        pump.finish(SUCCEEDED);
      }
      store.take(pump, 700);
      const total = (written.L + written.E) * Buffer.byteLength(numbered('L', 0));
      expect(pump.bytes).toBe(total);
      expect(store.end).toBe(total);
      const lines = store.text.split('\n').slice(0, -1);
      for (const file of ['L', 'E'] as const) {
        const numbers = lines.filter((line) => line.startsWith(file)).map((line) => Number(line.slice(1, 7)));
        expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
        if (written[file] > 0) expect(numbers.at(-1)).toBe(written[file] - 1);
      }
      expect(lines.every((line) => /^[LE]\d{6}错$/.test(line))).toBe(true);
    }),
    { seed, numRuns: runsOr(200) },
  );
});
