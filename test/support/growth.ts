/** Tests of cost without a clock: how cost grows with the number of flows, measured on both sizes in one run. */

/**
 * Highest ratio that passes as linear growth when the input is ten times as large. Linear work gives about 10, up to 20 when the larger input
 * no longer fits into the processor's caches; quadratic work gives 100.
 */
export const LINEAR_FOR_TEN_TIMES = 40;

/**
 * How many times as much processor time `large` takes as `small`. Both run in turn, and the cheapest of `times` runs of each counts, so a slow
 * or busy machine changes both sides alike. The first run of each compiles and is not counted.
 */
export function costRatio(small: () => unknown, large: () => unknown, times = 5): number {
  const cheapest = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let i = 0; i <= times; i++)
    [small, large].forEach((work, side) => {
      const before = process.cpuUsage();
      work();
      const { user, system } = process.cpuUsage(before);
      if (i > 0) cheapest[side] = Math.min(cheapest[side]!, user + system);
    });
  // Work of less than 100 microseconds is not told from the measuring.
  return cheapest[1]! / Math.max(100, cheapest[0]!);
}
