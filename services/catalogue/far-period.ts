/** A request for a period far ahead must confirm it (graph/calendar/far-period.ts). */
import { isPeriod } from '../../graph/calendar/calendar.ts';
import { requireNear } from '../../graph/calendar/far-period.ts';
import { DEFAULT_CALENDAR } from '../../graph/calendar/work-days.ts';
import type { Cycle } from '../../graph/model.ts';
import { readClock } from '../../store/record/snapshot.ts';
import type { ServiceDeps } from '../deps.ts';
import { newestCatalogue } from './newest-catalogue.ts';

/** Throws `far_period`. Text that is not a period is refused elsewhere. */
export async function requireConfirmed(
  deps: Pick<ServiceDeps, 'pool' | 'versionOf'>,
  {
    cycle,
    period,
    far,
  }: { readonly cycle: Cycle; readonly period: string; readonly far?: boolean | undefined },
): Promise<void> {
  if (!isPeriod(cycle, period)) return;
  const [now, catalogue] = await Promise.all([readClock(deps.pool), newestCatalogue(deps)]);
  const { timeZone } = catalogue?.frame.calendars[0] ?? DEFAULT_CALENDAR;
  requireNear({ cycle, period, confirmed: far === true }, now, timeZone);
}
