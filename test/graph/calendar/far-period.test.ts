/** Periods far ahead are confirmed, and change nobody's default. */
import { expect, test } from 'vitest';
import { cycleOf, isPeriod } from '../../../graph/calendar/calendar.ts';
import { horizonOf, newestMeant, requireNear } from '../../../graph/calendar/far-period.ts';

const NOW = Date.UTC(2026, 10, 30, 17);
const ask = (period: string, confirmed = false, zone = 'Asia/Shanghai') => {
  const cycle = cycleOf(period);
  return () => requireNear({ cycle, period, confirmed }, NOW, zone);
};

test('a period more than 40 years ahead has to be confirmed', () => {
  expect(horizonOf('month', NOW, 'Asia/Shanghai')).toBe('2066-12');
  // It is December in China already.
  expect(horizonOf('month', NOW, 'Europe/Berlin')).toBe('2066-11');
  for (const period of ['1999-01', '2026-11', '2047-01', '2066-12', '2066-12-01'])
    expect(ask(period)).not.toThrow();
  for (const period of ['2067-01', '2126-10', '8999-12', '2066-12-02', '2066120102'])
    expect(ask(period)).toThrow(expect.objectContaining({ code: 'far_period' }));
  expect(ask('8999-12', true)).not.toThrow();
});

test.each([
  '9999-12',
  '9000-01',
  '10000-01',
  '0000-01',
  '-001-01',
  '1899-12',
  '2026-13',
  '2026-00',
  '2026-02-30',
  '2100-02-29',
  '2026-11-31',
  '2026112224',
  '2026113100',
  '99991231',
])('%s is no period', (text) => {
  expect(() => cycleOf(text)).toThrow(expect.objectContaining({ code: 'invalid_period' }));
});

test('days that exist are periods', () => {
  expect(['2028-02-29', '2000-02-29', '2016-12-31'].map((day) => isPeriod('day', day))).toEqual([
    true,
    true,
    true,
  ]);
});

test('the newest may be the period after the present, and none beyond', () => {
  expect(newestMeant('month', NOW, 'Asia/Shanghai')).toBe('2027-01');
  expect(newestMeant('day', NOW, 'Asia/Shanghai')).toBe('2026-12-02');
  expect(newestMeant('hour', NOW, 'Asia/Shanghai')).toBe('2026120102');
});
