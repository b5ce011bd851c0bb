/**
 * Creates, changes and removes Temporal's schedules until they are those of the newest catalogue version; it touches only ids with our
 * prefix. Every worker does it, and repeating it changes nothing. Temporal fires at the right moment, also after it was down; the record
 * decides what a firing means, pauses included (store/schedules/open-due.ts).
 */
import {
  type Client,
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  type ScheduleOptions,
  ScheduleOverlapPolicy,
} from '@temporalio/client';
import type pg from 'pg';
import type { Logger } from 'pino';
import { calendarOf, scheduleText } from '../graph/calendar/schedule.ts';
import { toLocal } from '../graph/calendar/time-zone.ts';
import type { Schedule } from '../graph/model.ts';
import { type CatalogueVersion, newestVersion } from '../store/catalogue/catalogue.ts';
import { keepSchedules } from '../store/catalogue/keep-schedules.ts';
import { openDue } from '../store/schedules/open-due.ts';
import { scheduleIds } from '../store/schedules/schedules.ts';
import { listen } from '../store/schema/listen.ts';
import { OPEN_WORKFLOW, type OpenInput, schedulePrefix } from '../workflows/messages.ts';

export interface ScheduleKeeperDeps {
  readonly pool: pg.Pool;
  readonly databaseUrl: string;
  readonly versionOf: (version: number) => Promise<CatalogueVersion>;
  readonly client: Client;
  readonly taskQueue: string;
  readonly logger: Logger;
}

/** Rest between two passes, ms: after it, a schedule that somebody removed at Temporal is made again, and what was not fired is opened. */
const EVERY_MS = 60_000;
/** Rest after a pass that failed, ms. */
const AGAIN_MS = 5_000;

/** Makes a pass now, whenever schedules change, and every minute, until the returned function is called. */
export async function startScheduleKeeper(deps: ScheduleKeeperDeps): Promise<() => Promise<void>> {
  const { databaseUrl, logger } = deps;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let pass: Promise<void> | undefined;
  let again = false;
  let kept: number | null = null;

  function look(): void {
    if (stopped) return;
    if (pass !== undefined) {
      again = true;
      return;
    }
    clearTimeout(timer);
    pass = (async () => {
      let next = EVERY_MS;
      try {
        kept = await keep(deps, kept);
      } catch (error) {
        logger.warn({ error }, 'could not update the schedules at Temporal; trying again in 5 seconds');
        kept = null;
        next = AGAIN_MS;
      }
      pass = undefined;
      if (stopped) return;
      timer = setTimeout(look, again ? 0 : next);
      again = false;
    })();
  }

  const stopListening = await listen(databaseUrl, ['sluice_schedules'], look, { log: logger });
  look();
  return async () => {
    stopped = true;
    clearTimeout(timer);
    await stopListening();
    await pass;
  };
}

/** One pass. Answers the catalogue version that Temporal's schedules have now; `kept` is the version that they had before, null = unknown. */
async function keep(deps: ScheduleKeeperDeps, kept: number | null): Promise<number | null> {
  const { pool, versionOf, client, taskQueue } = deps;
  const version = await newestVersion(pool);
  if (version === null) return null;
  const { frame } = await versionOf(version);
  const changed = version !== kept;
  // A version that was stored before the record kept schedules has no rows of them yet.
  if (changed) await addRows(pool, frame.schedules);
  const prefix = schedulePrefix(taskQueue);
  const there = new Set<string>();
  for await (const { scheduleId } of client.schedule.list())
    if (scheduleId.startsWith(prefix)) there.add(scheduleId);
  for (const schedule of frame.schedules) {
    const id = `${prefix}${schedule.id}`;
    const options = optionsOf(schedule, calendarOf(schedule, frame.calendars).timeZone, taskQueue);
    if (there.delete(id)) {
      if (changed) await client.schedule.getHandle(id).update(() => options);
    } else await create(client, id, options);
  }
  for (const id of there) await client.schedule.getHandle(id).delete().catch(ignore(ScheduleNotFoundError));
  // What became due while Temporal was down is opened now, not at the next firing.
  for (const schedule of frame.schedules) await openDue(deps, schedule.id);
  return version;
}

async function addRows(pool: pg.Pool, schedules: readonly Schedule[]): Promise<void> {
  const ids = new Set(await scheduleIds(pool));
  if (schedules.some(({ id }) => !ids.has(id)) || ids.size > schedules.length)
    await keepSchedules(pool, schedules);
}

async function create(client: Client, scheduleId: string, options: Options): Promise<void> {
  try {
    await client.schedule.create({ ...options, scheduleId });
  } catch (error) {
    // Another worker was quicker, or Temporal's list is not up to date.
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await client.schedule.getHandle(scheduleId).update(() => options);
  }
}

const ignore =
  (kind: new (...args: never[]) => Error) =>
  (error: unknown): void => {
    if (!(error instanceof kind)) throw error;
  };

type Options = Omit<ScheduleOptions, 'scheduleId' | 'action' | 'state'> & {
  action: Extract<ScheduleOptions['action'], { type: 'startWorkflow' }>;
  state: { note: string; paused: boolean };
};

/** A schedule as Temporal is to have it. Pause, note and policies of Temporal are set as well; the record keeps the pauses that count. */
export function optionsOf(schedule: Schedule, timezone: string, taskQueue: string): Options {
  const minute = Number(schedule.at.slice(3));
  const hour = Number(schedule.at.slice(0, 2));
  const input: OpenInput = { schedule: schedule.id };
  return {
    spec: {
      calendars:
        schedule.cycle === 'hour'
          ? [{ minute, hour: '*' }]
          : [{ minute, hour }, ...(hasSummerTime(timezone) ? [{ minute, hour: (hour + 1) % 24 }] : [])],
      timezone,
    },
    action: {
      type: 'startWorkflow',
      workflowType: OPEN_WORKFLOW,
      args: [input],
      taskQueue,
      workflowId: `${taskQueue}/open/${schedule.id}`,
    },
    policies: {
      // A firing decides everything that is due. So while one is carried out, one more that waits is enough for all that come. Temporal makes up
      // for a year of missed firings: how late is too late is a rule of the schedule (`catchUpMs`).
      overlap: ScheduleOverlapPolicy.BUFFER_ONE,
      catchupWindow: '365 days',
    },
    state: { note: scheduleText(schedule).en, paused: false },
  };
}

/**
 * Whether the zone has summer time. Temporal does not fire at a local time that the clock skips, so there a schedule also fires an hour later: on
 * that day this firing opens the run, on every other day it finds nothing due.
 */
function hasSummerTime(timezone: string): boolean {
  const year = new Date().getUTCFullYear();
  const offsets = [0, 3, 6, 9].map(
    (month) => toLocal(timezone, Date.UTC(year, month)) - Date.UTC(year, month),
  );
  return new Set(offsets).size > 1;
}
