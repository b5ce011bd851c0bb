import { describe, expect, test } from 'vitest';
import { parseRunId } from '../../../graph/calendar/calendar.ts';
import { type BusinessCalendar, DEFAULT_CALENDAR } from '../../../graph/calendar/work-days.ts';
import { Schedule } from '../../../graph/model.ts';
import { absentRun } from '../../../graph/why/absent.ts';
import { explainUnopened, type ScheduleFacts } from '../../../graph/why/unopened.ts';

const NOW = Date.parse('2026-11-22T04:00:00Z');
const china: BusinessCalendar = {
  ...DEFAULT_CALENDAR,
  holidays: [{ from: '2026-10-01', to: '2026-10-07', names: { en: 'National Day', zh: '国庆节' } }],
  blackouts: [
    { from: '2026-11-26', to: '2026-11-27', names: { en: 'cutover', zh: '割接' }, afterwards: 'open' },
    { from: '2026-12-24', to: '2026-12-24', afterwards: 'skip' },
  ],
};
const facts = (given: object, rest: Partial<ScheduleFacts> = {}): ScheduleFacts => ({
  schedule: Schedule.parse({ id: 's', cycle: 'day', at: '02:00', ...given }),
  calendar: china,
  paused: null,
  decidedAt: NOW - 3_600_000,
  slots: [],
  ...rest,
});
const paused = { en: 'paused by duty: cutover', zh: '已由 duty 暂停：割接' };
const slot = (at: string, decision: string, en: string, until: number | null = null) => ({
  slot: Date.parse(at),
  decision,
  text: { en, zh: en },
  until,
});

describe('a run that was not opened says', () => {
  test.each<[string, 'day' | 'month', string, ScheduleFacts[], string, string | null]>([
    [
      'which schedule opens it and when',
      'day',
      '2026-11-22',
      [facts({})],
      'schedule s opens it in 14 h',
      '2026-11-22T18:00:00Z',
    ],
    [
      'the soonest of several',
      'day',
      '2026-11-22',
      [facts({ id: 'late', at: '09:00' }), facts({})],
      'schedule s opens it in 14 h',
      '2026-11-22T18:00:00Z',
    ],
    [
      'that it is after a blackout',
      'day',
      '2026-11-25',
      [facts({})],
      'schedule s opens it in 5 d 12 h, after the blackout cutover, 2026-11-26 to 2026-11-27',
      '2026-11-27T16:00:00Z',
    ],
    [
      'that a blackout leaves it out',
      'day',
      '2026-12-23',
      [facts({})],
      'schedule s does not open it: blackout, 2026-12-24 to 2026-12-24',
      null,
    ],
    [
      'that the schedule is paused',
      'day',
      '2026-11-22',
      [facts({}, { paused })],
      'schedule s would open it in 14 h, but is paused by duty: cutover',
      null,
    ],
    [
      'which holiday it is',
      'day',
      '2026-10-05',
      [facts({ on: 'workDays' })],
      'schedule s does not open it: 2026-10-05 is not a work day: holiday National Day',
      null,
    ],
    [
      'that it is no such day',
      'day',
      '2026-11-05',
      [facts({ on: 'lastDay' })],
      'schedule s does not open it: 2026-11-05 is not the last day of 2026-11, which is 2026-11-30',
      null,
    ],
    [
      'what was decided in its slot',
      'day',
      '2026-11-20',
      [facts({}, { slots: [slot('2026-11-20T18:00:00Z', 'missed', 'it was found 9 d too late')] })],
      'schedule s did not open it: it was found 9 d too late',
      null,
    ],
    [
      'that it was opened and is gone',
      'day',
      '2026-11-20',
      [facts({}, { slots: [slot('2026-11-20T18:00:00Z', 'opened', '')] })],
      'schedule s opened it, and the run is no longer in the record',
      null,
    ],
    [
      'what it waits for',
      'day',
      '2026-11-20',
      [
        facts(
          { overlap: 'wait' },
          { slots: [slot('2026-11-20T18:00:00Z', 'waiting_previous', 'day-2026-11-19 is not finished')] },
        ),
      ],
      'schedule s waits to open it: day-2026-11-19 is not finished',
      null,
    ],
    [
      'that nobody counted then',
      'day',
      '2026-11-01',
      [facts({})],
      'schedule s counts only from a later moment; its slot was 20 d 10 h ago',
      null,
    ],
    [
      'that it is due',
      'day',
      '2026-11-21',
      [facts({ at: '11:59' })],
      'schedule s has been due to open it for 1 min',
      null,
    ],
    [
      'that no schedule opens months',
      'month',
      '2026-11',
      [facts({})],
      'no schedule opens month runs; its period ends in 8 d 12 h',
      '2026-11-30T16:00:00Z',
    ],
    [
      'the same of a period that is over',
      'month',
      '2026-10',
      [],
      'no schedule opens month runs; its period ended 21 d 12 h ago',
      null,
    ],
  ])('%s', (_name, cycle, period, schedules, en, until) => {
    const told = explainUnopened({ cycle, period }, schedules, NOW);
    expect([
      told.text.en,
      told.until === null ? null : new Date(told.until).toISOString().replace('.000', ''),
    ]).toEqual([en, until]);
    expect(told.text.zh).toMatch(/\p{Script=Han}/u);
  });

  const absent = (id: string, schedules: readonly ScheduleFacts[], flow: string | null = null) =>
    absentRun({ id, key: parseRunId(id)!, schedules, backfill: null, begins: null }, flow, NOW);

  test('so as a cause in both languages, with the command that opens it', () => {
    expect(absent('month-2026-11', [], 'A')).toMatchObject({
      code: 'run_not_opened',
      chain: ['A'],
      remedy: { command: 'sluice run open 2026-11 --cycle month' },
      text: {
        en: 'The run month-2026-11 was not opened: no schedule opens month runs; its period ends in 8 d 12 h.',
        zh: '运行 month-2026-11 尚未打开：没有计划会打开月运行；其账期将在 8 天 12 小时后结束。',
      },
    });
    expect(absent('day-2026-11-22', [facts({}, { paused })]).text.zh).toBe(
      '运行 day-2026-11-22 尚未打开：计划 s 本应在 14 小时后打开，但已由 duty 暂停：割接。',
    );
    expect(absent('day-2026-11-22-backfill-1', [facts({})]).text.en).toBe(
      'The run day-2026-11-22-backfill-1 was not opened.',
    );
    const cause = (period: string, given: ScheduleFacts) => absent(`day-${period}`, [given]);
    const shifted = cause('2026-11-25', facts({}));
    expect(shifted).toMatchObject({
      code: 'schedule_shifted',
      remedy: { verb: 'open', command: 'sluice run open 2026-11-25 --cycle day', procedure: 'P09' },
    });
    expect(shifted.text.zh).toMatch(/^运行 day-2026-11-25 因维护窗口顺延，尚未打开：/);
    const dark = slot('2026-11-21T18:00:00Z', 'waiting_blackout', 'blackout cutover', NOW + 60_000);
    expect(cause('2026-11-21', facts({}, { slots: [dark] })).code).toBe('schedule_shifted');
    const behind = slot('2026-11-21T18:00:00Z', 'waiting_previous', 'day-2026-11-20 is not finished');
    const backlog = cause('2026-11-21', facts({}, { slots: [behind] }));
    expect(backlog).toMatchObject({
      code: 'backlog',
      remedy: { verb: 'open', procedure: 'P21' },
      text: {
        en: 'The run day-2026-11-21 was not opened: an earlier period is open: schedule s waits to open it: day-2026-11-20 is not finished.',
      },
    });
  });
});
