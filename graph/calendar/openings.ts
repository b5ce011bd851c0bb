/**
 * Which periods are opened (protocol D10): those that a schedule opens by itself, paused or not; a period that a blackout leaves out for good
 * (`skip`) is not. A schedule covers the flows of its cycle, or those of its procedures. What no schedule covers has every period: people
 * open it. `previous`, negative offsets, `everyDayOfMonth` and `everyHourOfDay` lead among these periods only. Pure; not for workflow code:
 * a run's edges are resolved when it is opened (graph/run/foreign-runs.ts). docs/decisions/0020.
 */

import type { Cycle, PeriodMapping, Schedule } from '../model.ts';
import {
  addMonths,
  formatPeriod,
  leadsAmongOpened,
  mapPeriod,
  mappedCycle,
  periodStartLocal,
  shiftOf,
} from './calendar.ts';
import { calendarOf, opensPeriod, type Timetable, timetable } from './schedule.ts';
import { toInstant, zoneOffsetMs } from './time-zone.ts';
import type { BusinessCalendar } from './work-days.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Periods are kept and looked through in pages: the days of a month, the hours of a day, the months of a year. */
const PAGE: Record<Cycle, Cycle | 'year'> = { hour: 'day', day: 'month', month: 'year' };
/** Number of pages without any opened period after which a search gives up: ten years. */
const EMPTY_PAGES: Record<Cycle, number> = { hour: 3_653, day: 120, month: 10 };
/** Pages kept in memory of one set of schedules: 27 years of hours. Beyond it they are made again. */
const KEPT_PAGES = 10_000;
/** Outside of these years nothing is opened: periods go from 1900 to 8999, and a schedule looks a period ahead. */
const FIRST = Date.UTC(1901, 0, 1);
const LAST = Date.UTC(8998, 11, 31);

type Page = readonly string[];

/** A set of schedules of one cycle, by id; as `covering` and `ofCycle` answer it. null stands for every period. */
export type Openers = readonly string[];

export class Openings {
  readonly #schedules: readonly Schedule[];
  readonly #tables: ReadonlyMap<string, Timetable>;
  /** One array per set, so that pages are found by it. */
  readonly #sets = new Map<string, Openers>();
  readonly #pages = new WeakMap<Openers, Map<number, Page>>();

  constructor(frame: {
    readonly schedules: readonly Schedule[];
    readonly calendars: readonly (BusinessCalendar & { readonly id: string })[];
  }) {
    this.#schedules = frame.schedules;
    this.#tables = new Map(
      frame.schedules.map((schedule) => [
        schedule.id,
        timetable(schedule, calendarOf(schedule, frame.calendars)),
      ]),
    );
  }

  /** The schedules that open a flow of a cycle and procedure; null: none does, so every period counts. O(schedules) once for each pair. */
  covering(cycle: Cycle, procedure: string | null | undefined): Openers | null {
    return this.#set(
      `${cycle} ${procedure ?? ''}`,
      ({ procedures }) => procedures === undefined || procedures.includes(procedure ?? ''),
      cycle,
    );
  }

  /** The schedules of a cycle, whatever they open; null: there is none, so every period counts. */
  ofCycle(cycle: Cycle): Openers | null {
    return this.#set(`${cycle} *`, () => true, cycle);
  }

  /** Whether one of the schedules opens the period. */
  opens(by: Openers, cycle: Cycle, period: string): boolean {
    return this.#page(by, cycle, pageOf(cycle, period)).includes(period);
  }

  /**
   * The `n`th opened period before one (after it when negative), which need not be opened itself; null when ten years without an opened one
   * are met on the way. O(n) once the pages on the way are known; ten empty years cost 120 months of days, or 3,653 days of hours.
   */
  shifted(by: Openers, cycle: Cycle, period: string, n: number): string | null {
    const back = n > 0;
    let left = Math.abs(n);
    let empty = 0;
    for (let at = pageOf(cycle, period); ; at = turn(cycle, at, back ? -1 : 1)) {
      if (back ? at < FIRST : at > LAST) return null;
      const page = this.#page(by, cycle, at);
      const beside = back ? page.filter((entry) => entry < period) : page.filter((entry) => entry > period);
      if (left <= beside.length) return (back ? beside.at(-left) : beside[left - 1])!;
      left -= beside.length;
      empty = page.length === 0 ? empty + 1 : 0;
      if (empty > EMPTY_PAGES[cycle]) return null;
    }
  }

  /**
   * As `mapPeriod`, among opened periods. Where schedules have opened nothing for ten years a backward mapping is the plain one: nobody is
   * let go on for want of a run, and the check of the catalogue names the edge.
   */
  map(
    by: Openers,
    mapping: PeriodMapping,
    { cycle, period }: { readonly cycle: Cycle; readonly period: string },
    target?: Cycle,
  ): string[] {
    const to = target ?? mappedCycle(mapping, cycle);
    const plain = mapPeriod(mapping, cycle, period, target);
    if (!leadsAmongOpened(mapping)) return plain;
    const shift = shiftOf(mapping);
    if (shift === null) return plain.filter((entry) => this.opens(by, to, entry));
    const holder = formatPeriod(to, periodStartLocal(cycle, period));
    const found = this.shifted(by, to, holder, -shift);
    return found === null ? plain : [found];
  }

  #set(key: string, covers: (schedule: Schedule) => boolean, cycle: Cycle): Openers | null {
    let known = this.#sets.get(key);
    if (known === undefined) {
      const ids = this.#schedules
        .filter((schedule) => schedule.cycle === cycle && covers(schedule))
        .map(({ id }) => id);
      const name = `= ${ids.join(' ')}`;
      known = this.#sets.get(name) ?? ids;
      this.#sets.set(name, known).set(key, known);
    }
    return known.length === 0 ? null : known;
  }

  /** Opened periods of the page that begins at a clock face, ascending. */
  #page(by: Openers, cycle: Cycle, start: number): Page {
    let pages = this.#pages.get(by);
    if (pages === undefined || pages.size > KEPT_PAGES) {
      pages = new Map();
      this.#pages.set(by, pages);
    }
    let page = pages.get(start);
    if (page === undefined) {
      page = start < FIRST || start > LAST ? [] : this.#read(by, cycle, start);
      pages.set(start, page);
    }
    return page;
  }

  #read(by: Openers, cycle: Cycle, start: number): Page {
    const end = turn(cycle, start, 1);
    const tables = by.flatMap((id) => {
      const table = this.#tables.get(id);
      return table === undefined || isDark(table, start, end)
        ? []
        : [{ table, at: clockOf(table, start, end) }];
    });
    const page: string[] = [];
    if (tables.length === 0) return page;
    for (let face = start; face < end; face = cycle === 'month' ? addMonths(face, 1) : face + stepOf(cycle)) {
      const period = formatPeriod(cycle, face);
      if (tables.some(({ table, at }) => opensPeriod(table, period, at))) page.push(period);
    }
    return page;
  }
}

const stepOf = (cycle: Cycle): number => (cycle === 'hour' ? HOUR_MS : DAY_MS);

/** First clock face of the page that holds a period. */
function pageOf(cycle: Cycle, period: string): number {
  const start = periodStartLocal(cycle, period);
  const page = PAGE[cycle];
  if (page === 'year') return Date.UTC(new Date(start).getUTCFullYear(), 0, 1);
  return periodStartLocal(page, formatPeriod(page, start));
}

/** The page `n` further. */
function turn(cycle: Cycle, start: number, n: number): number {
  if (cycle === 'hour') return start + n * DAY_MS;
  return addMonths(start, cycle === 'day' ? n : 12 * n);
}

/** Whether one blackout leaves out everything that could be opened for the periods of a page. */
function isDark({ dark }: Timetable, start: number, end: number): boolean {
  // Slots lie up to a month after the period's end; zones are less than a day away from UTC.
  const [from, to] = [start - DAY_MS, end + 33 * DAY_MS];
  const touching = dark.filter(({ startMs, endMs }) => startMs < to && endMs > from);
  if (touching.length === 0) return false;
  // Of blackouts that overlap the one that ends last counts.
  const last = touching.reduce((best, span) => (span.endMs > best.endMs ? span : best));
  return last.blackout.afterwards === 'skip' && last.startMs <= from && last.endMs >= to;
}

/** Clock faces of a page as instants: the zone is asked twice for a page in which its offset stays. */
function clockOf({ calendar }: Timetable, start: number, end: number): (face: number) => number {
  const zone = calendar.timeZone;
  const [from, to] = [start - 2 * DAY_MS, end + 2 * DAY_MS];
  const offset = zoneOffsetMs(zone, from);
  if (end - start > 2 * DAY_MS || offset !== zoneOffsetMs(zone, to)) return (face) => toInstant(zone, face);
  return (face) => face - offset;
}
