/** Why runs were not opened, read for all of them together. */

import { beginningOf } from '../../graph/calendar/beginning.ts';
import { parseRunId } from '../../graph/calendar/calendar.ts';
import type { Cycle } from '../../graph/model.ts';
import { absentRun } from '../../graph/why/absent.ts';
import type { Cause } from '../../graph/why/cause.ts';
import type { ScheduleFacts } from '../../graph/why/unopened.ts';
import { runsNotOpened } from '../../store/history/runs.ts';
import { readTurns } from '../../store/schedules/backfills.ts';
import { readScheduleFacts } from '../../store/schedules/schedule-facts.ts';
import { displayZone } from '../catalogue/display-zone.ts';
import { newestCatalogue } from '../catalogue/newest-catalogue.ts';
import type { ServiceDeps } from '../deps.ts';

export interface UnopenedRun {
  /** The cause of the run as a whole; its chain is empty. */
  readonly cause: Cause;
  readonly now: number;
}

/**
 * Those of `runs` that are not in the record, each with the reason; ids that no run can have are left out. One query when all exist,
 * otherwise at most five for each cycle: a flow may wait for every hour of a day and every day of a month.
 */
export async function unopenedRuns(
  deps: Pick<ServiceDeps, 'pool' | 'versionOf'>,
  runs: readonly string[],
): Promise<Map<string, UnopenedRun>> {
  const { pool, versionOf } = deps;
  const missing = await runsNotOpened(pool, runs);
  const now = missing[0]?.now ?? 0;
  const keys = missing.flatMap(({ id }) => {
    const key = parseRunId(id);
    return key === null ? [] : [{ id, ...key }];
  });
  const scheduled = keys.filter((key) => key.purpose === 'scheduled');
  const cycles = [...new Set(scheduled.map((entry) => entry.cycle))];
  const [turns, ...facts] = await Promise.all([
    // Rehearsals and backfills are opened by no schedule.
    readTurns(
      pool,
      keys.filter((key) => key.purpose !== 'scheduled').map((key) => key.id),
    ),
    ...cycles.map((cycle) =>
      readScheduleFacts(
        pool,
        versionOf,
        cycle,
        scheduled.filter((entry) => entry.cycle === cycle).map((entry) => entry.period),
      ),
    ),
  ]);
  const [begins, zone] = await Promise.all([beginnings(deps, cycles), displayZone(deps)]);
  const schedulesOf = ({ cycle, period }: (typeof keys)[number]): readonly ScheduleFacts[] =>
    facts[cycles.indexOf(cycle)]?.get(period) ?? [];
  return new Map(
    keys.map((key) => {
      const run = {
        id: key.id,
        key,
        schedules: schedulesOf(key),
        backfill: turns.get(key.id) ?? null,
        begins: begins(key.cycle),
        timeZone: zone,
      };
      return [key.id, { cause: absentRun(run, null, now), now }];
    }),
  );
}

/** The first period of each cycle by the newest catalogue; null: all periods exist, or there is no catalogue. */
async function beginnings(
  deps: Pick<ServiceDeps, 'pool' | 'versionOf'>,
  cycles: readonly Cycle[],
): Promise<(cycle: Cycle) => string | null> {
  const newest = cycles.length === 0 ? null : await newestCatalogue(deps);
  return (cycle) => (newest === null ? null : beginningOf(newest.frame, cycle));
}
