/**
 * Which periods are opened (protocol D10): those that a schedule opens, paused or not, except periods that a blackout drops (`skip`). A schedule
 * covers the flows of its cycle, or those of its procedures. Flows that no schedule covers have every period, as people open their runs.
 * `previous`, negative offsets, `everyDayOfMonth` and `everyHourOfDay` count only opened periods. Pure; not for workflow code, as the edges of a
 * run are resolved when it is opened (graph/run/foreign-runs.ts). docs/decisions/0020.
 */

import type { Cycle, PeriodMapping, Schedule } from '../model.ts';
import {
  addMonths,
  countsOpenedPeriods,
  formatPeriod,
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

/** Opened periods are computed and kept in pages: the days of a month, the hours of a day, the months of a year. */
const PAGE: Record<Cycle, Cycle | 'year'> = { hour: 'day', day: 'month', month: 'year' };
/** Number of pages in a row without an opened period after which a search gives up: ten years. */
const EMPTY_PAGES: Record<Cycle, number> = { hour: 3_653, day: 120, month: 10 };
/** Number of pages that are kept for one set of schedules: 27 years of hours. When there are more, all are dropped and computed again on demand. */
const KEPT_PAGES = 10_000;
/** Years outside of which nothing is opened: periods go from 1900 to 8999, and a schedule looks one period ahead. */
const FIRST = Date.UTC(1901, 0, 1);
const LAST = Date.UTC(8998, 11, 31);

type Page = readonly string[];

/** Ids of the schedules of one cycle whose periods count: what `covering` and `ofCycle` answer. They answer null where every period counts. */
export type Openers = readonly string[];

export class Openings {
  readonly #schedules: readonly Schedule[];
  readonly #tables: ReadonlyMap<string, Timetable>;
  /** Sets of schedules, by what was asked and by their ids. The same set is always the same array, as `#pages` has the array as its key. */
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

  /** The schedules that open a flow of a cycle and procedure; null = none, so every period counts. O(schedules) once for each pair. */
  covering(cycle: Cycle, procedure: string | null | undefined): Openers | null {
    return this.#set(
      `${cycle} ${procedure ?? ''}`,
      ({ procedures }) => procedures === undefined || procedures.includes(procedure ?? ''),
      cycle,
    );
  }

  /** All schedules of a cycle; null = there are none, so every period counts. */
  ofCycle(cycle: Cycle): Openers | null {
    return this.#set(`${cycle} *`, () => true, cycle);
  }

  /** Whether one of the schedules opens the period. */
  opens(by: Openers, cycle: Cycle, period: string): boolean {
    return this.#page(by, cycle, pageOf(cycle, period)).includes(period);
  }

  /**
   * The `n`th opened period before `period` (after it when `n` is negative); `period` need not be opened itself. null when the search meets ten
   * years without an opened period. O(n) when the pages are known; ten empty years cost 120 months of days, or 3,653 days of hours.
   */
  shifted(by: Openers, cycle: Cycle, period: string, n: number): string | null {
    const back = n > 0;
    let left = Math.abs(n);
    let empty = 0;
    for (let at = pageOf(cycle, period); ; at = pageAfter(cycle, at, back ? -1 : 1)) {
      if (back ? at < FIRST : at > LAST) return null;
      const page = this.#page(by, cycle, at);
      const candidates = page.filter((entry) => (back ? entry < period : entry > period));
      if (left <= candidates.length) return (back ? candidates.at(-left) : candidates[left - 1])!;
      left -= candidates.length;
      empty = page.length === 0 ? empty + 1 : 0;
      if (empty > EMPTY_PAGES[cycle]) return null;
    }
  }

  /**
   * As `mapPeriod`, but counts only opened periods. When a mapping backwards meets ten years without an opened period, it answers what
   * `mapPeriod` answers, so that the edge still waits for something; the check of the catalogue reports such an edge.
   */
  map(
    by: Openers,
    mapping: PeriodMapping,
    { cycle, period }: { readonly cycle: Cycle; readonly period: string },
    target?: Cycle,
  ): string[] {
    const to = target ?? mappedCycle(mapping, cycle);
    const plain = mapPeriod(mapping, cycle, period, target);
    if (!countsOpenedPeriods(mapping)) return plain;
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

  /** Opened periods of the page that begins at a local time, ascending. */
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
    const end = pageAfter(cycle, start, 1);
    const tables = by.flatMap((id) => {
      const table = this.#tables.get(id);
      return table === undefined || isBlackedOut(table, start, end)
        ? []
        : [{ table, at: clockOf(table, start, end) }];
    });
    const page: string[] = [];
    if (tables.length === 0) return page;
    for (
      let localMs = start;
      localMs < end;
      localMs = cycle === 'month' ? addMonths(localMs, 1) : localMs + stepOf(cycle)
    ) {
      const period = formatPeriod(cycle, localMs);
      if (tables.some(({ table, at }) => opensPeriod(table, period, at))) page.push(period);
    }
    return page;
  }
}

const stepOf = (cycle: Cycle): number => (cycle === 'hour' ? HOUR_MS : DAY_MS);

/** The local time at which the page of a period begins. */
function pageOf(cycle: Cycle, period: string): number {
  const start = periodStartLocal(cycle, period);
  const page = PAGE[cycle];
  if (page === 'year') return Date.UTC(new Date(start).getUTCFullYear(), 0, 1);
  return periodStartLocal(page, formatPeriod(page, start));
}

/** The local time at which the page `n` pages later begins; `start` is that of a page. */
function pageAfter(cycle: Cycle, start: number, n: number): number {
  if (cycle === 'hour') return start + n * DAY_MS;
  return addMonths(start, cycle === 'day' ? n : 12 * n);
}

/** Whether one blackout drops every slot of the periods of a page. */
function isBlackedOut({ blackouts }: Timetable, start: number, end: number): boolean {
  // Slots are at most a month after the end of the period; zones differ from UTC by less than a day.
  const [from, to] = [start - DAY_MS, end + 33 * DAY_MS];
  const touching = blackouts.filter(({ startMs, endMs }) => startMs < to && endMs > from);
  if (touching.length === 0) return false;
  // Where blackouts overlap, the one that ends last counts.
  const last = touching.reduce((best, span) => (span.endMs > best.endMs ? span : best));
  return last.blackout.afterwards === 'skip' && last.startMs <= from && last.endMs >= to;
}

/** Converts local times of a page to instants; looks up the offset of the zone only twice when it stays the same in the page. */
function clockOf({ calendar }: Timetable, start: number, end: number): (localMs: number) => number {
  const zone = calendar.timeZone;
  const [from, to] = [start - 2 * DAY_MS, end + 2 * DAY_MS];
  const offset = zoneOffsetMs(zone, from);
  if (end - start > 2 * DAY_MS || offset !== zoneOffsetMs(zone, to))
    return (localMs) => toInstant(zone, localMs);
  return (localMs) => localMs - offset;
}
