/** Checks holidays and make-up work days of a calendar: ranges that end before they begin, and contradictions. */
import { periodStartLocal } from '../calendar/calendar.ts';
import { dayKind, weekday } from '../calendar/work-days.ts';
import type { Catalogue } from '../model.ts';
import type { Finding, Path } from '../text/problems.ts';

type CalendarOf = Catalogue['calendars'][number];

/** Longest holiday in days; a longer one has a wrong year. The longest in China (Spring Festival with leave) take less than two weeks. */
const LONGEST_DAYS = 31;
const DAY_MS = 24 * 3_600_000;

interface Range {
  readonly from: string;
  readonly to: string;
  readonly path: Path;
  readonly name: string;
}

export class HolidayCheck {
  readonly #problems: Finding[];
  readonly #calendar: CalendarOf;
  readonly #path: Path;

  constructor(problems: Finding[], calendar: CalendarOf, path: Path) {
    this.#problems = problems;
    this.#calendar = calendar;
    this.#path = path;
  }

  all(): void {
    if (new Set(this.#calendar.weekend).size === 7) {
      const en = 'every day of the week is a weekend day: only make-up days are work days';
      this.#add('warning', [...this.#path, 'weekend'], en, '一周七天均为周末，只有调休日上班');
    }
    const ranges = this.#ranges();
    this.#overlaps(ranges);
    this.#makeUpDays(ranges);
  }

  /** Holidays without findings, in the order of their days. */
  #ranges(): Range[] {
    const ranges: Range[] = [];
    this.#calendar.holidays.forEach((holiday, k) => {
      const path = [...this.#path, 'holidays', k];
      if (typeof holiday === 'string') {
        ranges.push({ from: holiday, to: holiday, path, name: holiday });
        return;
      }
      const { from, to = from, names } = holiday;
      if (to < from) {
        const en = `the holiday ${names.en} ends on ${to}, before it begins on ${from}`;
        this.#add('error', [...path, 'to'], en, `节假日“${names.zh}”的结束 ${to} 早于开始 ${from}`);
        return;
      }
      const days = (periodStartLocal('day', to) - periodStartLocal('day', from)) / DAY_MS + 1;
      if (days > LONGEST_DAYS) {
        const en = `the holiday ${names.en} lasts ${days} days, ${from} to ${to}: is the year right?`;
        this.#add(
          'warning',
          [...path, 'to'],
          en,
          `节假日“${names.zh}”长达 ${days} 天（${from} 至 ${to}），请核对年份`,
        );
      }
      ranges.push({ from, to, path, name: names.en });
    });
    return ranges.sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
  }

  #overlaps(ranges: readonly Range[]): void {
    let last: Range | undefined;
    for (const range of ranges) {
      if (last !== undefined && range.from <= last.to) {
        const en = `${range.name} overlaps the holiday ${last.name}, ${last.from} to ${last.to}`;
        const zh = `${range.from} 与节假日 ${last.from} 至 ${last.to} 重叠`;
        this.#add('warning', range.path, en, zh);
      }
      if (last === undefined || range.to > last.to) last = range;
    }
  }

  #makeUpDays(ranges: readonly Range[]): void {
    const { makeUpDays } = this.#calendar;
    const seen = new Set<string>();
    const plain = { ...this.#calendar, makeUpDays: [] };
    makeUpDays.forEach((day, k) => {
      const path = [...this.#path, 'makeUpDays', k];
      const holiday = ranges.find(({ from, to }) => from <= day && day <= to);
      if (seen.has(day)) this.#add('warning', path, `${day} stands there twice`, `${day} 重复`);
      else if (holiday !== undefined) {
        const en = `the make-up work day ${day} lies inside the holiday ${holiday.name}: it counts as worked`;
        this.#add(
          'warning',
          path,
          en,
          `调休上班日 ${day} 在节假日 ${holiday.from} 至 ${holiday.to} 之内，将按工作日计算`,
        );
      } else if (dayKind(plain, day).worked) {
        const en = `${day} is a work day anyway (day ${weekday(day)} of the week): is the date right?`;
        this.#add(
          'warning',
          path,
          en,
          `${day}（星期${'一二三四五六日'[weekday(day) - 1]}）本来就是工作日，请核对日期`,
        );
      }
      seen.add(day);
    });
  }

  #add(severity: 'error' | 'warning', path: Path, en: string, zh: string): void {
    const { id } = this.#calendar;
    this.#problems.push({ code: 'bad_combination', severity, message: { en, zh }, path, id, at: 'value' });
  }
}
