/**
 * A run as it usually is, as a reference for lateness (docs/answers.md): every flow runs for its expected duration and ends at its reference time;
 * without one, it starts when everything above it is done. Pure; ms.
 */
import type { Graph } from '../compiled/compact.ts';
import type { PieceKind } from './generations.ts';
import type { Reference } from './lateness.ts';

export interface UsualRun {
  readonly graph: Graph;
  /** Beginning of its period, and when it is usually opened. */
  readonly startAt: number;
  readonly openedAt: number;
  /** Per vertex, ms: reference times and start times (0 = none), and how long it runs or its person takes. */
  readonly dueAt: Float64Array;
  readonly startTime: Float64Array;
  readonly durations: Float64Array;
  readonly vertexOf: (flow: string) => number;
}

/**
 * Makes the reference. Reference times of neighbours need not fit together: seen from a flow below, an upstream with a reference time after the
 * usual start of that flow counts as done just in time. O(V + E), then O(in-degree) for each call of `endOf`.
 */
export function usualRun(run: UsualRun): Reference {
  const { graph, startAt, openedAt, startTime, vertexOf } = run;
  const ends = endsOf(run);
  const durationOf = (v: number): number => durationIn(run, v);
  return {
    startAt,
    openedAt,
    endOf(flow, by) {
      const v = vertexOf(flow);
      if (v < 0) return null;
      const at = by === undefined ? ends[v]! : Math.max(openedAt, Math.min(ends[v]!, by));
      return {
        at,
        own: () => {
          const kinds = new Map<PieceKind, number>();
          const began = Math.max(Math.min(openedAt, at), at - durationOf(v));
          const kind = graph.attrOf(v).runner === 'person' ? 'waiting_person' : 'run';
          if (at > began) kinds.set(kind, at - began);
          const free = freeAt(run, ends, v);
          const waited = startTime[v]! <= began ? Math.max(0, startTime[v]! - free) : 0;
          if (waited > 0) kinds.set('waiting_time', waited);
          return { readyAt: began - waited, kinds };
        },
      };
    },
  };
}

/** How long a flow takes, ms; flows of the engine take no time. */
const durationIn = ({ graph, durations }: UsualRun, v: number): number =>
  graph.attrOf(v).runner === 'engine' ? 0 : Math.round(durations[v]!);

function endsOf(run: UsualRun): Float64Array {
  const { graph, dueAt, startTime } = run;
  const ends = new Float64Array(graph.n);
  for (let v = 0; v < graph.n; v++)
    ends[v] = dueAt[v]! || Math.max(freeAt(run, ends, v), startTime[v]!) + durationIn(run, v);
  return ends;
}

/** When everything above the flow is done, ms. O(in-degree). */
function freeAt({ graph, openedAt }: UsualRun, ends: Float64Array, v: number): number {
  let free = openedAt;
  for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++)
    if (graph.loopEdge[e] === 0) free = Math.max(free, ends[graph.up[e]!]!);
  return free;
}
