/**
 * The graphs that the bench sends, made from a seed: the same ones for everybody and on every machine. Shape `{name, seed, tasks:[{id, deps}]}`,
 * tasks in topological order, which is what `npm run bench -- --graph FILE` reads.
 */

export interface BenchTask {
  readonly id: string;
  readonly deps: readonly string[];
}

export interface BenchGraph {
  readonly name: string;
  readonly seed: number;
  readonly tasks: readonly BenchTask[];
}

/** Name of a workload -> its graph; `seed` defaults to 42. */
export const WORKLOADS = {
  /** 1,000 tasks in 10 layers of 100, 3 upstreams each: throughput. */
  w1: (seed = 42) => layered('w1', { layers: 10, width: 100, upstreams: 3, seed }),
  /** A chain of 100: the price of one hop. */
  w2: (seed = 42) => layered('w2', { layers: 100, width: 1, upstreams: 1, seed }),
  /** 1 -> 500 -> 1: fan-out and fan-in. */
  w3: (seed = 42) => fan('w3', 500, seed),
  /** 10,000 tasks in 20 layers of 500, 3 upstreams each: the size of the estate. */
  w4: (seed = 42) => layered('w4', { layers: 20, width: 500, upstreams: 3, seed }),
} satisfies Record<string, (seed?: number) => BenchGraph>;

/** Layers of equal width; every task beyond the first layer waits for `upstreams` different tasks of the layer before. */
export function layered(
  name: string,
  { layers, width, upstreams, seed }: { layers: number; width: number; upstreams: number; seed: number },
): BenchGraph {
  const random = randomOf(seed);
  const idOf = namer(layers * width);
  const tasks: BenchTask[] = [];
  for (let layer = 0; layer < layers; layer++) {
    for (let i = 0; i < width; i++) {
      const chosen = new Set<number>();
      while (layer > 0 && chosen.size < Math.min(upstreams, width)) chosen.add(Math.floor(random() * width));
      const deps = [...chosen].sort((a, b) => a - b).map((k) => idOf((layer - 1) * width + k));
      tasks.push({ id: idOf(layer * width + i), deps });
    }
  }
  return { name, seed, tasks };
}

/** One task, then `width` tasks, then one that waits for all of them. */
export function fan(name: string, width: number, seed: number): BenchGraph {
  const idOf = namer(width + 2);
  const middle = Array.from({ length: width }, (_, i) => idOf(i + 1));
  const tasks = [
    { id: idOf(0), deps: [] },
    ...middle.map((id) => ({ id, deps: [idOf(0)] })),
    { id: idOf(width + 1), deps: middle },
  ];
  return { name, seed, tasks };
}

/** `t0000`: as many digits as the largest number needs, at least 4. */
function namer(count: number): (i: number) => string {
  const digits = Math.max(4, String(count - 1).length);
  return (i) => `t${String(i).padStart(digits, '0')}`;
}

/** Numbers in [0, 1) from a seed: mulberry32 (public domain, T. Ettinger). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
