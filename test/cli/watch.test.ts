import { expect, test } from 'vitest';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';
import { playAgent } from '../support/play.ts';
import { startCliEstate } from './estate.ts';

const { api, sluice } = await startCliEstate(await createTestDatabase('watch'));
await applyCatalogue(
  api.pool,
  catalogueText([{ id: 'A' }, { id: 'B', after: ['A'] }, { id: 'C', after: ['B'] }]),
);
const agent = await playAgent(api.pool, 'agent-1');

let year = 2000;
const freshRun = () => openTestRun(api.pool, `${++year}-01`);

/** Carries out what is ready, one flow after another, until the run is finished. */
async function play(run: string): Promise<void> {
  for (const flow of ['A', 'B', 'C']) {
    await api.coordinator!.settled(run);
    const tasks = (await agent.claim()).filter((task) => task.run === run);
    expect(tasks.map((task) => task.flow)).toEqual([flow]);
    await agent.start(tasks);
    await agent.end(tasks);
  }
  await api.coordinator!.settled(run);
}

test('elsewhere than on a terminal there is a line for each change, and the end ends it', async () => {
  const run = await freshRun();
  let seen = (): void => {};
  const first = new Promise<void>((resolve) => {
    seen = resolve;
  });
  const watched = sluice(['run', 'watch', run], { onOut: () => seen() });
  await first;
  await play(run);
  const { exit, out } = await watched;
  expect(exit).toBe(0);
  const lines = out.trimEnd().split('\n');
  expect(lines[0]).toContain(`${run}  waiting_upstream 2  waiting_agent 1`);
  expect(lines.filter((line) => line.includes('✓ succeeded')).map((line) => line.slice(-1))).toEqual([
    'A',
    'B',
    'C',
  ]);
  expect(lines.at(-1)).toContain('succeeded 3');
  expect(out).not.toContain('\x1b');
});

test('on a terminal there is one block that is drawn again in place', async () => {
  const run = await freshRun();
  let seen = (): void => {};
  const first = new Promise<void>((resolve) => {
    seen = resolve;
  });
  const watched = sluice(['run', 'watch', run], { columns: 100, onOut: () => seen() });
  await first;
  await play(run);
  const { exit, out } = await watched;
  expect(exit).toBe(0);
  expect(out).toContain('F\x1b[J');
  expect(screen(out)).toMatch(/#{10,}\S* {2}3\/3/);
  // What passed by stays above the block, once.
  expect(screen(out).match(/✓ succeeded {2}B/g)).toHaveLength(1);
});

test('with --json each change is one line, the last one the finished run', async () => {
  const run = await freshRun();
  await play(run);
  const { exit, out } = await sluice(['run', 'watch', run, '--json']);
  expect(exit).toBe(0);
  const lines = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.at(-1)).toMatchObject({ id: run, counts: { succeeded: 3 }, finishedAt: expect.any(Number) });
});

/** What a terminal shows after `written`: `F` goes to the beginning of a line above, `J` clears all below. */
function screen(written: string): string {
  const lines = [''];
  let at = 0;
  for (const [i, part] of written.split('\x1b[').entries()) {
    const [, n, code, text] = i === 0 ? [null, '', '', part] : (/^([\d;]*)([A-Za-z])(.*)$/s.exec(part) ?? []);
    if (code === 'F') at -= Number(n);
    if (code === 'J') lines.splice(at, lines.length, '');
    for (const [j, piece] of (text ?? '').split('\n').entries()) {
      if (j > 0) at += 1;
      lines[at] = (lines[at] ?? '') + piece;
    }
  }
  return lines.join('\n');
}
