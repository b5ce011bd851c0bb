/** What is known of the schedules that could open a run, for the answer why it was not opened. Reading only. */
import { calendarOf } from '../graph/schedule.ts';
import type { ScheduleFacts } from '../graph/unopened.ts';
import { type CatalogueVersion, newestVersion } from './catalogue.ts';
import { pausedText } from './open-due.ts';
import type { Queryable } from './pool.ts';
import { listSchedules, slotsOfPeriod } from './schedules.ts';

/** The newest catalogue's schedules of a cycle with their decisions about one period; none without a catalogue. */
export async function readScheduleFacts(
  client: Queryable,
  versionOf: (version: number) => Promise<CatalogueVersion>,
  cycle: string,
  period: string,
): Promise<ScheduleFacts[]> {
  const version = await newestVersion(client);
  if (version === null) return [];
  const { frame } = await versionOf(version);
  const schedules = frame.schedules.filter((it) => it.cycle === cycle);
  if (schedules.length === 0) return [];
  const rows = new Map((await listSchedules(client)).map((row) => [row.id, row]));
  const slots = await slotsOfPeriod(
    client,
    schedules.map((it) => it.id),
    period,
  );
  return schedules.flatMap((schedule): ScheduleFacts[] => {
    const row = rows.get(schedule.id);
    if (row === undefined) return [];
    return [
      {
        schedule,
        calendar: calendarOf(schedule, frame.calendars),
        paused: row.paused ? pausedText(row) : null,
        decidedAt: row.decidedAt,
        slots: slots.filter((slot) => slot.schedule === schedule.id),
      },
    ];
  });
}
