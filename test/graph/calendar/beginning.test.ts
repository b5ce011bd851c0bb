/** The beginning of cycles and flows (docs/decisions/0006): what lies before it is not waited for. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  mapPeriod,
  mappedCycle,
  nextPeriod,
  parseRunId,
  runId,
  shiftOf,
} from '../../../graph/calendar/calendar.ts';
import { checkCatalogue } from '../../../graph/catalogue/check.ts';
import { inflate } from '../../../graph/compiled/compact.ts';
import { compact } from '../../../graph/compiled/compile.ts';
import type { Cycle, PeriodMapping } from '../../../graph/model.ts';
import { beforeBeginning, besides, resolveForeign } from '../../../graph/run/foreign-runs.ts';
import { subscriptionsOf } from '../../../graph/run/subscriptions.ts';
import { absentRun } from '../../../graph/why/absent.ts';
import { catalogueText, type ShortFlow } from '../../support/estate.ts';
import { runsOr, seed } from '../../support/property.ts';

const check = (flows: readonly ShortFlow[], cycles: object[] = []) =>
  checkCatalogue([{ path: 'f.yaml', text: catalogueText(flows, { cycles }) }]);

/** Flows that the edge of `W` leads to in a run of W's period, and what is said of those that it does not wait for. */
function waits(flows: readonly ShortFlow[], cycles: object[], period: string, beside: string[] = []) {
  const checked = check(flows, cycles);
  expect(checked.problems).toEqual([]);
  const { cycle } = checked.flows.find(({ id }) => id === 'W')!;
  const graph = inflate(compact(checked.flows, cycle));
  const standing = { cycle, period, beside: besides(beside.map((run) => ({ run, flows: null }))) };
  const subscriptions = subscriptionsOf(graph.n, resolveForeign(graph, standing));
  const v = graph.ids.indexOf('W');
  const runs = subscriptions.list.filter((item) => item.v === v).map((item) => item.run);
  const never = beforeBeginning(graph, subscriptions, standing, v).map((entry) => entry.run);
  return { runs, never };
}

const day = [{ id: 'day', begins: '2026-11-20' }];
const self = { id: 'W', cycle: 'day', after: [{ flow: 'W', period: 'previous' }] };

describe('an edge is met where its upstream has not begun', () => {
  test('the first period waits for no earlier one, the second waits for the first', () => {
    expect(waits([self], day, '2026-11-20')).toEqual({ runs: [], never: ['day-2026-11-19'] });
    expect(waits([self], day, '2026-11-21')).toEqual({ runs: ['day-2026-11-20'], never: [] });
  });

  test('of a month in whose middle the days begin, the days that exist count', () => {
    const flows = [
      { id: 'D', cycle: 'day' },
      { id: 'W', after: [{ flow: 'D', period: 'everyDayOfMonth' }] },
    ];
    const { runs, never } = waits(flows, day, '2026-11');
    expect([runs.length, runs[0], never.length, never.at(-1)]).toEqual([
      11,
      'day-2026-11-20',
      19,
      'day-2026-11-19',
    ]);
    expect(waits(flows, day, '2026-10').runs).toEqual([]);
  });

  test('a flow that came later begins later; one that says nothing begins with its cycle', () => {
    const flows = [
      { id: 'New', cycle: 'day', begins: '2026-12-01' },
      { id: 'Old', cycle: 'day' },
      {
        id: 'W',
        cycle: 'day',
        after: [
          { flow: 'New', period: 'previous' },
          { flow: 'Old', period: { offset: -2 } },
        ],
      },
    ];
    expect(waits(flows, day, '2026-11-21')).toEqual({
      runs: [],
      never: ['day-2026-11-20', 'day-2026-11-19'],
    });
    expect(waits(flows, day, '2026-12-01').runs).toEqual(['day-2026-11-29']);
    expect(waits(flows, day, '2026-12-02').runs).toEqual(['day-2026-12-01', 'day-2026-11-30']);
  });

  test('hours, which YAML reads as numbers, begin likewise', () => {
    const text = `cycles: [{ id: hour, begins: 2026112008 }]
flows:
  - { id: H, kind: job, cycle: hour, names: { en: H, zh: 时 }, platform: yt, program: { type: noop } }
`;
    const { flows, problems } = checkCatalogue([{ path: 'f.yaml', text }]);
    expect(problems).toEqual([]);
    expect(flows[0]!.begins).toBe('2026112008');
  });

  test('a backfill from before the beginning has what nobody else has', () => {
    const beside = ['day-2026-11-18-backfill-1', 'day-2026-11-19-backfill-1'];
    expect(waits([self], day, '2026-11-19', beside).runs).toEqual(['day-2026-11-18-backfill-1']);
    expect(waits([self], day, '2026-11-18', beside).never).toEqual(['day-2026-11-17']);
  });

  test('of random edges exactly those periods are waited for that are no earlier than the upstream begins', () => {
    const mapping = fc.oneof(
      fc.constantFrom<PeriodMapping>('previous', 'same', 'lastDayOfMonth', 'everyDayOfMonth'),
      fc.integer({ min: -40, max: 40 }).map((offset) => ({ offset })),
    );
    const cycle = fc.constantFrom<Cycle>('day', 'month');
    fc.assert(
      fc.property(
        fc.record({ mapping, from: cycle, to: cycle, days: fc.integer({ min: -45, max: 45 }) }),
        ({ mapping, from, to, days }) => {
          let begins = from === 'day' ? '2026-02-01' : '2025-06';
          for (let i = 0; i < (from === 'day' ? days + 45 : days % 12); i++)
            begins = nextPeriod(from, begins);
          const flows = [
            { id: 'U', cycle: from },
            { id: 'W', cycle: to, after: [{ flow: 'U', period: mapping }] },
          ];
          fc.pre(check(flows).problems.length === 0);
          const period = to === 'day' ? '2026-03-10' : '2026-03';
          // An edge within the run.
          fc.pre(from !== to || shiftOf(mapping) !== 0);
          const all = mapPeriod(mapping, mappedCycle('same', to), period, from);
          const { runs, never } = waits(flows, [{ id: from, begins }], period);
          expect(runs).toEqual(all.filter((item) => item >= begins).map((item) => runId(from, item)));
          expect(never).toEqual(all.filter((item) => item < begins).map((item) => runId(from, item)));
        },
      ),
      { seed, numRuns: runsOr(150) },
    );
  });
});

test.each<[string, ShortFlow[], object[], string[]]>([
  [
    'a beginning that is no period',
    [{ id: 'A', begins: '2026-13' }],
    [{ id: 'day', begins: '2026-11' }],
    [
      "invalid_value day '2026-11' is not a day; write it like 2026-11-22",
      "invalid_value A '2026-13' is not a month; write it like 2026-10",
    ],
  ],
  [
    'a flow that begins before its cycle',
    [{ id: 'A', begins: '2026-09' }],
    [{ id: 'month', begins: '2026-10' }],
    ['bad_combination A 2026-09 lies before 2026-10, with which the month runs begin'],
  ],
  [
    'a cycle that begins twice',
    [{ id: 'A' }],
    [
      { id: 'day', begins: '2026-11-01' },
      { id: 'day', begins: '2026-11-02' },
    ],
    [expect.stringMatching(/^duplicate_id day 'day' is already defined/) as unknown as string],
  ],
])('%s is reported with its place', (_name, flows, cycles, want) => {
  const { problems } = check(flows, cycles);
  expect(problems.map(({ code, id, message }) => `${code} ${id} ${message.en}`)).toEqual(want);
  for (const { line, column } of problems) expect([line, column]).not.toContain(null);
});

test('a run from before the beginning is absent because of it, whatever schedules say', () => {
  const absent = (id: string) =>
    absentRun({ id, key: parseRunId(id)!, schedules: [], backfill: null, begins: '2026-11-20' }, 'A', 0);
  expect(absent('day-2026-11-19').text).toEqual({
    en: expect.stringContaining('before the beginning: the day runs begin with 2026-11-20'),
    zh: expect.stringContaining('早于起始账期：日运行自 2026-11-20 开始'),
  });
  expect(absent('day-2026-11-20').text.en).not.toContain('beginning');
});
