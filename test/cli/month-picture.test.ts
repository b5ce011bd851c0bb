/** The picture of a run, from fixed data: what stands where, and what is named. */
import { describe, expect, test } from 'vitest';
import { monthPicture } from '../../cli/demo/picture/drawing.ts';
import { type Label, type Place, placed } from '../../cli/demo/picture/labels.ts';
import { CHART } from '../../cli/demo/picture/layout.ts';
import { monthOf, type RunRecord } from '../../cli/demo/picture/month.ts';
import { widthOf } from '../../cli/text/width.ts';
import { expectWellFormed } from './svg.ts';

type FlowRecord = RunRecord['flows'][number];
type AttemptRecord = FlowRecord['attempts'][number];

const flow = (id: string, more: Partial<FlowRecord> = {}): FlowRecord => ({
  id,
  procedure: 'P01',
  runner: 'agent',
  state: 'succeeded',
  generation: 1,
  releasedAt: null,
  resultAt: null,
  attempts: [],
  generations: [],
  ...more,
});
const attempt = (
  startedAt: number,
  endedAt: number | null,
  more: Partial<AttemptRecord> = {},
): AttemptRecord => ({
  n: 1,
  generation: 1,
  attempt: 1,
  epoch: 1,
  agent: 'yt-1',
  sentAt: startedAt,
  startedAt,
  endedAt,
  outcome: 'succeeded',
  failure: null,
  message: null,
  exitCode: null,
  rows: null,
  logBytes: null,
  encoding: null,
  remark: null,
  gaveUp: null,
  ...more,
});
const piece = (
  id: string,
  from: number,
  to: number,
  kind: 'run' | 'waiting_person',
): RunRecord['path']['pieces'][number] => ({
  flow: id,
  names: { en: id, zh: id },
  kind,
  from,
  to,
  ms: to - from,
  generation: 1,
  attempt: null,
  agent: null,
  by: null,
});

/** A gate, a program that failed and was rerun, one that was force-passed, one that the engine did: 10 s, opened at 1,000. */
const record: RunRecord = {
  run: {
    id: 'month-2026-10',
    openedAt: 1_000,
    finishedAt: 11_000,
    now: 99_000,
    counts: { succeeded: 3, force_passed: 1 },
  },
  procedures: [
    { id: 'P01', names: { en: 'Dimension <1>', zh: '维表' } },
    { id: 'P02', names: { en: 'Chain', zh: '月流程' } },
    { id: 'P09', names: { en: 'Nothing of it is in the run', zh: '空' } },
  ],
  flows: [
    flow('P01.Gate', { runner: 'person', releasedAt: 1_000, resultAt: 5_000 }),
    flow('P02.Load', {
      procedure: 'P02',
      generation: 2,
      resultAt: 11_000,
      attempts: [attempt(2_000, 3_000, { outcome: 'failed' }), attempt(5_000, 11_000, { generation: 2 })],
    }),
    flow('P02.Early', {
      procedure: 'P02',
      generation: 2,
      attempts: [attempt(1_500, 2_000), attempt(6_000, 6_500, { generation: 2 })],
    }),
    flow('P02.Forced', { procedure: 'P02', state: 'force_passed', resultAt: 7_000 }),
    flow('P02.All', { procedure: 'P02', runner: 'engine', resultAt: 11_000 }),
  ],
  path: {
    pieces: [piece('P01.Gate', 1_000, 5_000, 'waiting_person'), piece('P02.Load', 5_000, 11_000, 'run')],
  },
};

describe('a run as bars in time', () => {
  const month = monthOf(record);
  const rowOf = (id: string) => month.bands.flatMap(({ rows }) => rows).find((row) => row.flow === id)!;

  test('flows stand below their procedure, in the order of their first moment', () => {
    expect(month.bands.map(({ procedure, rows }) => [procedure, rows.map((row) => row.flow)])).toEqual([
      ['P01', ['P01.Gate']],
      ['P02', ['P02.Early', 'P02.Load', 'P02.Forced', 'P02.All']],
    ]);
  });

  test('an attempt is a bar: failed, replaced by a rerun, or what counts', () => {
    expect(rowOf('P02.Load').bars).toEqual([
      { kind: 'failed', from: 2_000, to: 3_000, replaced: true },
      { kind: 'run', from: 5_000, to: 11_000, replaced: false },
    ]);
    expect(rowOf('P02.Early').bars.map(({ replaced }) => replaced)).toEqual([true, false]);
  });

  test('a person is waited for from the turn of the flow; the engine takes no time; a force-pass is a moment', () => {
    expect(rowOf('P01.Gate').bars).toEqual([{ kind: 'wait', from: 1_000, to: 5_000, replaced: false }]);
    expect(rowOf('P02.All').bars).toEqual([{ kind: 'point', from: 11_000, to: 11_000, replaced: false }]);
    expect(rowOf('P02.Forced')).toMatchObject({ bars: [], forcedAt: 7_000 });
  });

  test('what is not over lasts until now', () => {
    const open = monthOf({
      ...record,
      run: { ...record.run, finishedAt: null, now: 8_000 },
      flows: [flow('P01.Slow', { state: 'running', attempts: [attempt(2_000, null, { outcome: null })] })],
    });
    expect(open.to).toBe(8_000);
    expect(open.bands[0]!.rows[0]!.bars[0]).toMatchObject({ from: 2_000, to: 8_000 });
  });
});

describe.each(['en', 'zh'] as const)('the picture in %s', (lang) => {
  const svg = monthPicture(monthOf(record), lang);
  const textsOf = (style: string): string[] =>
    [...svg.matchAll(new RegExp(`<text class="label ${style}[^>]*>([^<]*)<`, 'g'))].map(([, text]) => text!);

  test('is well-formed, small, for light and dark, and needs nothing from elsewhere', () => {
    expectWellFormed(svg);
    expect(svg.length).toBeLessThan(40_000);
    expect(svg).toContain('prefers-color-scheme: dark');
    expect(svg.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|url\(|@import|href/);
  });

  test('the critical path is one line from the opening to the end', () => {
    const points = /class="path" d="([^"]+)"/
      .exec(svg)![1]!
      .split(/[ML]/)
      .slice(1)
      .map((point) => point.split(' ').map(Number));
    expect(points).toHaveLength(4);
    const [first, , , last] = points;
    const grid = [...svg.matchAll(/class="grid" x1="([\d.]+)"/g)].map(([, x]) => Number(x));
    expect(first![0]).toBe(grid[0]);
    expect(last![0]! - first![0]!).toBeCloseTo(CHART.right - CHART.left, 0);
    expect(points[1]![0]).toBe(points[2]![0]);
  });

  test('names the failed flow, the force-passed one, the long pieces of the path and whom the run waited for', () => {
    expect(textsOf('failed').join()).toContain('P02.Load');
    expect(textsOf('forced').join()).toContain('P02.Forced');
    expect(textsOf('on').join()).toContain(lang === 'en' ? 'waiting for person 4.00 s' : '等待人工 4.00 s');
    expect(textsOf('quiet').join()).toContain('P01.Gate');
    expect(svg).toContain(lang === 'en' ? 'Dimension &lt;1&gt;' : '维表');
  });
});

const SIDES: readonly (readonly Place['side'][])[] = [['right', 'left'], ['left'], ['above', 'right']];

test('labels stay in the chart and cover none another; one without room is left out', () => {
  const chart = { left: 0, right: 400 };
  const wanted = Array.from({ length: 60 }, (_, i) => {
    const from = (i * 37) % 380;
    return {
      text: `label ${i} ${'x'.repeat(i % 7)}`,
      style: 'on',
      y: (i * 5) % 90,
      places: SIDES[i % SIDES.length]!.map((side) => ({ side, from, to: from + 20 + i })),
    };
  });
  const labels = placed(wanted, chart);
  const boxOf = ({ text, x, y, side }: Label) => {
    const wide = widthOf(text) * 6;
    const from = { right: x, left: x - wide, above: x - wide / 2 }[side];
    return { from, to: from + wide, y };
  };
  const boxes = labels.map(boxOf);
  expect(boxes.length).toBeGreaterThan(5);
  expect(boxes.length).toBeLessThan(60);
  for (const [i, box] of boxes.entries()) {
    expect(box.from).toBeGreaterThanOrEqual(chart.left);
    expect(box.to).toBeLessThanOrEqual(chart.right);
    for (const other of boxes.slice(i + 1))
      expect(Math.abs(other.y - box.y) >= 12 || other.to <= box.from || box.to <= other.from).toBe(true);
  }
});
