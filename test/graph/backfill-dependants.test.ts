/** Backfills with what has used their results: found, bounded and ordered as a slow search over all flows of all runs says. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planBackfill } from '../../graph/backfill.ts';
import { type Past, type PlannedRun, withDependants } from '../../graph/backfill-dependants.ts';
import { mapPeriod, mappedCycle, mappingProblem, nextPeriod } from '../../graph/calendar.ts';
import { checkCatalogue } from '../../graph/check.ts';
import { type Graph, inflate } from '../../graph/compact.ts';
import { compact } from '../../graph/compile.ts';
import type { Cycle, Flow, PeriodMapping } from '../../graph/model.ts';
import { catalogueText, type ShortFlow } from '../support/estate.ts';
import { runsOr, seed } from '../support/property.ts';

function estate(flows: readonly ShortFlow[]): { flows: readonly Flow[]; graphs: Map<Cycle, Graph> } {
  const checked = checkCatalogue([{ path: 'f.yaml', text: catalogueText(flows) }], 'import');
  const cycles: Cycle[] = ['hour', 'day', 'month'];
  return {
    flows: checked.flows,
    graphs: new Map(cycles.map((cycle) => [cycle, inflate(compact(checked.flows, cycle))])),
  };
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
      ...{ cycle: 'day' as const, from: '2026-10-31', to: '2026-10-31', flows: ['Load'] },
      ...{ downstream: false, order: null, concurrency: null },
    };
    const only = planBackfill(small.graphs.get('day')!, wish);
    expect(() => withDependants(small.graphs, wish, only, months)).toThrow('no dependants');
  });

  test('too many are refused', () => {
    const chain = estate([
      { id: 'D', cycle: 'day' },
      {
        ...{ id: 'H', cycle: 'hour' },
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
  [cycle, from, to]: [Cycle, string, string],
  asked: readonly string[],
  by: Record<Cycle, readonly string[]>,
  record: Past,
): Map<string, Set<string>> {
  const range = periods(cycle, from, to);
  const runs = [...graphs.keys()].flatMap((it) =>
    (it === cycle ? range : by[it]).map((period) => ({ cycle: it, period })),
  );
  const chosen = new Set(range.flatMap((period) => asked.map((flow) => `${cycle} ${period} ${flow}`)));
  for (let grown = true; grown; ) {
    grown = false;
    for (const run of runs)
      for (const flow of flows) {
        const name = `${run.cycle} ${run.period} ${flow.id}`;
        if (flow.cycle !== run.cycle || chosen.has(name)) continue;
        const used = usedBy(flow, run.period).some((it) => chosen.has(it));
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
function usedBy(flow: Flow, period: string): string[] {
  return flow.after.flatMap((edge) => {
    const to = edge.cycle ?? flow.cycle;
    if (mappingProblem(edge.period, flow.cycle, mappedCycle(flow.period, flow.cycle), to) !== null) return [];
    const seen = mapPeriod(flow.period, flow.cycle, period)[0]!;
    const inRun =
      edge.cycle === undefined && (edge.period === 'same' || JSON.stringify(edge.period) === '{"offset":0}');
    const asked = inRun ? [period] : mapPeriod(edge.period, mappedCycle(flow.period, flow.cycle), seen, to);
    return asked.map((it) => `${to} ${it} ${edge.from}`);
  });
}

describe('random estates', () => {
  const SPAN: Record<Cycle, [string, string]> = {
    hour: ['2026103020', '2026110105'],
    day: ['2026-10-27', '2026-11-04'],
    month: ['2026-08', '2026-12'],
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
      after: fc.array(fc.record({ from: fc.nat(9), period: mapping }), { maxLength: 3 }),
    }),
    { minLength: 2, maxLength: 10 },
  );
  const asked = fc.record({ flows: written, seed: fc.nat(1_000), from: fc.nat(4), days: fc.nat(2) });

  test('the same flows of the same runs, each run after those that it waits for', () => {
    let dependants = 0;
    let knots = 0;
    fc.assert(
      fc.property(asked, ({ flows, seed, from, days }) => {
        const given = estate(
          flows.map((it, i) => ({
            ...{
              id: `F${i}`,
              cycle: it.cycle,
              period: it.own === 'lastDayOfMonth' && it.cycle !== 'month' ? 'same' : it.own,
            },
            // Within a run downstream only, so that there is no loop; between runs as it comes.
            after: it.after
              .filter((edge) => edge.from < i || (edge.period !== 'same' && edge.from < flows.length))
              .map((edge) => ({ flow: `F${edge.from}`, period: edge.period })),
          })),
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
        const root = given.flows.find((it) => it.cycle === 'day');
        fc.pre(root !== undefined);
        const range: ['day', string, string] = ['day', by.day[from]!, by.day[from + days]!];
        const wish = {
          ...{ cycle: 'day' as const, from: range[1], to: range[2], flows: [root.id] },
          ...{ downstream: true, order: null, concurrency: null },
        };
        const base = planBackfill(given.graphs.get('day')!, wish);
        const runs = withDependants(given.graphs, wish, base, record);

        const want = slowly(given, range, base.flows!, by, record);
        const got = new Map(runs.map((it) => [`${it.cycle} ${it.period}`, new Set(it.flows ?? base.flows)]));
        expect(got).toEqual(want);

        const place = new Map(runs.map((it, i) => [`${it.cycle} ${it.period}`, i]));
        const needs = runs.map((run, i) => {
          const found = new Set<number>();
          for (const id of run.flows ?? base.flows!)
            for (const used of usedBy(given.flows.find((it) => it.id === id)!, run.period)) {
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
        dependants += runs.filter((it) => it.dependant).length;
        knots += runs.filter((it) => it.together !== null).length;
      }),
      { seed, numRuns: runsOr(400) },
    );
    console.log(`random backfills: ${dependants} runs of dependants, ${knots} runs that stand open together`);
    expect(dependants).toBeGreaterThan(0);
  });
});
