/** Schedules: listed with what they open next, paused, resumed, and triggered by hand whatever the calendar says. */

import { KeyHeader } from '../../contract/operations.ts';
import { RunDetail } from '../../contract/runs.ts';
import {
  type Schedule,
  ScheduleDetail,
  ScheduleList,
  ScheduleParams,
  type Slot,
  SteerSchedule,
  TriggerSchedule,
} from '../../contract/schedules.ts';
import { SluiceError, unknown } from '../../errors.ts';
import { formatPeriod, shiftPeriod } from '../../graph/calendar/calendar.ts';
import { dateTimeOf } from '../../graph/calendar/clock-time.ts';
import { calendarOf, nextOpenings, scheduleText } from '../../graph/calendar/schedule.ts';
import { toLocal } from '../../graph/calendar/time-zone.ts';
import { unknownHolidays } from '../../graph/catalogue/schedule-check.ts';
import type { Schedule as Definition } from '../../graph/model.ts';
import { newestCatalogue } from '../../services/catalogue/newest-catalogue.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import { authorise } from '../../services/operations/actor-scope.ts';
import { openOnce } from '../../services/operations/open-once.ts';
import { suggestNames } from '../../services/suggest-names.ts';
import type { CatalogueVersion } from '../../store/catalogue/catalogue.ts';
import { readClock } from '../../store/record/snapshot.ts';
import {
  lastSlots,
  listSchedules,
  noteTrigger,
  type ScheduleRow,
  type SlotRow,
  setPaused,
} from '../../store/schedules/schedules.ts';
import type { Api } from '../instance.ts';
import { detailOf } from './runs.ts';

const tags = ['schedules'];
/** Number of openings to come that are shown. */
const NEXT = 3;
/** Maximum number of slots that are shown with a schedule. */
const SHOWN_SLOTS = 100;

export function scheduleRoutes(app: Api, deps: ServiceDeps): void {
  app.route({
    method: 'GET',
    url: '/schedules',
    config: { permission: 'read' },
    schema: { tags, response: { 200: ScheduleList } },
    handler: async () => {
      const all = await readAll(deps);
      if (all === null) return { items: [], unknownHolidays: [] };
      const { version, rows, now } = all;
      const gaps = unknownHolidays(version.frame, version.flows.values(), now);
      const slots = await lastSlots(deps.pool, [...rows.keys()], SHOWN_SLOTS);
      return {
        items: version.frame.schedules.flatMap((schedule) => {
          const row = rows.get(schedule.id);
          return row === undefined
            ? []
            : [toScheduleResponse({ version, definition: schedule, row, now }, slots)];
        }),
        unknownHolidays: gaps,
      };
    },
  });

  app.route({
    method: 'GET',
    url: '/schedules/:schedule',
    config: { permission: 'read' },
    schema: { tags, params: ScheduleParams, response: { 200: ScheduleDetail } },
    handler: async (request) => detail(deps, request.params.schedule),
  });

  for (const verb of ['pause', 'resume'] as const)
    app.route({
      method: 'POST',
      url: `/schedules/:schedule/${verb}`,
      config: { permission: 'operate', verb: `${verb}-schedule` },
      schema: { tags, params: ScheduleParams, body: SteerSchedule, response: { 200: ScheduleDetail } },
      handler: async (request) => {
        const { schedule } = request.params;
        const reason = request.body.reason.trim();
        if (verb === 'pause' && reason === '')
          throw new SluiceError('reason_required', `${verb} needs a reason`, { facts: { verb } });
        authorise(request.actor!, `${verb}-schedule`, null);
        await find(deps, schedule);
        await setPaused(deps.pool, schedule, verb === 'pause', { actor: request.actor!.name, reason });
        return detail(deps, schedule);
      },
    });

  app.route({
    method: 'POST',
    url: '/schedules/:schedule/trigger',
    config: { permission: 'operate', verb: 'trigger-schedule' },
    schema: {
      tags,
      params: ScheduleParams,
      headers: KeyHeader,
      body: TriggerSchedule,
      response: { 202: RunDetail },
    },
    handler: async (request, reply) => {
      const actor = request.actor!;
      const reason = request.body.reason.trim();
      if (reason === '')
        throw new SluiceError('reason_required', 'trigger needs a reason', { facts: { verb: 'trigger' } });
      authorise(actor, 'trigger-schedule', null);
      const { definition, version, now } = await find(deps, request.params.schedule);
      const { id, cycle, procedures } = definition;
      const { timeZone } = calendarOf(definition, version.frame.calendars);
      const here = formatPeriod(cycle, toLocal(timeZone, now));
      const period = request.body.period ?? shiftPeriod(cycle, here, definition.period === 'same' ? 0 : -1);
      const asked = { cycle, period, purpose: 'scheduled' as const, ...(procedures && { procedures }) };
      const run = await openOnce(deps, actor, {
        asked,
        key: request.headers['idempotency-key'],
        also: (client, opened) =>
          noteTrigger(client, { schedule: id, period, run: opened, actor: actor.name, reason }),
      });
      return reply
        .status(202)
        .header('location', `/api/v1/runs/${run}`)
        .send(await detailOf(deps, run));
    },
  });
}

interface Known {
  readonly version: CatalogueVersion;
  readonly rows: ReadonlyMap<string, ScheduleRow>;
  readonly now: number;
}

async function readAll(deps: ServiceDeps): Promise<Known | null> {
  const version = await newestCatalogue(deps);
  if (version === null) return null;
  const rows = new Map((await listSchedules(deps.pool)).map((row) => [row.id, row]));
  return { version, rows, now: await readClock(deps.pool) };
}

interface FoundSchedule {
  readonly version: CatalogueVersion;
  readonly definition: Definition;
  readonly row: ScheduleRow;
  readonly now: number;
}

/** Throws `unknown_schedule`. */
async function find(deps: ServiceDeps, id: string): Promise<FoundSchedule> {
  const all = await readAll(deps);
  const definition = all?.version.frame.schedules.find((schedule) => schedule.id === id);
  const row = all?.rows.get(id);
  if (all === null || definition === undefined || row === undefined)
    throw unknown(
      'unknown_schedule',
      `there is no schedule ${id}`,
      { schedule: id },
      suggestNames(id, all?.rows.keys() ?? []),
    );
  return { ...all, definition, row };
}

async function detail(deps: ServiceDeps, id: string): Promise<ScheduleDetail> {
  const found = await find(deps, id);
  const slots = await lastSlots(deps.pool, [id], SHOWN_SLOTS);
  return { ...toScheduleResponse(found, slots), slots: slots.map(toSlotResponse) };
}

/** Decisions that `last` leaves out: the rule of the schedule opens nothing on these days. */
const IDLE: readonly string[] = ['not_its_day'];

function toScheduleResponse(
  { version, definition: schedule, row, now }: FoundSchedule,
  slots: readonly SlotRow[],
): Schedule {
  const calendar = calendarOf(schedule, version.frame.calendars);
  const own = slots.filter((slot) => slot.schedule === schedule.id);
  const last = own.find((slot) => !IDLE.includes(slot.decision));
  return {
    id: schedule.id,
    names: schedule.names ?? null,
    cycle: schedule.cycle,
    text: { ...scheduleText(schedule) },
    calendar: schedule.calendar ?? null,
    timeZone: calendar.timeZone,
    overlap: schedule.overlap,
    procedures: schedule.procedures ?? null,
    paused: row.paused,
    changedBy: row.changedBy,
    changedAt: row.changedAt,
    reason: row.reason,
    next: nextOpenings(schedule, calendar, now, NEXT).map(({ at, period }) => ({
      at,
      local: dateTimeOf(calendar.timeZone, at).slice(0, 16),
      period,
    })),
    last: last === undefined ? null : toSlotResponse(last),
    lastLook: own[0] === undefined ? null : toSlotResponse(own[0]),
  };
}

function toSlotResponse({ slot, period, decision, run, text, until, decidedAt, actor }: SlotRow): Slot {
  return { at: slot, period, decision, run, text: { ...text }, until, decidedAt, actor };
}
