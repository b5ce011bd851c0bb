/** Backfills with what has used their results: found, bounded and ordered as a slow search over all flows of all runs says. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  mapPeriod,
  mappedCycle,
  mappingProblem,
  nextPeriod,
  shiftOf,
} from '../../../graph/calendar/calendar.ts';
import { Openings } from '../../../graph/calendar/openings.ts';
import { checkCatalogue } from '../../../graph/catalogue/check.ts';
import { type Graph, inflate } from '../../../graph/compiled/compact.ts';
import { compact } from '../../../graph/compiled/compile.ts';
import { planBackfill } from '../../../graph/impact/backfill.ts';
import { type Past, type PlannedRun, withDependants } from '../../../graph/impact/backfill-dependants.ts';
import type { Cycle, EdgeSpec, Flow, PeriodMapping, Schedule } from '../../../graph/model.ts';
import { type AnyCalendar, anyCalendar, anySchedule, openedSlowly } from '../../support/any-schedules.ts';
import { catalogueText, type ShortFlow } from '../../support/estate.ts';
import { runsOr, seed } from '../../support/property.ts';

function estate(flows: readonly ShortFlow[], frame: Timing = { schedules: [], calendars: [] }) {
  const checked = checkCatalogue([{ path: 'f.yaml', text: catalogueText(flows) }], 'import');
  const cycles: Cycle[] = ['hour', 'day', 'month'];
  const openings = new Openings(frame);
  const graphOf = (cycle: Cycle): Graph =>
    inflate(compact(checked.flows, cycle, undefined, openings), openings);
  return { flows: checked.flows, graphs: new Map(cycles.map((cycle) => [cycle, graphOf(cycle)])) };
}

interface Timing {
  readonly schedules: readonly Schedule[];
  readonly calendars: readonly AnyCalendar[];
}

function periods(cycle: Cycle, from: string, to: string): string[] {
  const list: string[] = [];
  for (let at = from; at <= to; at = nextPeriod(cycle, at)) list.push(at);
  return list;
}

const past = (
  by: Partial<Record<Cycle, readonly string[]>>,
  hasNot: (cycle: Cycle, period: string, flow: string) => boolean = () => false,
): Past => ({
  periods: (cycle) => by[cycle] ?? [],
  hasRun: (cycle, period, flow) => by[cycle]?.includes(period) === true && !hasNot(cycle, period, flow),
});

function plan(
  { graphs }: ReturnType<typeof estate>,
  [cycle, from, to]: [Cycle, string, string],
  roots: string[] | null,
  record: Past,
): PlannedRun[] {
  const wish = { cycle, from, to, flows: roots, downstream: true, order: null, concurrency: null };
  return withDependants(graphs, wish, planBackfill(graphs.get(cycle)!, wish), record);
}

const shown = (runs: readonly PlannedRun[]): string[] =>
  runs.map(
    ({ cycle, period, flows, together }) =>
      `${cycle} ${period}: ${flows?.join(' ') ?? '*'}${together === null ? '' : ` #${together}`}`,
  );

describe('what has used the results is redone with them', () => {
  const small = estate([
    { id: 'Load', cycle: 'day' },
    { id: 'Other', cycle: 'day' },
    { id: 'Sum', cycle: 'day', after: ['Load'] },
    { id: 'Rate', cycle: 'day', after: [{ flow: 'Close', period: 'previous' }] },
    { id: 'Use', cycle: 'day', after: ['Rate'] },
    { id: 'Bill', after: [{ flow: 'Sum', period: 'everyDayOfMonth' }] },
    { id: 'Close', after: ['Bill'] },
    { id: 'Apart' },
  ]);
  const months = past({
    month: ['2026-10', '2026-11'],
    day: periods('day', '2026-10-01', '2026-12-05'),
  });

  test('the month that used the days, after them, for just those flows', () => {
    expect(shown(plan(small, ['day', '2026-10-30', '2026-11-01'], ['Load'], months))).toEqual([
      'day 2026-10-30: *',
      'day 2026-10-31: *',
      'month 2026-10: Bill Close',
      'day 2026-11-01: Load Rate Sum Use',
      'month 2026-11: Bill Close',
    ]);
  });

  test('what has not run yet will use the new results by itself, and so will what waits for it', () => {
    const notYet = past(
      { month: ['2026-10', '2026-11'] },
      (_cycle, period, flow) => period === '2026-11' && flow === 'Bill',
    );
    expect(shown(plan(small, ['day', '2026-10-31', '2026-11-01'], ['Load'], notYet))).toEqual([
      'day 2026-10-31: *',
      'month 2026-10: Bill Close',
      'day 2026-11-01: *',
    ]);
  });

  test('an edge over periods may lead back into its own run: only who has run is redone', () => {
    const backAgain = estate([
      { id: 'A', cycle: 'day' },
      { id: 'B', cycle: 'day', period: 'previous', after: [{ flow: 'A', period: { offset: 1 } }] },
    ]);
    const record = past(
      { day: ['2026-10-30', '2026-10-31'] },
      (_cycle, period, flow) => period === '2026-10-31' && flow === 'B',
    );
    expect(shown(plan(backAgain, ['day', '2026-10-30', '2026-10-31'], ['A'], record))).toEqual([
      'day 2026-10-30: A B',
      'day 2026-10-31: *',
    ]);
  });

  test('runs that wait for each other both ways are marked to be open together', () => {
    const knotted = estate([
      { id: 'A', cycle: 'day' },
      { id: 'C', cycle: 'day', after: [{ flow: 'M', period: 'same' }] },
      { id: 'M', after: [{ flow: 'A', period: 'lastDayOfMonth' }] },
    ]);
    const record = past({ month: ['2026-10'], day: ['2026-10-30', '2026-10-31'] });
    expect(shown(plan(knotted, ['day', '2026-10-30', '2026-10-31'], ['A'], record))).toEqual([
      'day 2026-10-31: A C #1',
      'month 2026-10: M #1',
      'day 2026-10-30: A C',
    ]);
  });

  test('flows without what is downstream of them have no dependants', () => {
    const wish = {
      cycle: 'day' as const,
      from: '2026-10-31',
      to: '2026-10-31',
      flows: ['Load'],
      downstream: false,
      order: null,
      concurrency: null,
    };
    const only = planBackfill(small.graphs.get('day')!, wish);
    expect(() => withDependants(small.graphs, wish, only, months)).toThrow('no dependants');
  });

  test('too many are refused', () => {
    const chain = estate([
      { id: 'D', cycle: 'day' },
      {
        id: 'H',
        cycle: 'hour',
        after: [
          { flow: 'D', period: 'same' },
          { flow: 'H', period: 'previous' },
        ],
      },
    ]);
    const record = past({ day: ['2026-10-01'], hour: periods('hour', '2026100100', '2026112000') });
    expect(() => plan(chain, ['day', '2026-10-01', '2026-10-01'], null, record)).toThrow(
      'more than 1000 runs',
    );
  });
});

/**
 * All (run, flow) that may be redone, and which of them use which, asked one by one.
 * `asked`: the flows of the backfill, with what is downstream of them within a run: they are redone whether they have run or not.
 */
function slowly(
  { flows, graphs }: ReturnType<typeof estate>,
  range: readonly string[],
  cycle: Cycle,
  asked: readonly string[],
  by: Record<Cycle, readonly string[]>,
  record: Past,
  usedBy: (flow: Flow, period: string) => string[],
): Map<string, Set<string>> {
  const runs = [...graphs.keys()].flatMap((key) =>
    (key === cycle ? range : by[key]).map((period) => ({ cycle: key, period })),
  );
  const chosen = new Set(range.flatMap((period) => asked.map((flow) => `${cycle} ${period} ${flow}`)));
  for (let grown = true; grown; ) {
    grown = false;
    for (const run of runs)
      for (const flow of flows) {
        const name = `${run.cycle} ${run.period} ${flow.id}`;
        if (flow.cycle !== run.cycle || chosen.has(name)) continue;
        const used = usedBy(flow, run.period).some((entry) => chosen.has(entry));
        if (!used || !record.hasRun(run.cycle, run.period, flow.id)) continue;
        chosen.add(name);
        grown = true;
      }
  }
  const found = new Map<string, Set<string>>();
  for (const name of chosen) {
    const [c, p, id] = name.split(' ') as [string, string, string];
    const key = `${c} ${p}`;
    found.set(key, (found.get(key) ?? new Set()).add(id));
  }
  return found;
}

/** `cycle period flow` of everything that a flow of a run waits for. */
const usedIn =
  (flows: readonly Flow[], mapping: typeof mapSlowly) =>
  (flow: Flow, period: string): string[] =>
    flow.after.flatMap((edge) => {
      const to = edge.cycle ?? flow.cycle;
      const own = mappedCycle(flow.period, flow.cycle);
      if (mappingProblem(edge.period, flow.cycle, own, to) !== null) return [];
      const seen = mapPeriod(flow.period, flow.cycle, period)[0]!;
      const inRun =
        edge.cycle === undefined &&
        (edge.period === 'same' || JSON.stringify(edge.period) === '{"offset":0}');
      const upstream = flows.find((flow) => flow.id === edge.from)!;
      const asked = inRun ? [period] : mapping(edge, upstream, own, seen, to);
      return asked.map((entry) => `${to} ${entry} ${edge.from}`);
    });

/** What an edge asks for, among the periods that a slow walk over all slots finds (null: all of them). */
const mapSlowly = (
  edge: EdgeSpec,
  upstream: Flow,
  own: Cycle,
  seen: string,
  to: Cycle,
  opened: (of: Flow) => ReadonlySet<string> | null = () => null,
): string[] => {
  const plain = mapPeriod(edge.period, own, seen, to);
  const set = edge.calendar === 'plain' ? null : opened(upstream);
  if (set === null) return plain;
  const shift = shiftOf(edge.period);
  if (shift === null)
    return edge.period === 'lastDayOfMonth' ? plain : plain.filter((entry) => set.has(entry));
  if (shift >= 0) return plain;
  const holder = mapPeriod('same', own, seen, to)[0]!;
  return [
    [...set]
      .filter((entry) => entry < holder)
      .sort()
      .at(shift)!,
  ];
};

describe('random estates', () => {
  const SPAN: Record<Cycle, [string, string]> = {
    hour: ['2028032420', '2028032705'],
    day: ['2028-03-21', '2028-04-04'],
    month: ['2028-01', '2028-06'],
  };
  /** In which the slow walk looks for opened periods: an estate of which it finds too few is left out. */
  const LOOKED: Record<Cycle, [string, string]> = {
    hour: ['2028032200', '2028032923'],
    day: ['2028-01-01', '2028-04-30'],
    month: ['2027-07', '2028-08'],
  };
  const cycle = fc.constantFrom<Cycle>('hour', 'day', 'month');
  const mapping = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom<PeriodMapping>('same', 'previous') },
    {
      weight: 2,
      arbitrary: fc.constantFrom<PeriodMapping>('lastDayOfMonth', 'everyDayOfMonth', 'everyHourOfDay'),
    },
    { weight: 1, arbitrary: fc.integer({ min: -3, max: 2 }).map((offset) => ({ offset })) },
  );
  const written = fc.array(
    fc.record({
      cycle,
      own: fc.constantFrom<PeriodMapping>('same', 'same', 'previous', 'lastDayOfMonth'),
      after: fc.array(fc.record({ from: fc.nat(9), period: mapping, plain: fc.boolean() }), { maxLength: 3 }),
      procedure: fc.constantFrom('P1', 'P2', undefined),
    }),
    { minLength: 2, maxLength: 10 },
  );
  const some = fc.constantFrom<string[] | undefined>(undefined, ['P1'], ['P1', 'P2']);
  const timing = fc.record({
    schedules: fc
      .tuple(
        ...(['hour', 'day', 'day', 'month'] as const).map((entry, i) =>
          fc.option(anySchedule(`s${i}`, entry, some), { freq: 2 }),
        ),
      )
      .map((list) => list.filter((item) => item !== null)),
    calendars: fc.tuple(anyCalendar('a'), anyCalendar('b')),
  });
  const none = fc.constant<Timing>({ schedules: [], calendars: [] });
  const asked = fc.record({ flows: written, seed: fc.nat(1_000), from: fc.nat(6), days: fc.nat(8) });

  test.each([
    ['every period is opened', none, 400],
    ['schedules open some of the periods', timing, 150],
  ] as const)(
    'the same flows of the same runs, each run after those that it waits for: %s',
    (_name, frames, usual) => {
      let dependants = 0;
      let knots = 0;
      fc.assert(
        fc.property(asked, frames, ({ flows, seed, from, days }, frame) => {
          const given = estate(
            flows.map((flow, i) => ({
              id: `F${i}`,
              cycle: flow.cycle,
              ...(flow.procedure === undefined ? {} : { procedure: flow.procedure }),
              period: flow.own === 'lastDayOfMonth' && flow.cycle !== 'month' ? 'same' : flow.own,
              // Within a run downstream only, so that there is no loop; between runs as it comes.
              after: flow.after
                .filter((edge) => edge.from < i || (edge.period !== 'same' && edge.from < flows.length))
                .map((edge) => ({
                  flow: `F${edge.from}`,
                  period: edge.period,
                  ...(edge.plain ? { calendar: 'plain' } : {}),
                })),
            })),
            frame,
          );
          const by = Object.fromEntries(
            Object.entries(SPAN).map(([it, [a, b]]) => [it, periods(it as Cycle, a, b)]),
          ) as Record<Cycle, string[]>;
          let odd = seed;
          const missing = new Set<string>();
          for (const it of given.flows)
            for (const period of by[it.cycle]) {
              odd = (odd * 1_103_515_245 + 12_345) % 2_147_483_648;
              if (odd % 7 === 0) missing.add(`${period} ${it.id}`);
            }
          const record = past(by, (_cycle, period, flow) => missing.has(`${period} ${flow}`));
          const root = given.flows.find((flow) => flow.cycle === 'day');
          fc.pre(root !== undefined);
          const walked = new Map<string, ReadonlySet<string> | null>();
          const opened = ({ cycle, procedure }: Flow): ReadonlySet<string> | null => {
            const covering = frame.schedules.filter(
              (schedule) =>
                schedule.cycle === cycle && (schedule.procedures?.includes(procedure ?? '') ?? true),
            );
            if (covering.length === 0) return null;
            const key = `${cycle} ${covering.map(({ id }) => id)}`;
            const found = walked.get(key) ?? openedSlowly(covering, frame.calendars, cycle, ...LOOKED[cycle]);
            walked.set(key, found);
            return found;
          };
          const usedBy = usedIn(given.flows, (edge, upstream, own, seen, to) => {
            const found = mapSlowly(edge, upstream, own, seen, to, opened);
            fc.pre(!found.includes(undefined as never));
            return found;
          });
          const span = by.day.slice(from, from + days + 1);
          const range = span.filter((entry) => opened(root)?.has(entry) ?? true);
          fc.pre(range.length > 0);
          const wish = {
            cycle: 'day' as const,
            from: span[0]!,
            to: span.at(-1)!,
            flows: [root.id],
            downstream: true,
            order: null,
            concurrency: null,
          };
          const base = planBackfill(given.graphs.get('day')!, wish);
          expect([...base.periods].sort()).toEqual(range);
          const runs = withDependants(given.graphs, wish, base, record);

          const want = slowly(given, range, 'day', base.flows!, by, record, usedBy);
          const got = new Map(
            runs.map((run) => [`${run.cycle} ${run.period}`, new Set(run.flows ?? base.flows)]),
          );
          expect(got).toEqual(want);

          const place = new Map(runs.map((run, i) => [`${run.cycle} ${run.period}`, i]));
          const needs = runs.map((run, i) => {
            const found = new Set<number>();
            for (const id of run.flows ?? base.flows!)
              for (const used of usedBy(given.flows.find((flow) => flow.id === id)!, run.period)) {
                const [c, p, u] = used.split(' ') as [string, string, string];
                const other = place.get(`${c} ${p}`);
                if (other !== undefined && other !== i && want.get(`${c} ${p}`)!.has(u)) found.add(other);
              }
            return found;
          });
          const reach = needs.map((_, i) => {
            const seen = new Set([i]);
            for (const at of seen) for (const next of needs[at]!) seen.add(next);
            return seen;
          });
          runs.forEach((run, i) => {
            for (const u of needs[i]!) {
              const both = reach[u]!.has(i);
              if (!both) expect(u).toBeLessThan(i);
              expect(run.together !== null && run.together === runs[u]!.together).toBe(both);
            }
          });
          dependants += runs.filter((run) => run.dependant).length;
          knots += runs.filter((run) => run.together !== null).length;
        }),
        { seed, numRuns: runsOr(usual) },
      );
      console.log(
        `random backfills: ${dependants} runs of dependants, ${knots} runs that stand open together`,
      );
      expect(dependants).toBeGreaterThan(0);
    },
  );
});
