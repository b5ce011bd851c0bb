/** Quantiles of what was measured. Pure. */

/** Between the two nearest values in proportion (Hyndman and Fan, type 7); `sorted` ascending and not empty, `share` 0 to 1. O(1). */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const place = (sorted.length - 1) * share;
  const below = Math.floor(place);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (place - below);
}
