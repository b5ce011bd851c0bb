/** Schedules that open the same periods for different procedures, as the check of a catalogue refuses them. */
import { afterAll, expect, test } from 'vitest';
import { checkFiles } from '../../../services/catalogue/catalogue-files.ts';
import { ProgramReader } from '../../../services/programs/program-reader.ts';
import { catalogueText } from '../../support/estate.ts';

const programs = new ProgramReader();
afterAll(() => programs.close());

const NOW = Date.UTC(2026, 10, 30, 9);
const holidays = ['2026-12-31', '2027-01-01'];
const calendars = [
  { id: 'cn', holidays },
  // Worked on what the other one calls free.
  { id: 'off', weekend: [1, 2, 3, 4, 5], makeUpDays: holidays },
  { id: 'dark', blackouts: [{ from: '2000-01-01', to: '2099-01-01', afterwards: 'skip' }] },
];
const procedures = ['P', 'Q'].map((id) => ({ id, names: { en: id, zh: id }, owner: 'o', cycle: 'day' }));
const flows = [
  { id: 'A', cycle: 'day', procedure: 'P' },
  { id: 'B', cycle: 'day', procedure: 'Q' },
  { id: 'M' },
  { id: 'H', cycle: 'hour' },
];
const day = { id: 'days', cycle: 'day', at: '02:00' };
const later = { ...day, id: 'later', at: '05:00' };

async function told(schedules: readonly object[], mode: 'apply' | 'import' = 'apply'): Promise<string[]> {
  const text = catalogueText(flows, { calendars, procedures, schedules });
  const { ok, problems } = await checkFiles([{ path: 'f.yaml', text }], { programs, mode, now: NOW });
  const shared = problems.filter(({ code }) => code === 'schedules_share');
  expect(ok).toBe(mode === 'import' || shared.length === 0);
  return shared.map(
    ({ severity, path, message }) =>
      `${severity} ${path.join('.')} ${/^(.*) both open (.*?),/.exec(message.en)!.slice(1).join(' in ')}`,
  );
}

test.each<[string, object[], string[]]>([
  [
    'different procedures each day',
    [
      { ...day, procedures: ['P'] },
      { ...later, procedures: ['Q'] },
    ],
    ['error schedules.1.procedures days and later in day-2026-11-30'],
  ],
  [
    'one for all, and one for some that is paused',
    [{ ...later, procedures: ['P'], paused: true }, day],
    ['error schedules.1 later and days in day-2026-11-30'],
  ],
  [
    'days that meet now and then: the last one and the last that is worked',
    [
      { ...day, on: 'lastDay', procedures: ['P'] },
      { ...later, on: { workDay: 'last' }, calendar: 'cn', procedures: ['Q'] },
    ],
    ['error schedules.1.procedures days and later in day-2026-11-30'],
  ],
  [
    'the day that is over, and the same one while it lasts',
    [
      { ...day, procedures: ['P'] },
      { ...later, period: 'same', procedures: ['P', 'Q'] },
    ],
    ['error schedules.1.procedures days and later in day-2026-11-30'],
  ],
  [
    'each schedule once, with the first that it meets',
    [
      { ...day, procedures: ['P'] },
      { ...later, procedures: ['Q'] },
      { ...later, id: 'last', procedures: ['P', 'Q'] },
    ],
    [
      'error schedules.1.procedures days and later in day-2026-11-30',
      'error schedules.2.procedures days and last in day-2026-11-30',
    ],
  ],
  [
    'the same procedures in another order, and all of them by name',
    [
      { ...day, procedures: ['P', 'Q'] },
      { ...later, procedures: ['Q', 'P'] },
      { ...later, id: 'all' },
    ],
    [],
  ],
  [
    'days that exclude each other',
    [
      { ...day, on: 'workDays', calendar: 'cn', procedures: ['P', 'Q'] },
      { ...later, on: 'workDays', calendar: 'off', procedures: ['P'] },
    ],
    [],
  ],
  [
    'one that a blackout never lets open',
    [
      { ...day, procedures: ['P'] },
      { ...later, calendar: 'dark', procedures: ['Q'] },
    ],
    [],
  ],
  [
    'another cycle',
    [day, { id: 'hours', cycle: 'hour', at: '00:10' }, { id: 'months', cycle: 'month', at: '02:00' }],
    [],
  ],
])('%s', async (_name, schedules, want) => {
  expect(await told(schedules)).toEqual(want);
});

test('an import is warned, and a month meets however far its days lie apart', async () => {
  const month = { id: 'start', cycle: 'month', at: '00:30' };
  const third = { ...month, id: 'third', on: { dayOfMonth: 3 }, procedures: [] };
  expect(await told([month, third], 'import')).toEqual([
    'warning schedules.1.procedures start and third in month-2026-11',
  ]);
});

test('it comes with file, line, column and remedy in both languages', async () => {
  const text = `procedures:
  - { id: P, names: { en: P, zh: 甲 }, owner: o, cycle: month }
  - { id: Q, names: { en: Q, zh: 乙 }, owner: o, cycle: month }
schedules:
  - { id: first, cycle: month, at: "00:30", procedures: [P] }
  - id: second
    cycle: month
    at: "00:30"
    procedures: [Q]
flows:
  - { id: A, kind: job, cycle: month, procedure: P, names: { en: A, zh: 甲 }, platform: yt, program: { type: noop } }
  - { id: B, kind: job, cycle: month, procedure: Q, names: { en: B, zh: 乙 }, platform: yt, program: { type: noop } }
`;
  const { ok, problems } = await checkFiles([{ path: 'f.yaml', text }], {
    programs,
    mode: 'apply',
    now: NOW,
  });
  expect(ok).toBe(false);
  expect(problems).toMatchObject([
    {
      code: 'schedules_share',
      severity: 'error',
      id: 'second',
      file: 'f.yaml',
      line: 9,
      column: 17,
      message: {
        en: 'first and second both open month-2026-11, for different procedures: it is opened once, and the flows of the second would not be triggered; name all procedures in one schedule (a flow that begins later has a startAt), or let their days exclude each other',
        zh: expect.stringContaining('请在一个计划中列出全部规程'),
      },
    },
  ]);
});
