/** More edges than an estate has, to measure costs on: 26 layers of `width` flows, 4 upstreams each; ids sort as the layers do. */
import { catalogueOf } from '../../bench/load/graph-catalogue.ts';
import { type BenchGraph, layered } from '../../bench/load/graphs.ts';
import type { SourceFile } from '../../graph/catalogue/parse.ts';
import type { Graph } from '../../graph/compiled/compact.ts';
import { graphOf } from './run-graph.ts';

/** 13,000 flows. */
const WIDTH = 500;

const dense = (width: number): BenchGraph => layered('dense', { layers: 26, width, upstreams: 4, seed: 42 });

/** Day flows. */
export function denseCatalogue(width = WIDTH): SourceFile[] {
  const texts = catalogueOf(dense(width), { program: 'noop', speedup: 1 });
  return Object.entries(texts).map(([path, text]) => ({ path, text }));
}

/** The same without reading a catalogue, which takes most of the time. */
export function denseGraph(width = WIDTH): Graph {
  return graphOf(
    dense(width).tasks.map(({ id, deps }) => ({ id, after: deps })),
    [],
  );
}
