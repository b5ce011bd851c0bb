/** More edges than an estate has: what the figures of answers are measured on. */
import { catalogueOf } from '../../bench/load/graph-catalogue.ts';
import { layered } from '../../bench/load/graphs.ts';
import type { SourceFile } from '../../graph/catalogue/parse.ts';

/** 13,000 day flows in 26 layers of 500, 4 upstreams each; ids sort as the layers do. */
export function denseCatalogue(): SourceFile[] {
  const graph = layered('dense', { layers: 26, width: 500, upstreams: 4, seed: 42 });
  const texts = catalogueOf(graph, { program: 'noop', speedup: 1 });
  return Object.entries(texts).map(([path, text]) => ({ path, text }));
}
