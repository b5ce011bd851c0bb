import { describe, expect, test } from 'vitest';
import { type EstateFile, estate } from '../../../bench/estate/catalogue.ts';
import { WORKLOADS } from '../../../bench/load/graphs.ts';
import { checkCatalogue } from '../../../graph/catalogue/check.ts';
import { inflate } from '../../../graph/compiled/compact.ts';
import { compact } from '../../../graph/compiled/compile.ts';
import { costRatio, LINEAR_FOR_TEN_TIMES } from '../../support/growth.ts';

/** One edge in ten names a flow that is not there, one flow in nine has a field that is not there, one entry is not YAML. */
function spoil(files: readonly EstateFile[]): EstateFile[] {
  return files.map(({ path, text }, f) => ({
    path,
    text: text
      .replaceAll(/^( {6}- [A-Z]\w+\d{3}0)D$/gm, '$1X')
      .replaceAll(/^( {6}- I\d+\.Prepare)$/gm, '$1X')
      .replaceAll(/^( {4})owner: billing$/gm, '$1ownr: billing')
      .replace(/^( {4}names: )\{/m, f === 9 ? '$1{{' : '$1{'),
  }));
}

describe('a catalogue of 13,000 flows', () => {
  const files = estate(13_000);

  test('is checked, compiled and inflated, and takes little space', () => {
    const checked = checkCatalogue(files);
    expect(checked.problems).toEqual([]);
    expect(checked.flows).toHaveLength(13_000);
    const json = compact(checked.flows, 'day');
    const text = JSON.stringify(json);
    expect(text.length).toBeLessThan(1_000_000);
    const graph = inflate(JSON.parse(text));
    expect(graph.n).toBe(json.ids.length);
    expect(graph.n).toBeGreaterThan(12_500);
    expect(graph.m).toBe(json.upGaps.length);
  });

  test('costs ten times as much as 1,300 flows, without problems and with thousands', () => {
    const few = estate(1_300);
    expect(
      costRatio(
        () => checkCatalogue(few),
        () => checkCatalogue(files),
        2,
      ),
    ).toBeLessThan(LINEAR_FOR_TEN_TIMES);
    const ratio = costRatio(
      () => checkCatalogue(spoil(few)),
      () => checkCatalogue(spoil(files)),
      2,
    );
    expect(ratio).toBeLessThan(LINEAR_FOR_TEN_TIMES);
  });

  test('has every problem placed among thousands', () => {
    const broken = spoil(files);
    const value = checkCatalogue(broken);
    const codes = new Map<string, number>();
    for (const { code } of value.problems) codes.set(code, (codes.get(code) ?? 0) + 1);
    expect(codes.get('unknown_reference')).toBeGreaterThan(1000);
    expect(codes.get('unknown_field')).toBeGreaterThan(1400);
    expect(codes.get('yaml_syntax')).toBe(1);
    const lines = new Map(broken.map(({ path, text }) => [path, text.split('\n')]));
    for (const { code, file, line, column } of value.problems) {
      const rest = lines.get(file!)![line! - 1]!.slice(column! - 1);
      if (code === 'unknown_reference') expect(rest).toMatch(/^([A-Z]\w+\d{3}0X|I\d+\.PrepareX)$/);
      if (code === 'unknown_field') expect(rest).toBe('ownr: billing');
    }
  });
});

describe('the graphs of the bench', () => {
  test.each([
    ['w1', 1000, 2700, 10],
    ['w2', 100, 99, 100],
    ['w3', 502, 1000, 3],
    ['w4', 10_000, 28_500, 20],
  ] as const)(
    '%s has %i tasks, %i edges and %i layers, the same for the same seed',
    (name, tasks, edges, layers) => {
      const graph = WORKLOADS[name]();
      expect(graph.tasks).toHaveLength(tasks);
      expect(graph.tasks.reduce((sum, { deps }) => sum + deps.length, 0)).toBe(edges);
      const depth = new Map<string, number>();
      // Topological order: every upstream is known when a task comes.
      for (const { id, deps } of graph.tasks)
        depth.set(id, 1 + Math.max(0, ...deps.map((dep) => depth.get(dep)!)));
      expect(Math.max(...depth.values())).toBe(layers);
      expect(WORKLOADS[name]()).toEqual(graph);
      if (name === 'w1' || name === 'w4') expect(WORKLOADS[name](7)).not.toEqual({ ...graph, seed: 7 });
    },
  );
});
