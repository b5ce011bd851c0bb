/**
 * A run that went as it usually goes, as a reference of lateness (docs/answers.md): every flow ends at its reference time and has run as long as
 * expected; a flow without a reference time ends its expected duration after what is above it. Pure; ms.
 */
import type { Graph } from '../compiled/compact.ts';
import type { PieceKind } from './generations.ts';
import type { Reference } from './lateness.ts';

export interface UsualRun {
  readonly graph: Graph;
  /** Beginning of its period, and when it is usually opened. */
  readonly startAt: number;
  readonly openedAt: number;
  /** By vertex. Reference times and start times, 0 = none; how long it runs, or a person takes. */
  readonly dueAt: Float64Array;
  readonly startTime: Float64Array;
  readonly durations: Float64Array;
  readonly vertexOf: (flow: string) => number;
}

/**
 * Percentiles of neighbours need not agree: an upstream whose reference time lies after the usual start of the flow below it counts, seen from
 * there, as done just in time. O(V + E), then O(in-degree) a question.
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

/** The engine takes no time. */
const durationIn = ({ graph, durations }: UsualRun, v: number): number =>
  graph.attrOf(v).runner === 'engine' ? 0 : Math.round(durations[v]!);

function endsOf(run: UsualRun): Float64Array {
  const { graph, dueAt, startTime } = run;
  const ends = new Float64Array(graph.n);
  for (let v = 0; v < graph.n; v++)
    ends[v] = dueAt[v]! || Math.max(freeAt(run, ends, v), startTime[v]!) + durationIn(run, v);
  return ends;
}

/** When everything above it was done. */
function freeAt({ graph, openedAt }: UsualRun, ends: Float64Array, v: number): number {
  let free = openedAt;
  for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++)
    if (graph.loopEdge[e] === 0) free = Math.max(free, ends[graph.up[e]!]!);
  return free;
}
