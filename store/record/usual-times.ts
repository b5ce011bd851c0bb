/** What is usual, as it was learned (store/history/expected.ts), for the flows of a run. Reading only. */
import { durationClass } from '../../graph/calendar/day-class.ts';
import { DEFAULT_CALENDAR } from '../../graph/calendar/work-days.ts';
import type { Cycle } from '../../graph/model.ts';
import { alikeKey, type Spread } from '../../graph/usual/expected.ts';
import { type UsualTimes, usualTimes } from '../../graph/usual/usual-times.ts';
import type { CatalogueVersion, CycleGraph } from '../catalogue/catalogue.ts';
import type { Queryable } from '../schema/pool.ts';
import { readRows } from '../schema/rows-as-text.ts';

/** A run's cycle, period and catalogue. */
export interface UsualOf {
  readonly run: { readonly cycle: Cycle; readonly period: string };
  readonly version: CatalogueVersion;
}

/** Time in ms for which what was read is given without a look whether something was learned since. */
const TRUSTED_MS = 60_000;

/** One statement at most once a minute, two after something was learned: reading 13,000 flows takes 60 ms. */
export async function readUsual(client: Queryable, { run, version }: UsualOf): Promise<UsualTimes> {
  const { cycle, period } = run;
  const { graph, index, usual } = version.graphOf(cycle);
  const dayClass = durationClass(cycle, period, version.frame.calendars[0] ?? DEFAULT_CALENDAR);
  const known = usual.get(dayClass);
  if (known !== undefined && performance.now() - known.lookedAt < TRUSTED_MS) return known.times;
  const learnedAt = await readLearnedAt(client, cycle);
  if (known !== undefined && known.learnedAt === learnedAt) {
    known.lookedAt = performance.now();
    return known.times;
  }
  const times = await readTimes(client, { cycle, dayClass, version, cycleGraph: { graph, index } });
  usual.set(dayClass, { times, learnedAt, lookedAt: performance.now() });
  return times;
}

/** 0 = never. */
async function readLearnedAt(client: Queryable, cycle: Cycle): Promise<number> {
  const found = await client.query<{ at: number }>({
    name: 'expected-learned-at',
    text: 'select learned_ms as at from expected_learned where cycle = $1',
    values: [cycle],
  });
  return found.rows[0]?.at ?? 0;
}

interface Own {
  spread: Spread | null;
  sameClass: Spread | null;
  weekMs: number | null;
  end: { ms: number; n: number } | null;
}

async function readTimes(
  client: Queryable,
  asked: {
    readonly cycle: Cycle;
    readonly dayClass: string;
    readonly version: CatalogueVersion;
    readonly cycleGraph: Pick<CycleGraph, 'graph' | 'index'>;
  },
): Promise<UsualTimes> {
  const { cycle, dayClass, version, cycleGraph } = asked;
  const series = new Map<string, Own>();
  for (const [of, name, n, p10, p50, p90, weekMs, endN, endMs] of await readRows(client, {
    name: 'expected-times',
    columns: ['day_class', 'series', 'n', 'p10_ms', 'p50_ms', 'p90_ms', 'week_ms', 'end_n', 'end_ms'],
    from: `from expected_times where cycle = $1 and day_class in ('', $2)`,
    values: [cycle, dayClass],
  })) {
    const own = series.get(name!) ?? { spread: null, sameClass: null, weekMs: null, end: null };
    series.set(name!, own);
    const spread = n === '0' ? null : { n: Number(n), p10: Number(p10), p50: Number(p50), p90: Number(p90) };
    if (of !== '') own.sameClass = spread;
    else {
      own.spread = spread;
      if (weekMs !== '') own.weekMs = Number(weekMs);
      if (endN !== '') own.end = { ms: Number(endMs), n: Number(endN) };
    }
  }
  return usualTimes(cycleGraph.graph.n, (v) => {
    const id = cycleGraph.graph.ids[v]!;
    const flow = version.flows.get(id)!;
    const own = series.get(id);
    return {
      sameClass: own?.sameClass ?? null,
      own: own?.spread ?? null,
      configuredMs: flow.expectedMs ?? null,
      alike: series.get(alikeKey(cycle, flow))?.spread ?? null,
      weekMs: own?.weekMs ?? null,
      end: own?.end ?? null,
    };
  });
}
