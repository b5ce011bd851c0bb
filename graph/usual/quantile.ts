/** Quantiles of measured values. Pure. */

/** The quantile at `share` (0 to 1) of an ascending list that is not empty: interpolated (Hyndman and Fan, type 7). O(1). */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const place = (sorted.length - 1) * share;
  const below = Math.floor(place);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (place - below);
}
