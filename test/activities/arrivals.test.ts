/** Coordinators that wait inside their task hear of their log by the worker (decision 0014). */
import { describe, expect, test } from 'vitest';
import { Arrivals } from '../../activities/arrivals.ts';

/** A wait in ms that only a failed test reaches. */
const LONG_MS = 30_000;

describe('a coordinator that waits', () => {
  test('is reported at once, and then needs no signal', async () => {
    const arrivals = new Arrivals(2);
    arrivals.looking('r');
    const waiting = arrivals.wait('r', LONG_MS, 0);
    expect(arrivals.came('r')).toBe(true);
    expect(await waiting).toBe(true);
    // Nobody waits any more: what comes from now on needs a signal.
    expect(arrivals.came('r')).toBe(false);
    expect([arrivals.knows('r'), arrivals.knows('of another worker')]).toEqual([true, false]);
  });

  test('need not wait when something came between its look and its waiting', async () => {
    const arrivals = new Arrivals(2);
    arrivals.looking('r');
    expect(arrivals.came('r')).toBe(false);
    expect(await arrivals.wait('r', LONG_MS, 0)).toBe(true);
    // What it has looked at since is not news.
    arrivals.looking('r');
    expect(await arrivals.wait('r', 1, 0)).toBe(false);
  });

  test('goes to sleep when nothing comes, and then needs a signal', async () => {
    const arrivals = new Arrivals(2);
    arrivals.looking('r');
    expect(await arrivals.wait('r', 1, 0)).toBe(false);
    expect(arrivals.came('r')).toBe(false);
  });

  test('hears when a moment of the record’s clock has come, as its last exchange showed that clock', async () => {
    const arrivals = new Arrivals(2);
    arrivals.looking('r');
    arrivals.clock('r', 5_000_000);
    const begun = performance.now();
    expect(await arrivals.wait('r', LONG_MS, 0, 5_000_040)).toBe(true);
    expect(performance.now() - begun).toBeGreaterThanOrEqual(39);
    // Passed already; and nothing is known of the clock: a look tells.
    expect(await arrivals.wait('r', LONG_MS, 0, 4_000_000)).toBe(true);
    expect(await arrivals.wait('s', LONG_MS, 0, 9_000_000)).toBe(true);
  });

  test('hears of what comes before the moment that it waits for', async () => {
    const arrivals = new Arrivals(2);
    arrivals.looking('r');
    arrivals.clock('r', 0);
    const waiting = arrivals.wait('r', 1_000, 0, 1_000);
    expect(arrivals.came('r')).toBe(true);
    expect(await waiting).toBe(true);
    const first = arrivals.wait('s', LONG_MS, 0);
    const second = arrivals.wait('s', LONG_MS, 0, 1);
    expect([await first, await second]).toEqual([false, true]);
  });

  test('hears of its own run only', async () => {
    const arrivals = new Arrivals(2);
    arrivals.looking('r');
    const waiting = arrivals.wait('r', 20, 0);
    expect(arrivals.came('other')).toBe(false);
    expect(await waiting).toBe(false);
  });

  test('gives up for one that comes after it: its task was given up', async () => {
    const arrivals = new Arrivals(2);
    const first = arrivals.wait('r', LONG_MS, 0);
    const second = arrivals.wait('r', LONG_MS, 0);
    expect(await first).toBe(false);
    expect(arrivals.came('r')).toBe(true);
    expect(await second).toBe(true);
  });

  test('is sent to sleep when as many wait as may: the tasks of the worker are for all runs', async () => {
    const arrivals = new Arrivals(2);
    const first = arrivals.wait('r', LONG_MS, 0);
    const second = arrivals.wait('s', LONG_MS, 0);
    expect(await arrivals.wait('t', LONG_MS, 0)).toBe(false);
    // What is there need not be waited for.
    arrivals.looking('t');
    arrivals.came('t');
    expect(await arrivals.wait('t', LONG_MS, 0)).toBe(true);
    arrivals.came('r');
    expect(await first).toBe(true);
    arrivals.looking('t');
    const third = arrivals.wait('t', LONG_MS, 0);
    expect(arrivals.came('t')).toBe(true);
    arrivals.came('s');
    expect(await Promise.all([second, third])).toEqual([true, true]);
  });

  test('leaves time for more after the first: what comes together is read together', async () => {
    const arrivals = new Arrivals(2);
    arrivals.looking('r');
    const waiting = arrivals.wait('r', LONG_MS, 60);
    const begun = performance.now();
    expect(arrivals.came('r')).toBe(true);
    await Promise.resolve();
    // It has not looked yet: what comes now will be found as well.
    expect(arrivals.came('r')).toBe(true);
    expect(await waiting).toBe(true);
    // Timers of Node may be a millisecond early.
    expect(performance.now() - begun).toBeGreaterThanOrEqual(58);
  });
});
