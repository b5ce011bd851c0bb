import { expect, test } from 'vitest';
import { latenessPicture, pathPicture } from '../../cli/text/picture.ts';
import type { CriticalPath, Lateness } from '../../contract/answers.ts';
import { expectWellFormed } from './svg.ts';

const names = { en: 'Load <bills> & "more"', zh: '装载账单' };
const piece = (from: number, to: number, kind: CriticalPath['pieces'][number]['kind']) => ({
  flow: 'Load',
  names,
  kind,
  from,
  to,
  ms: to - from,
  generation: 1,
  attempt: null,
  agent: null,
  by: null,
});
const path: CriticalPath = {
  run: 'month-2026-10',
  target: 'Load',
  openedAt: 1_000,
  endedAt: 5_000,
  now: 9_000,
  flows: ['Load'],
  pieces: [piece(1_000, 2_000, 'engine'), piece(2_000, 5_000, 'run')],
  kinds: { engine: 1_000, run: 3_000 },
  total: 4_000,
  unattributed: 0,
};
const part = (ms: number, kind: Lateness['parts'][number]['kind'], flow: string | null) => ({
  flow,
  names: flow === null ? null : names,
  kind,
  today: Math.max(0, ms),
  reference: Math.max(0, -ms),
  ms,
  upstream: null,
});
const late: Lateness = {
  run: 'month-2026-10',
  target: 'Load',
  reference: { run: 'month-2026-09', period: '2026-09', time: null },
  endedAt: 5_000,
  now: 9_000,
  expectedAt: 3_500,
  total: 1_500,
  flows: ['Load'],
  parts: [part(-500, 'opening', null), part(2_000, 'run', 'Load')],
  mainCause: part(2_000, 'run', 'Load'),
  text: { en: 'Load is 2 s later', zh: 'Load 晚了 2 秒' },
};

/** Bars in their order: where they begin and how wide they are. The first rect is the paper. */
const barsOf = (svg: string): [number, number][] =>
  [...svg.matchAll(/<rect x="([\d.]+)" y="\d+" width="([\d.]+)"/g)].map((match) => [
    Number(match[1]),
    Number(match[2]),
  ]);

test('the picture of a critical path has a bar for each piece, one after the other, over the whole chart', () => {
  const svg = pathPicture(path, 'en');
  expectWellFormed(svg);
  const bars = barsOf(svg);
  expect(bars).toHaveLength(2);
  expect(bars[1]![0]).toBeCloseTo(bars[0]![0] + bars[0]![1], 0);
  expect(bars[1]![1] / bars[0]![1]).toBeCloseTo(3, 1);
  expect(svg).toContain('Load &lt;bills&gt; &amp; &quot;more&quot;');
});

test('the picture of a lateness has what was later to the right of the middle, what was earlier to the left', () => {
  const svg = latenessPicture(late, 'zh');
  expectWellFormed(svg);
  const [early, later] = barsOf(svg);
  const middle = Number(/<line x1="([\d.]+)"/.exec(svg)![1]);
  expect(early![0] + early![1]).toBeCloseTo(middle, 0);
  expect(later![0]).toBeCloseTo(middle, 0);
  expect(later![1] / early![1]).toBeCloseTo(4, 1);
  expect(svg).toContain('Load 晚了 2 秒');
});

test('a name with characters that XML does not have is drawn all the same', () => {
  const odd = {
    ...path,
    target: 'A\u0001B',
    pieces: path.pieces.map((other) => ({ ...other, flow: 'A\u0000\u001b<B' })),
  };
  const svg = pathPicture(odd, 'en');
  expectWellFormed(svg);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are meant
  expect(svg).not.toMatch(/[\u0000-\u0008\u001b]/);
});
