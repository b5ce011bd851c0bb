/** Reads the schedules that open the runs of some periods, and what they have decided, so that `why` can say why a run was not opened. */

import { calendarOf } from '../../graph/calendar/schedule.ts';
import type { Cycle } from '../../graph/model.ts';
import type { ScheduleFacts } from '../../graph/why/unopened.ts';
import { type CatalogueVersion, newestVersion } from '../catalogue/catalogue.ts';
import type { Queryable } from '../schema/pool.ts';
import { pausedText } from './open-due.ts';
import { listSchedules, slotsOfPeriods } from './schedules.ts';

/**
 * For each period: the schedules of its cycle in the newest catalogue, each with its pause and with the slots in which it decided about the
 * period. Empty when there is no catalogue or no such schedule. Three queries, whatever the number of periods.
 */
export async function readScheduleFacts(
  client: Queryable,
  versionOf: (version: number) => Promise<CatalogueVersion>,
  cycle: Cycle,
  periods: readonly string[],
): Promise<Map<string, ScheduleFacts[]>> {
  const version = await newestVersion(client);
  if (version === null) return new Map();
  const { frame } = await versionOf(version);
  const schedules = frame.schedules.filter((schedule) => schedule.cycle === cycle);
  if (schedules.length === 0) return new Map();
  const ids = schedules.map((schedule) => schedule.id);
  const [listed, slots] = await Promise.all([
    listSchedules(client),
    slotsOfPeriods(client, ids, [...new Set(periods)]),
  ]);
  const rows = new Map(listed.map((row) => [row.id, row]));
  const factsOf = (period: string): ScheduleFacts[] =>
    schedules.flatMap((schedule): ScheduleFacts[] => {
      const row = rows.get(schedule.id);
      if (row === undefined) return [];
      return [
        {
          schedule,
          calendar: calendarOf(schedule, frame.calendars),
          paused: row.paused ? pausedText(row) : null,
          decidedAt: row.decidedAt,
          slots: slots.filter((slot) => slot.schedule === schedule.id && slot.period === period),
        },
      ];
    });
  return new Map(periods.map((period) => [period, factsOf(period)]));
}
