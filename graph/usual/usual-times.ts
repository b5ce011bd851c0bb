/** What is usual for the flows of a run, by vertex: how long they run and when they end. Plain arrays: 13,000 flows take 1 MB. */
import { EXPECTED_ORIGINS, type Expected, expectedOf, type Known } from './expected.ts';
import type { UsualEnd } from './reference-time.ts';

/** What is known of a flow. */
export interface UsualFlow extends Known {
  /** Average of the last week; null = it did not run. */
  readonly weekMs: number | null;
  readonly end: UsualEnd | null;
}

export interface UsualTimes {
  /** Medians. */
  readonly durations: Float64Array;
  expected(v: number): Expected;
  /** What a running flow is compared with, ms: its average of the last week, else its median; null when it has no past. */
  usualMs(v: number): number | null;
  end(v: number): UsualEnd | null;
}

const NONE = -1;

/** Collects what is known of `n` flows into arrays by vertex. O(n). */
export function usualTimes(n: number, flowOf: (v: number) => UsualFlow): UsualTimes {
  const [p10, p50, p90, week, end] = Array.from({ length: 5 }, () => new Float64Array(n)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const [runs, ends, origin] = [new Int32Array(n), new Int32Array(n), new Uint8Array(n)];
  for (let v = 0; v < n; v++) {
    const flow = flowOf(v);
    const found = expectedOf(flow);
    p10[v] = found.p10;
    p50[v] = found.p50;
    p90[v] = found.p90;
    runs[v] = found.n;
    origin[v] = EXPECTED_ORIGINS.indexOf(found.origin);
    const own = found.origin === 'class' || found.origin === 'own';
    week[v] = flow.weekMs ?? (own ? found.p50 : NONE);
    end[v] = flow.end?.ms ?? 0;
    ends[v] = flow.end?.n ?? 0;
  }
  return {
    durations: p50,
    expected: (v) => ({
      p10: p10[v]!,
      p50: p50[v]!,
      p90: p90[v]!,
      n: runs[v]!,
      origin: EXPECTED_ORIGINS[origin[v]!]!,
    }),
    usualMs: (v) => (week[v] === NONE ? null : week[v]!),
    end: (v) => (ends[v] === 0 ? null : { ms: end[v]!, n: ends[v]! }),
  };
}
