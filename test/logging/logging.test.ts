/** Log lines on a disk that is full: /dev/full refuses every byte as such a disk does. */
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { logLines } from '../../logging.ts';

test('what cannot be written is lost, and the next line that can be says how much', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-test-logging-'));
  const file = join(folder, 'lines.log');
  const fd = openSync('/dev/full', 'w');
  try {
    const lines = logLines(fd);
    for (let n = 0; n < 3; n++) lines.write(`lost ${n}\n`);
    // There is room again: the same descriptor takes lines.
    closeSync(fd);
    expect(openSync(file, 'a')).toBe(fd);
    lines.write('kept 1\n');
    lines.write('kept 2\n');
    const [note, ...rest] = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect(JSON.parse(note!)).toMatchObject({ lost: 3, msg: 'log lines were lost' });
    expect(rest).toEqual(['kept 1', 'kept 2']);
  } finally {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  }
});

test('a process whose log cannot be written goes on and ends in order', async () => {
  const script = `
    const { createLogger } = await import(${JSON.stringify(new URL('../../logging.ts', import.meta.url).href)});
    const logger = createLogger({ name: 'test' });
    for (let n = 0; n < 1_000; n++) logger.error({ n, more: 'x'.repeat(1_000) }, 'nobody can read this');
    await new Promise((resolve) => setTimeout(resolve, 50));
    process.exit(7);
  `;
  const full = openSync('/dev/full', 'w');
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', full, 'pipe'],
  });
  closeSync(full);
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  const exit = await new Promise((resolve) =>
    child.once('exit', (code, signal) => resolve({ code, signal })),
  );
  clearTimeout(timer);
  expect(exit).toEqual({ code: 7, signal: null });
});
