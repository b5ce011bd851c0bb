/**
 * Lateness against a reference (docs/answers.md): for each piece of today's critical path, its time today minus the time of the same kind at the
 * same flow in the reference. The parts add up to the total exactly. Instants of both runs count from the beginnings of their periods. Pure;
 * integer ms.
 */

import { isDone } from '../run/state.ts';
import { PIECE_KINDS, type PieceKind, pathSteps } from './critical-path.ts';
import { generationCount, type History, lastEnd } from './generations.ts';

/**
 * Kinds of parts beside those of pieces. `new`: the whole time of a flow that the reference lacks. `float`: negative; how much longer, in the
 * reference, a flow waited for another upstream than for the one of today's path. `opening`: when the run was opened.
 */
export const PART_KINDS = [...PIECE_KINDS, 'new', 'float', 'opening'] as const;
export type PartKind = (typeof PART_KINDS)[number];

export interface Part {
  /** null = the run: its opening. */
  readonly flow: string | null;
  readonly kind: PartKind;
  /** Time today and in the reference, ms; `today` is 0 for `float`. */
  readonly today: number;
  readonly reference: number;
  /** What the part adds to the lateness, ms: today minus reference. */
  readonly ms: number;
  /** With `float`: the upstream of today's path; null = the opening of the run. */
  readonly upstream: string | null;
}

/** An end of a flow in a reference. */
export interface ReferenceEnd {
  readonly at: number;
  /** The flow's own time before this end, since `readyAt`, when everything above was done; the kinds add up to `at - readyAt`. */
  own(): { readonly readyAt: number; readonly kinds: ReadonlyMap<PieceKind, number> };
}

/** What today is compared with: an earlier run, or a run as it usually is. */
export interface Reference {
  /** Beginning of its business period. */
  readonly startAt: number;
  readonly openedAt: number;
  /**
   * The end of a flow; the last one at `by` or before when it was redone, on a path that ends at `until` (default: there). null = the reference
   * lacks the flow.
   */
  endOf(flow: string, by?: number, until?: number): ReferenceEnd | null;
}

export interface Lateness {
  readonly target: string;
  /** null = not done; `now` counts as its end. */
  readonly endedAt: number | null;
  readonly now: number;
  /** When it would have been done with the times of the reference. */
  readonly expectedAt: number;
  /** (endedAt or now) - expectedAt; negative = early, or not due yet. */
  readonly total: number;
  /** In order of time along today's path; none is 0. */
  readonly parts: readonly Part[];
  /** The largest positive part, the earlier one of equals; null when nothing is later. */
  readonly mainCause: Part | null;
  /** Flows of today's path from the opening on. */
  readonly flows: readonly string[];
}

/** An earlier run as a reference; `startAt` is the beginning of its period. Each call of `endOf` and `own` costs O(in-degree). */
export function referenceRun(at: History, startAt: number): Reference {
  const { facts, s } = at;
  const { openedAt } = facts;
  const own = (
    v: number,
    end: { at: number; index: number; until: number },
  ): ReturnType<ReferenceEnd['own']> => {
    const kinds = new Map<PieceKind, number>();
    let readyAt = end.at;
    for (const step of pathSteps(at, v, end)) {
      if (step.v !== v) break;
      readyAt = step.from;
      for (const { kind, ms } of step.pieces) kinds.set(kind, (kinds.get(kind) ?? 0) + ms);
    }
    return { readyAt, kinds };
  };
  return {
    startAt,
    openedAt,
    endOf(flow, by, until) {
      const v = facts.vertexOf(flow);
      if (v < 0) return null;
      const present = isDone(s, v) ? { at: facts.resultAt[v]!, index: generationCount(at, v) - 1 } : null;
      const found = by === undefined ? present : (lastEnd(at, v, by) ?? present);
      if (found === null) return null;
      const end = { ...found, at: Math.max(openedAt, found.at) };
      return { at: end.at, own: () => own(v, { ...end, until: until ?? end.at }) };
    },
  };
}

/**
 * The lateness of a target; null when the reference lacks the target. `startAt` is the beginning of today's period. O(V + E) at worst, usually
 * the edges into the flows of the path, in both runs.
 */
export function lateness(
  today: History,
  target: number,
  startAt: number,
  reference: Reference,
): Lateness | null {
  const { graph, s, facts } = today;
  const id = graph.ids[target]!;
  const referenceEnd = reference.endOf(id);
  if (referenceEnd === null) return null;
  /** Everything that the reference did after this instant has been compared. */
  let at = referenceEnd.at;
  /** Latest first. */
  const parts: Part[] = [];
  const add = (
    flow: string | null,
    kind: PartKind,
    { today, reference }: Pick<Part, 'today' | 'reference'>,
    upstream: string | null = null,
  ) => {
    parts.push({ flow, kind, today, reference, ms: today - reference, upstream });
  };
  const compared = new Set<string>();
  const flows: string[] = [];
  /** The last flow that both runs have; the next `float` counts at it. */
  let join = id;
  let end = 0;
  for (const { flow, kinds, to } of flowsBack(today, target)) {
    if (flows.length === 0) end = to;
    flows.push(flow);
    const again = compared.has(flow);
    const endThen = again
      ? null
      : flows.length === 1
        ? referenceEnd
        : reference.endOf(flow, at, referenceEnd.at);
    if (endThen === null) {
      // The path enters it again because it was redone: its time in the reference has been compared already.
      for (const [piece, ms] of kinds) add(flow, again ? piece : 'new', { today: ms, reference: 0 });
      continue;
    }
    compared.add(flow);
    add(join, 'float', { today: 0, reference: at - endThen.at }, flow);
    const then = endThen.own();
    for (const piece of PIECE_KINDS.toReversed())
      add(flow, piece, { today: kinds.get(piece) ?? 0, reference: then.kinds.get(piece) ?? 0 });
    at = then.readyAt;
    join = flow;
  }
  add(join, 'float', { today: 0, reference: at - reference.openedAt });
  const opening = { today: facts.openedAt - startAt, reference: reference.openedAt - reference.startAt };
  add(null, 'opening', opening);
  parts.reverse();
  const expectedAt = referenceEnd.at + startAt - reference.startAt;
  const summed = merged(parts);
  return {
    target: id,
    endedAt: isDone(s, target) ? facts.resultAt[target]! : null,
    now: facts.now,
    expectedAt,
    total: end - expectedAt,
    parts: summed,
    mainCause: largest(summed),
    flows: flows.toReversed(),
  };
}

interface Stay {
  readonly flow: string;
  readonly kinds: Map<PieceKind, number>;
  readonly to: number;
}

/** The stays of the path at one flow after the other, latest first. */
function* flowsBack(at: History, target: number): Generator<Stay> {
  let stay: Stay | null = null;
  for (const { v, to, pieces } of pathSteps(at, target)) {
    const flow = at.graph.ids[v]!;
    if (stay !== null && stay.flow !== flow) {
      yield stay;
      stay = null;
    }
    stay ??= { flow, kinds: new Map(), to };
    for (const { kind, ms } of pieces) stay.kinds.set(kind, (stay.kinds.get(kind) ?? 0) + ms);
  }
  if (stay !== null) yield stay;
}

/** Adds up parts of the same flow and kind, and leaves out those that are 0. */
function merged(parts: readonly Part[]): Part[] {
  const byName = new Map<string, Part>();
  for (const part of parts) {
    const name = JSON.stringify([part.flow, part.kind, part.upstream]);
    const before = byName.get(name);
    const today = part.today + (before?.today ?? 0);
    const reference = part.reference + (before?.reference ?? 0);
    byName.set(name, { ...part, today, reference, ms: today - reference });
  }
  return [...byName.values()].filter((part) => part.ms !== 0);
}

function largest(parts: readonly Part[]): Part | null {
  let main: Part | null = null;
  for (const part of parts) if (part.ms > (main?.ms ?? 0)) main = part;
  return main;
}
