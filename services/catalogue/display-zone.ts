/**
 * The time zone in which clock times are written for people, and which is named beside them: that of the first calendar of the newest
 * catalogue; without a calendar, China's.
 */
import { dateTimeOf } from '../../graph/calendar/clock-time.ts';
import { DEFAULT_CALENDAR } from '../../graph/calendar/work-days.ts';
import type { ServiceDeps } from '../deps.ts';
import { newestCatalogue } from './newest-catalogue.ts';

export async function displayZone(deps: Pick<ServiceDeps, 'pool' | 'versionOf'>): Promise<string> {
  const catalogue = await newestCatalogue(deps);
  return (catalogue?.frame.calendars[0] ?? DEFAULT_CALENDAR).timeZone;
}

/** `2026-11-22 02:10:33 Asia/Shanghai`, for sentences. */
export async function writtenInstant(
  deps: Pick<ServiceDeps, 'pool' | 'versionOf'>,
  at: number,
): Promise<string> {
  const zone = await displayZone(deps);
  return `${dateTimeOf(zone, at)} ${zone}`;
}
