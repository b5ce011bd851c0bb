/** Chance from a seed: each purpose has a stream of its own, so that one more draw here changes nothing there. */
import { randomOf } from '../load/graphs.ts';

/** Draws of one stream. */
export interface Draws {
  /** In [0, 1). */
  next(): number;
  /** In 0 .. n - 1. */
  below(n: number): number;
  chance(p: number): boolean;
  pick<T>(list: readonly T[]): T;
  /** `n` different ones, or all when there are fewer. */
  some<T>(list: readonly T[], n: number): T[];
  /** Around 1: exp(sigma * normal). */
  noise(sigma: number): number;
}

/** The stream of a purpose, e.g. a run's id; the same for the same seed and purpose. */
export function drawsOf(seed: number, purpose: string): Draws {
  const next = randomOf(mixed(seed, purpose));
  const draws: Draws = {
    next,
    below: (n) => Math.floor(next() * n),
    chance: (p) => next() < p,
    pick: (list) => list[Math.floor(next() * list.length)]!,
    some(list, n) {
      if (list.length <= n) return [...list];
      const chosen = new Set<number>();
      while (chosen.size < n) chosen.add(Math.floor(next() * list.length));
      return [...chosen].sort((a, b) => a - b).map((i) => list[i]!);
    },
    // Box and Muller.
    noise: (sigma) => Math.exp(sigma * Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())),
  };
  return draws;
}

/** FNV-1a over the purpose, begun from the seed. */
function mixed(seed: number, purpose: string): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let i = 0; i < purpose.length; i++) hash = Math.imul(hash ^ purpose.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}
