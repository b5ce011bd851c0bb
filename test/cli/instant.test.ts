import { afterEach, expect, test } from 'vitest';
import { newestOf } from '../../cli/session.ts';
import { dateTime, instant, time, useZone, zoneInUse } from '../../cli/text/instant.ts';

afterEach(() => useZone('UTC'));

test.each([
  ['Asia/Shanghai', '2026-12-01 00:30:07+08'],
  ['Europe/Berlin', '2026-11-30 17:30:07+01'],
  ['Asia/Kathmandu', '2026-11-30 22:15:07+05:45'],
  ['America/St_Johns', '2026-11-30 13:00:07-03:30'],
  ['UTC', '2026-11-30 16:30:07+00'],
])('a time is written in the zone that the API told, with its offset: %s', (zone, want) => {
  const at = Date.UTC(2026, 10, 30, 16, 30, 7, 999);
  useZone(zone);
  expect([instant(at), time(at), dateTime(at)]).toEqual([want, want.slice(11), want.slice(0, 19)]);
});

test('the two hours of an end of summer time differ by their offsets', () => {
  useZone('Europe/Berlin');
  const first = Date.UTC(2026, 9, 25, 0, 30);
  expect([instant(first), instant(first + 3_600_000)]).toEqual([
    '2026-10-25 02:30:00+02',
    '2026-10-25 02:30:00+01',
  ]);
});

test('a zone that this machine does not know, or none, changes nothing', () => {
  useZone('Asia/Shanghai');
  useZone('Mars/Olympus');
  useZone(null);
  expect(zoneInUse()).toBe('Asia/Shanghai');
  expect(instant(0)).toBe('-');
});

test('the newest run is none that lies far ahead, while there is another', () => {
  const now = Date.UTC(2026, 10, 30);
  const runs = (...periods: string[]) => periods.map((period) => ({ period }));
  expect(newestOf(runs('2026-10', '8999-12', '2026-11'), now)?.period).toBe('2026-11');
  expect(newestOf(runs('2026-12', '2027-02', '2026-10'), now)?.period).toBe('2026-12');
  expect(newestOf(runs('2047-01', '2048-01'), now)?.period).toBe('2048-01');
  expect(newestOf([], now)).toBeUndefined();
});
