import { describe, expect, test } from 'vitest';
import { periodSpan } from '../../../graph/calendar/calendar.ts';
import { DEFAULT_CALENDAR } from '../../../graph/calendar/work-days.ts';
import type { Cycle } from '../../../graph/model.ts';
import {
  type FlowTimes,
  type RunTimes,
  referenceTimeOf,
  usualEnd,
} from '../../../graph/usual/reference-time.ts';

const MIN = 60_000;
const HOUR = 60 * MIN;

const runOf = (cycle: Cycle, period: string): RunTimes => {
  const startAt = periodSpan(cycle, period, DEFAULT_CALENDAR.timeZone).startMs;
  return { cycle, period, startAt, openedAt: startAt + 24 * HOUR };
};
const flow = (given: Partial<FlowTimes> = {}): FlowTimes => ({
  flow: {},
  calendar: DEFAULT_CALENDAR,
  usual: null,
  deadline: 0,
  ...given,
});
const clock = (at: number): string => new Date(at + 8 * HOUR).toISOString().slice(0, 16);

describe('the usual end', () => {
  test('is the 90th percentile of the ends', () => {
    // 1 to 11 hours: nine tenths of the way from the first to the last.
    const hours = [7, 3, 11, 1, 10, 5, 2, 9, 8, 4, 6];
    expect(usualEnd(hours.map((hour) => hour * HOUR))).toEqual({ ms: 10 * HOUR, n: 11 });
  });

  test('takes seven periods, and no more than the latest thirty', () => {
    expect(usualEnd([1, 2, 3, 4, 5, 6])).toBeNull();
    expect(usualEnd([7, 7, 7, 7, 7, 7, 7])).toEqual({ ms: 7, n: 7 });
    const older = [...Array.from({ length: 30 }, () => HOUR), ...Array.from({ length: 30 }, () => 9 * HOUR)];
    expect(usualEnd(older)).toEqual({ ms: HOUR, n: 30 });
  });
});

describe('the reference time of a flow', () => {
  const day = runOf('day', '2026-11-22');
  const usual = { ms: 30 * HOUR, n: 12 };
  const deadline = day.startAt + 40 * HOUR;

  test('is the configured one before what was learned, that before the deadline', () => {
    const told = referenceTimeOf(day, flow({ flow: { referenceAt: '+1 day, 05:30' }, usual, deadline }))!;
    expect([clock(told.at), told.origin, told.n]).toEqual(['2026-11-23T05:30', 'configured', null]);
    const learned = referenceTimeOf(day, flow({ usual, deadline }))!;
    expect([clock(learned.at), learned.origin, learned.n]).toEqual(['2026-11-23T06:00', 'learned', 12]);
    expect(referenceTimeOf(day, flow({ deadline }))).toEqual({ at: deadline, origin: 'deadline', n: null });
    expect(referenceTimeOf(day, flow())).toBeNull();
  });

  test('of a month flow of which nothing is known is the end of the 7th', () => {
    const it = referenceTimeOf(runOf('month', '2026-10'), flow())!;
    expect([clock(it.at), it.origin]).toEqual(['2026-11-08T00:00', 'default']);
  });

  test('counts from the opening where the catalogue says so', () => {
    expect(referenceTimeOf(day, flow({ flow: { referenceAt: 'open + 20 min' } }))!.at).toBe(
      day.openedAt + 20 * MIN,
    );
  });
});
