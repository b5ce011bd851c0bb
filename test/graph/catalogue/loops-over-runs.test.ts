/** Loops over several runs: found as in a catalogue that is unrolled, run by run, into one graph. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  mapPeriod,
  mappedCycle,
  mappingProblem,
  nextPeriod,
  shiftOf,
  shiftPeriod,
} from '../../../graph/calendar/calendar.ts';
import { Openings } from '../../../graph/calendar/openings.ts';
import { checkCatalogue } from '../../../graph/catalogue/check.ts';
import { type LoopOverRuns, loopsOverRuns } from '../../../graph/catalogue/loops-over-runs.ts';
import { components } from '../../../graph/compiled/loops.ts';
import type { Cycle, EdgeSpec, Flow, PeriodMapping } from '../../../graph/model.ts';
import { anyCalendar, anySchedule, openedSlowly } from '../../support/any-schedules.ts';
import { catalogueText, type ShortFlow } from '../../support/estate.ts';
import { runsOr, seed } from '../../support/property.ts';

const check = (flows: readonly ShortFlow[], mode: 'apply' | 'import' = 'apply') =>
  checkCatalogue([{ path: 'f.yaml', text: catalogueText(flows) }], mode);

const told = (flows: readonly ShortFlow[]): string[] =>
  check(flows).problems.map(({ code, message }) =>
    message.en.replace('these flows wait for one another over several runs: ', `${code}: `),
  );

const day = (id: string, ...after: unknown[]): ShortFlow => ({ id, cycle: 'day', after });
const month = (id: string, ...after: unknown[]): ShortFlow => ({ id, after });
const of = (flow: string, period: PeriodMapping) => ({ flow, period });

test.each<[string, ShortFlow[], string[]]>([
  ['its own period before is no loop', [day('D', of('D', 'previous'))], []],
  [
    'its own period after is one without end',
    [day('D', of('D', { offset: 1 }))],
    ['loop_over_runs: D (2026-01-01) waits for D (2026-01-02), and so on for ever later periods'],
  ],
  [
    'a month and its last day wait for each other',
    [month('M', of('D', 'lastDayOfMonth')), day('D', of('M', 'same'))],
    ['loop_over_runs: M (2026-01) waits for D (2026-01-31) waits for M (2026-01)'],
  ],
  [
    'a month needs its last day, each day the month before: no loop',
    [month('M', of('D', 'lastDayOfMonth')), day('D', of('M', 'previous'))],
    [],
  ],
  [
    'the day before the last day lies in the same month',
    [month('M', of('D', 'lastDayOfMonth')), day('D', of('E', 'previous')), day('E', of('M', 'same'))],
    ['loop_over_runs: M (2026-01) waits for D (2026-01-31) waits for E (2026-01-30) waits for M (2026-01)'],
  ],
  [
    'thirty days before the last day lie in the same month only where it has 31',
    [month('M', of('D', 'lastDayOfMonth')), day('D', of('E', { offset: -30 })), day('E', of('M', 'same'))],
    ['loop_over_runs: M (2026-01) waits for D (2026-01-31) waits for E (2026-01-01) waits for M (2026-01)'],
  ],
  [
    'thirty-one days before never do',
    [month('M', of('D', 'lastDayOfMonth')), day('D', of('E', { offset: -31 })), day('E', of('M', 'same'))],
    [],
  ],
  [
    'forth and back again stay in the run',
    [day('A', of('B', { offset: 1 })), day('B', of('A', 'previous'))],
    ['loop_over_runs: A (2026-01-01) waits for B (2026-01-02) waits for A (2026-01-01)'],
  ],
  [
    'two back and one forth go back',
    [day('A', of('B', { offset: 1 })), day('B', of('A', { offset: -2 }))],
    [],
  ],
  [
    'an edge within the run is part of it',
    [month('M', of('D', 'everyDayOfMonth')), day('D', 'C'), day('C', of('M', 'same'))],
    ['loop_over_runs: M (2026-01) waits for D (2026-01-31) waits for C (2026-01-31) waits for M (2026-01)'],
  ],
  [
    'a day and its hours',
    [day('D', of('H', 'everyHourOfDay')), { id: 'H', cycle: 'hour', after: [of('D', 'same')] }],
    ['loop_over_runs: D (2026-01-01) waits for H (2026010123) waits for D (2026-01-01)'],
  ],
  [
    'a flow of the month with a day of its own',
    [
      { id: 'P', period: 'lastDayOfMonth', after: [{ flow: 'D', period: 'same' }] },
      day('D', of('P', 'same')),
    ],
    ['loop_over_runs: P (2026-01) waits for D (2026-01-31) waits for P (2026-01)'],
  ],
  [
    'each loop is reported, at the dependency without which it is none',
    [
      month('M', of('D', 'lastDayOfMonth'), of('E', 'lastDayOfMonth')),
      day('D', of('M', 'same')),
      day('E', of('M', 'same')),
    ],
    [
      'loop_over_runs: M (2026-01) waits for D (2026-01-31) waits for M (2026-01)',
      'loop_over_runs: M (2026-01) waits for E (2026-01-31) waits for M (2026-01)',
    ],
  ],
])('%s', (_name, flows, want) => {
  expect(told(flows)).toEqual(want);
});

test('one is reported with file, line, column and members, and refused by apply; import lets it in', () => {
  const text = `flows:
  - { id: M, kind: job, cycle: month, names: { en: M, zh: 月 }, platform: yt, program: { type: noop }, after: [{ flow: D, period: lastDayOfMonth }] }
  - id: D
    kind: job
    cycle: day
    names: { en: D, zh: 日 }
    platform: yt
    program: { type: noop }
    after:
      - { flow: D, period: previous }
      - { flow: M }
`;
  const found = checkCatalogue([{ path: 'f.yaml', text }]);
  expect(found.ok).toBe(false);
  expect(found.problems).toEqual([
    {
      code: 'loop_over_runs',
      severity: 'error',
      id: 'D',
      members: ['M', 'D'],
      file: 'f.yaml',
      line: 11,
      column: 9,
      path: ['flows', 1, 'after', 1],
      message: {
        en: 'these flows wait for one another over several runs: M (2026-01) waits for D (2026-01-31) waits for M (2026-01)',
        zh: '流程跨运行互相依赖：M (2026-01) 等待 D (2026-01-31) 等待 M (2026-01)',
      },
    },
  ]);
  const imported = checkCatalogue([{ path: 'f.yaml', text }], 'import');
  expect([imported.ok, imported.problems[0]!.severity]).toEqual([true, 'warning']);
});

test('where schedules leave out the periods that would close it there is none', () => {
  const frame = (on: unknown) => ({
    schedules: [{ id: 's', cycle: 'day', at: '02:00', on, calendar: 'cn' }],
    calendars: [{ id: 'cn' }],
  });
  const flows = [
    month('M', of('D', 'lastDayOfMonth')),
    day('D', of('E', 'previous')),
    day('E', of('M', 'same')),
  ];
  const problems = (on: unknown) =>
    checkCatalogue([{ path: 'f.yaml', text: catalogueText(flows, frame(on)) }]).problems.map(
      ({ code, message }) => `${code}: ${message.en.split(': ')[1]}`,
    );
  expect(problems('lastDay')).toEqual([]);
  // The last day of January 2026 is a Saturday.
  expect(problems('workDays')).toEqual([
    'loop_over_runs: M (2026-01) waits for D (2026-01-31) waits for E (2026-01-30) waits for M (2026-01)',
  ]);
  expect(problems({ dayOfMonth: 3 })).toEqual([
    'loop_over_runs: M (2026-01) waits for D (2026-01-31) waits for E (2026-01-03) waits for M (2026-01)',
  ]);
});

test('a loop within a run is reported as such, and only once; one over runs through it is', () => {
  expect(told([day('A', 'B', of('A', 'previous')), day('B', 'A')])).toEqual(
    ['these flows wait for one another: A -> B -> A'].map((entry) => `${entry}`),
  );
  const both = [month('M', of('A', 'lastDayOfMonth')), day('A', 'B'), day('B', 'A', of('M', 'same'))];
  expect(
    check(both)
      .problems.map(({ code }) => code)
      .sort(),
  ).toEqual(['loop', 'loop_over_runs']);
});

function loopsOf(flows: readonly Flow[], openings: Openings | null = null): LoopOverRuns[] {
  const index = new Map(flows.map(({ id }, v) => [id, v]));
  const upOff = new Int32Array(flows.length + 1);
  const up: number[] = [];
  flows.forEach((flow, v) => {
    for (const edge of flow.after) if (isInRun(edge)) up.push(index.get(edge.from)!);
    upOff[v + 1] = up.length;
  });
  const inRun = { upOff, up: Int32Array.from(up) };
  return loopsOverRuns(flows, inRun, components(inRun), openings);
}

const isInRun = (edge: EdgeSpec): boolean =>
  edge.cycle === undefined && (edge.period === 'same' || JSON.stringify(edge.period) === '{"offset":0}');

/** By upstream the periods that schedules open; null: every period. */
type Opened = (of: string) => readonly string[] | null;
const everyPeriod: Opened = () => null;

/** What a flow of a run waits for: flow and period. */
function waitsFor(flow: Flow, edge: EdgeSpec, period: string, opened: Opened = everyPeriod): string[] {
  if (isInRun(edge)) return [period];
  const own = mappedCycle(flow.period, flow.cycle);
  const to = edge.cycle ?? flow.cycle;
  if (mappingProblem(edge.period, flow.cycle, own, to) !== null) return [];
  const seen = mapPeriod(flow.period, flow.cycle, period)[0]!;
  const plain = mapPeriod(edge.period, own, seen, to);
  const set = edge.calendar === 'plain' ? null : opened(edge.from);
  const shift = shiftOf(edge.period);
  if (set === null || edge.period === 'lastDayOfMonth' || (shift !== null && shift >= 0)) return plain;
  if (shift === null) return plain.filter((entry) => set.includes(entry));
  const holder = mapPeriod('same', own, seen, to)[0]!;
  let place = set.length;
  while (place > 0 && set[place - 1]! >= holder) place--;
  return place + shift < 0 ? [] : [set[place + shift]!];
}

/**
 * The slow, obvious model: every flow of every run within half a year of a start, and what each waits for; then, from many starts, a walk over
 * everything that is waited for, until the flow itself comes up again in its own period or a later one.
 */
function unrolled(flows: readonly Flow[], opened: Opened = everyPeriod): boolean {
  interface Node {
    readonly v: number;
    readonly period: string;
    waitsFor: Node[] | null;
  }
  const index = new Map(flows.map(({ id }, v) => [id, v]));
  const nodes = flows.map(() => new Map<string, Node>());
  const node = (v: number, period: string): Node => {
    let found = nodes[v]!.get(period);
    if (found === undefined) {
      found = { v, period, waitsFor: null };
      nodes[v]!.set(period, found);
    }
    return found;
  };
  const next = (at: Node): Node[] => {
    const flow = flows[at.v]!;
    at.waitsFor ??= flow.after.flatMap((edge) =>
      waitsFor(flow, edge, at.period, opened).map((entry) => node(index.get(edge.from)!, entry)),
    );
    return at.waitsFor;
  };
  const hours = flows.some(({ cycle }) => cycle === 'hour');
  const starts: Record<Cycle, string[]> = { hour: [], day: [], month: [] };
  const [from, to] = hours ? ['2027-12', '2028-03'] : ['2027-01', '2029-01'];
  for (let at = from; at < to; at = nextPeriod('month', at)) starts.month.push(at);
  for (let at = '2028-01-28'; at < '2028-03-05'; at = nextPeriod('day', at)) starts.day.push(at);
  for (let at = '2028010112'; at < '2028010212'; at = nextPeriod('hour', at)) starts.hour.push(at);
  const reach = hours ? 4 : 6;
  return flows.some((flow, v) =>
    starts[flow.cycle].some((start) => {
      const month = flow.cycle === 'hour' ? `${start.slice(0, 4)}-${start.slice(4, 6)}` : start.slice(0, 7);
      const [first, last] = [shiftPeriod('month', month, -reach), shiftPeriod('month', month, reach)];
      const inside: Record<Cycle, [string, string]> = {
        month: [first, last],
        day: [`${first}-01`, `${last}-01`],
        hour: [`${first.replace('-', '')}0100`, `${last.replace('-', '')}0100`],
      };
      const queue = [node(v, start)];
      const seen = new Set(queue);
      for (let at = queue.pop(); at !== undefined; at = queue.pop())
        for (const it of next(at)) {
          if (it.v === v && it.period >= start) return true;
          const [early, late] = inside[flows[it.v]!.cycle];
          if (it.period < early || it.period > late || seen.has(it)) continue;
          seen.add(it);
          queue.push(it);
        }
      return false;
    }),
  );
}

const numRuns = runsOr(200);

describe('random catalogues', () => {
  const OFFSETS: Record<Cycle, readonly number[]> = {
    hour: [-50, -24, -23, -1, 1, 24],
    day: [-62, -61, -59, -32, -31, -30, -29, -28, -27, -2, -1, 1, 2, 28, 31],
    month: [-2, -1, -1, 1],
  };
  const mappings = (target: Cycle): PeriodMapping[] => [
    ...(['same', 'same', 'previous', 'lastDayOfMonth', 'everyDayOfMonth', 'everyHourOfDay'] as const),
    ...OFFSETS[target].map((offset) => ({ offset })),
  ];
  const written = fc.array(
    fc.record({
      cycle: fc.constantFrom<Cycle>('day', 'day', 'day', 'month', 'month', 'hour'),
      own: fc.constantFrom<PeriodMapping>('same', 'same', 'same', 'previous', 'lastDayOfMonth', {
        offset: 1,
      }),
      after: fc.array(fc.record({ from: fc.nat(4), mapping: fc.nat(100) }), { minLength: 1, maxLength: 2 }),
    }),
    { minLength: 2, maxLength: 5 },
  );
  type Written = { cycle: Cycle; own: PeriodMapping; after: { from: number; mapping: number }[] }[];
  /** Every edge with one of the mappings that make sense for it; within a run downstream only: those loops are others' matter. */
  const flowsOf = (given: Written): readonly Flow[] => {
    const flows = given.map(({ cycle, own: asked, after }, i) => {
      const period = asked === 'lastDayOfMonth' && cycle !== 'month' ? 'same' : asked;
      const edges = after.flatMap(({ from, mapping }) => {
        const target = given[from]?.cycle;
        if (target === undefined) return [];
        const inRun = (mapping: PeriodMapping): boolean => target === cycle && mapping === 'same';
        const sound = mappings(target).filter((mapping) =>
          inRun(mapping)
            ? from < i
            : mappingProblem(mapping, cycle, mappedCycle(period, cycle), target) === null,
        );
        return sound.length === 0 ? [] : [{ flow: `F${from}`, period: sound[mapping % sound.length] }];
      });
      return { id: `F${i}`, cycle, period, after: edges };
    });
    return check(flows, 'import').flows;
  };

  test('have a loop exactly when the unrolled graph has; every step of a reported loop is one, and removing it ends the loop', {
    timeout: 600_000,
  }, () => {
    const counts = { with: 0, without: 0, mixed: 0 };
    fc.assert(
      fc.property(written, (given) => {
        const flows = flowsOf(given);
        const loops = loopsOf(flows);
        expect(loops.length > 0).toBe(unrolled(flows));
        counts[loops.length > 0 ? 'with' : 'without']++;
        for (const { steps, closing } of loops) {
          if (new Set(steps.map(({ v }) => flows[v]!.cycle)).size > 1) counts.mixed++;
          steps.forEach(({ v, period, u, waitsFor: it, mapping }, i) => {
            const edge = flows[v]!.after.find(
              ({ from, period: asked }) =>
                from === flows[u]!.id && JSON.stringify(asked) === JSON.stringify(mapping),
            )!;
            expect(waitsFor(flows[v]!, edge, period)).toContain(it);
            const next = steps[i + 1];
            if (next !== undefined) expect([next.v, next.period]).toEqual([u, it]);
          });
          expect(steps.at(-1)!.u).toBe(steps[0]!.v);
          expect(steps.at(-1)!.waitsFor >= steps[0]!.period).toBe(true);
          expect(steps).toContainEqual(closing);
        }
        const mended = flows.map((flow, v) => ({
          ...flow,
          after: flow.after.filter(
            ({ from, period }) =>
              !loops.some(
                ({ closing }) =>
                  closing.v === v &&
                  flows[closing.u]!.id === from &&
                  JSON.stringify(closing.mapping) === JSON.stringify(period),
              ),
          ),
        }));
        expect(loopsOf(mended)).toEqual([]);
      }),
      { seed, numRuns },
    );
    console.log('random catalogues:', counts);
    expect(Math.min(counts.with, counts.without, counts.mixed)).toBeGreaterThan(5);
  });

  test('among opened periods: every loop of the unrolled graph is found, and what is reported comes true', {
    timeout: 600_000,
  }, () => {
    const counts = { with: 0, without: 0, saved: 0 };
    const some = fc.constantFrom<string[] | undefined>(undefined, ['P0'], ['P0', 'P1']);
    const scheduled = fc.record({
      given: written.map((flows) =>
        flows.map((flow) => ({ ...flow, cycle: flow.cycle === 'hour' ? ('day' as const) : flow.cycle })),
      ),
      plain: fc.nat(1_000),
      schedules: fc
        .tuple(
          anySchedule('d', 'day', some),
          fc.option(anySchedule('e', 'day', some)),
          fc.option(anySchedule('m', 'month')),
        )
        .map((list) => list.filter((item) => item !== null)),
      calendar: anyCalendar('a').map((entry) => ({ ...entry, timeZone: 'Asia/Shanghai' })),
    });
    fc.assert(
      fc.property(scheduled, ({ given, plain, schedules, calendar }) => {
        const calendars = [calendar];
        const flows = flowsOf(given).map((flow, i) => ({
          ...flow,
          ...(i % 3 === 2 ? {} : { procedure: `P${i % 3}` }),
          after: flow.after.map((edge, k) =>
            (plain >> ((i + k) % 10)) % 2 === 0 || isInRun(edge)
              ? edge
              : { ...edge, calendar: 'plain' as const },
          ),
        }));
        const walked = new Map<string, readonly string[] | null>();
        const sets = new Map(
          flows.map(({ id, cycle, procedure }) => {
            const by = schedules.filter(
              (schedule) =>
                schedule.cycle === cycle && (schedule.procedures?.includes(procedure ?? '') ?? true),
            );
            const key = by.map((entry) => entry.id).join(' ');
            const [from, to] = cycle === 'day' ? ['2025-03-01', '2029-06-30'] : ['2024-01', '2030-12'];
            const set =
              walked.get(key) ??
              (by.length === 0 ? null : [...openedSlowly(by, calendars, cycle, from!, to!)].sort());
            walked.set(key, set);
            return [id, set] as const;
          }),
        );
        const opened: Opened = (of) => sets.get(of)!;
        const loops = loopsOf(flows, new Openings({ schedules, calendars }));
        if (unrolled(flows, opened)) expect(loops.length).toBeGreaterThan(0);
        if (loops.length === 0 && loopsOf(flows).length > 0) counts.saved++;
        counts[loops.length > 0 ? 'with' : 'without']++;
        for (const { steps } of loops) {
          steps.forEach(({ v, period, u, waitsFor: it, mapping }, i) => {
            const edges = flows[v]!.after.filter(
              ({ from, period: asked }) =>
                from === flows[u]!.id && JSON.stringify(asked) === JSON.stringify(mapping),
            );
            expect(edges.flatMap((edge) => waitsFor(flows[v]!, edge, period, opened))).toContain(it);
            const next = steps[i + 1];
            if (next !== undefined) expect([next.v, next.period]).toEqual([u, it]);
          });
          expect([steps.at(-1)!.u, steps.at(-1)!.waitsFor >= steps[0]!.period]).toEqual([steps[0]!.v, true]);
        }
      }),
      { seed, numRuns: runsOr(25), endOnFailure: true },
    );
    console.log('random catalogues with schedules:', counts);
    expect(Math.min(counts.with, counts.without)).toBeGreaterThan(2);
  });
});
