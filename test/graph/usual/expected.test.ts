import { describe, expect, test } from 'vitest';
import { durationClass } from '../../../graph/calendar/day-class.ts';
import { DEFAULT_CALENDAR } from '../../../graph/calendar/work-days.ts';
import type { Cycle } from '../../../graph/model.ts';
import {
  expectedOf,
  type Known,
  learn,
  limited,
  overLong,
  type PastDuration,
  spreadOf,
} from '../../../graph/usual/expected.ts';
import { quantile } from '../../../graph/usual/quantile.ts';

const MIN = 60_000;
const HOUR = 60 * MIN;

describe('quantiles', () => {
  test.each([
    [[7], 0.9, 7],
    [[0, 10], 0.5, 5],
    [[1, 2, 3, 4, 5], 0.5, 3],
    [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.9, 9],
    [[0, 100], 1, 100],
  ])('of %j at %d', (sorted, share, want) => {
    expect(quantile(sorted, share)).toBe(want);
  });
});

describe('outliers', () => {
  test('one night of a hung disk counts as the limit, not as it was', () => {
    const usual = [95, 98, 99, 100, 100, 101, 102, 105];
    const found = limited([...usual, 100_000]);
    // Median 100, half of all within 2: the limit is a tenth of the median.
    expect([...found]).toEqual([...usual, 110]);
  });

  test('what varies widely keeps its width', () => {
    const wide = [50, 70, 90, 100, 120, 140, 160];
    expect([...limited(wide)]).toEqual(wide);
  });

  test('two values are no series: neither is an outlier', () => {
    expect([...limited([1_000, 1])]).toEqual([1, 1_000]);
  });
});

const past = (ms: number, dayClass: string, lately = false): PastDuration => ({ ms, dayClass, lately });

describe('what a past tells', () => {
  test('all days, and each class of three runs or more beside others', () => {
    const { spreads } = learn([
      ...[60, 60, 60, 60].map((ms) => past(ms, 'workDay')),
      ...[20, 20, 20].map((ms) => past(ms, 'restDay')),
      ...[90, 90].map((ms) => past(ms, 'monthStart')),
    ]);
    expect([...spreads.keys()].sort()).toEqual(['', 'restDay', 'workDay']);
    expect(spreads.get('')).toMatchObject({ p50: 60, n: 9 });
    expect(spreads.get('restDay')).toEqual({ p10: 20, p50: 20, p90: 20, n: 3 });
    expect(learn([past(1, 'workDay'), past(1, 'workDay'), past(1, 'workDay')]).spreads.size).toBe(1);
  });

  test('the average of the last week, with the outliers of the whole series limited', () => {
    const usual = Array.from({ length: 20 }, () => past(100, 'workDay'));
    const week = [past(100, 'workDay', true), past(102, 'workDay', true), past(9_000, 'workDay', true)];
    expect(learn([...usual, ...week]).week).toEqual({ n: 3, ms: Math.round((100 + 102 + 110) / 3) });
    expect(learn(usual).week).toBeNull();
  });

  test('nothing of nothing', () => {
    expect(learn([])).toEqual({ spreads: new Map(), week: null });
    expect(spreadOf([])).toBeNull();
  });
});

describe('the expected duration comes from', () => {
  const of = (p50: number, n: number) => ({ p10: p50 / 2, p50, p90: p50 * 2, n });
  const all: Known = { sameClass: of(1, 3), own: of(2, 30), configuredMs: 3, alike: of(4, 50) };
  test.each<[string, Partial<Known>, number]>([
    ['class', {}, 1],
    ['own', { sameClass: null }, 2],
    ['own', { sameClass: of(1, 2) }, 2],
    ['configured', { sameClass: null, own: of(2, 2) }, 3],
    ['alike', { sameClass: null, own: of(2, 2), configuredMs: null }, 4],
    ['few', { sameClass: null, own: of(2, 2), configuredMs: null, alike: of(4, 2) }, 2],
    ['default', { sameClass: null, own: null, configuredMs: null, alike: null }, MIN],
  ])('%s', (origin, without, p50) => {
    expect(expectedOf({ ...all, ...without })).toMatchObject({ origin, p50 });
  });
});

describe('the class of a period', () => {
  test.each<[Cycle, string, string]>([
    ['day', '2026-11-01', 'monthStart'],
    ['day', '2026-11-03', 'monthStart'],
    ['day', '2026-11-04', 'workDay'],
    ['day', '2026-11-07', 'restDay'],
    ['day', '2026-11-30', 'monthEnd'],
    ['day', '2026-02-28', 'monthEnd'],
    ['hour', '2026110408', 'workDay 08'],
    ['hour', '2026110108', 'restDay 08'],
    ['month', '2026-09', 'quarterEnd'],
    ['month', '2026-10', 'otherMonth'],
  ])('%s %s is %s', (cycle, period, want) => {
    expect(durationClass(cycle, period, DEFAULT_CALENDAR)).toBe(want);
  });

  test('a holiday is a rest day, a make-up day is worked', () => {
    const calendar = { ...DEFAULT_CALENDAR, holidays: ['2026-10-05'], makeUpDays: ['2026-10-10'] };
    expect(durationClass('day', '2026-10-05', calendar)).toBe('restDay');
    expect(durationClass('day', '2026-10-10', calendar)).toBe('workDay');
  });
});

describe('a running flow runs too long', () => {
  test.each<[number, number | null, ReturnType<typeof overLong>]>([
    [HOUR, null, null],
    [HOUR + 1, null, 'hour'],
    [15 * MIN, 10 * MIN, null],
    [15 * MIN + 1, 10 * MIN, 'usual'],
    [2 * HOUR, 3 * HOUR, 'hour'],
    // Twice of next to nothing is nothing yet.
    [4_000, 2_000, null],
    [62_001, 2_000, 'usual'],
  ])('after %d ms of usually %s ms: %s', (elapsed, usual, want) => {
    expect(overLong(elapsed, usual)).toBe(want);
  });
});
