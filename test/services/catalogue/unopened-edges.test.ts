/** Edges to periods that nobody opens, as the check of a catalogue names them (protocol D10). */
import { afterAll, describe, expect, test } from 'vitest';
import { checkFiles } from '../../../services/catalogue/catalogue-files.ts';
import { ProgramReader } from '../../../services/programs/program-reader.ts';
import { catalogueText, type ShortFlow } from '../../support/estate.ts';

const programs = new ProgramReader();
afterAll(() => programs.close());

const NOW = Date.UTC(2026, 10, 30, 9);
const calendars = [{ id: 'cn', holidays: ['2026-12-31', '2027-01-01'] }];
const bankDays = { id: 'bankDays', cycle: 'day', calendar: 'cn', on: 'workDays', at: '02:00' };

/** Problems with their place, as `line id message`. */
async function told(
  flows: readonly ShortFlow[],
  schedules: readonly object[],
  more: object = {},
): Promise<string[]> {
  const text = catalogueText(flows, { calendars, schedules, ...more });
  const { problems } = await checkFiles([{ path: 'f.yaml', text }], { programs, mode: 'apply', now: NOW });
  return problems
    .filter(({ code }) => code === 'period_not_opened')
    .map(({ path, severity, message }) => `${severity} ${path.join('.')} ${message.en}`);
}

const day = (id: string, after: unknown[] = [], more: object = {}): ShortFlow => ({
  id,
  cycle: 'day',
  after,
  ...more,
});

describe('D10: what waits for a period that nobody opens is named', () => {
  test.each<[string, ShortFlow[], object[], string[]]>([
    [
      'previous leads among what is opened',
      [
        day('A', [{ flow: 'A', period: 'previous' }]),
        { id: 'M', after: [{ flow: 'A', period: 'everyDayOfMonth' }] },
      ],
      [bankDays],
      [],
    ],
    [
      'the last day of a month that is a holiday',
      [day('A'), { id: 'M', after: [{ flow: 'A', period: 'lastDayOfMonth' }] }],
      [bankDays],
      [
        'warning flows.1.after.0 M of month-2026-12 waits for A of day-2026-12-31, which no schedule opens (bankDays); let a schedule open it, or wait for everyDayOfMonth: the days that are opened',
      ],
    ],
    [
      'the plain period before, and the one after',
      [
        day('A', [{ flow: 'A', period: 'previous', calendar: 'plain' }]),
        day('B', ['A', { flow: 'A', period: { offset: 1 } }]),
      ],
      [{ ...bankDays, paused: true }],
      [
        "warning flows.0.after.0 A of day-2026-11-30 waits for A of day-2026-11-29, which no schedule opens (bankDays); without 'calendar: plain' the edge counts the periods that are opened",
        'warning flows.1.after.1 B of day-2026-12-04 waits for A of day-2026-12-05, which no schedule opens (bankDays); let a schedule open it, or wait for an earlier period (previous): those count as they are opened',
      ],
    ],
    [
      'the day of an hour on a weekend',
      [day('A'), { id: 'H', cycle: 'hour', after: [{ flow: 'A' }] }],
      [bankDays, { id: 'hours', cycle: 'hour', at: '00:10' }],
      [
        'warning flows.1.after.0 H of hour-2026120500 waits for A of day-2026-12-05, which no schedule opens (bankDays); let a schedule open it, or wait for an earlier period (previous): those count as they are opened',
      ],
    ],
    [
      'nothing is said where no schedule covers the upstream',
      [day('A'), { id: 'M', after: [{ flow: 'A', period: 'lastDayOfMonth' }] }],
      [{ id: 'months', cycle: 'month', at: '00:30' }],
      [],
    ],
    [
      'a schedule that opens nothing for years',
      [
        day('A', [{ flow: 'A', period: 'previous' }]),
        { id: 'M', after: [{ flow: 'A', period: 'everyDayOfMonth' }] },
      ],
      [{ ...bankDays, calendar: 'dark', on: 'everyDay' }],
      [
        'warning flows.1.after.0 M waits for nothing of A: bankDays opens no period for everyDayOfMonth; correct its days or blackouts, or drop the edge',
      ],
    ],
  ])('%s', async (_name, flows, schedules, want) => {
    const dark = { id: 'dark', blackouts: [{ from: '2000-01-01', to: '2099-01-01', afterwards: 'skip' }] };
    expect(await told(flows, schedules, { calendars: [...calendars, dark] })).toEqual(want);
  });

  test('a flow of a run that is opened without it', async () => {
    const procedures = ['P01', 'P02'].map((id) => ({
      id,
      names: { en: id, zh: id },
      owner: 'o',
      cycle: 'day',
    }));
    const flows = [day('A', [], { procedure: 'P01' }), day('B', ['A'], { procedure: 'P02' })];
    expect(await told(flows, [{ ...bankDays, procedures: ['P02'] }], { procedures })).toEqual([
      'warning flows.1.after.0 B waits for A in day-2026-11-30, which is opened without it; let a schedule open its procedure then, too, or drop the edge',
    ]);
    expect(await told(flows, [{ ...bankDays, procedures: ['P01', 'P02'] }], { procedures })).toEqual([]);
  });

  test('it comes with file, line and column in both languages, and stops no apply', async () => {
    const text = `calendars: [{ id: cn }]
schedules: [{ id: bankDays, cycle: day, calendar: cn, on: workDays, at: "02:00" }]
flows:
  - { id: A, kind: job, cycle: day, names: { en: A, zh: 日 }, platform: yt, program: { type: noop } }
  - id: M
    kind: job
    cycle: month
    names: { en: M, zh: 月 }
    platform: yt
    program: { type: noop }
    after:
      - { flow: A, period: lastDayOfMonth }
`;
    const { ok, problems } = await checkFiles([{ path: 'f.yaml', text }], {
      programs,
      mode: 'apply',
      now: NOW,
    });
    expect([ok, problems]).toMatchObject([
      true,
      [
        {
          file: 'f.yaml',
          line: 12,
          column: 9,
          message: { zh: expect.stringContaining('没有计划会打开它（bankDays）') },
        },
      ],
    ]);
  });
});
