/**
 * Lateness against a reference (docs/answers.md): today's path is walked, and each piece counts today minus the same flow's piece of the same kind
 * in the reference. The parts add up to the total exactly. Pure; integer ms; instants of the two runs are compared as distances from the
 * beginnings of their periods.
 */

import { isDone } from '../run/state.ts';
import { PIECE_KINDS, type PieceKind, pathSteps } from './critical-path.ts';
import { generationCount, type History, lastEnd } from './generations.ts';

/**
 * Beside the pieces: `new`, all the time of a flow that the reference lacks; `float`, how much longer the reference waited at a join for
 * something else than for the upstream that today's path came from, as a negative part; `opening`, when the run was opened.
 */
export const PART_KINDS = [...PIECE_KINDS, 'new', 'float', 'opening'] as const;
export type PartKind = (typeof PART_KINDS)[number];

export interface Part {
  /** null: of the run, its opening. */
  readonly flow: string | null;
  readonly kind: PartKind;
  /** Time today and in the reference, ms; of `float` today is 0. */
  readonly today: number;
  readonly reference: number;
  /** What it adds to the lateness: today minus reference. */
  readonly ms: number;
  /** Of `float`: the upstream that today's path came from; null = from the opening. */
  readonly upstream: string | null;
}

/** An end of a flow in a reference. */
export interface ReferenceEnd {
  readonly at: number;
  /** The flow's own time up to it: since the last thing above it was done, `readyAt`; the kinds sum up to `at - readyAt`. */
  own(): { readonly readyAt: number; readonly kinds: ReadonlyMap<PieceKind, number> };
}

/** What today is compared with: a run that was, or one that should have been. */
export interface Reference {
  /** Beginning of its business period. */
  readonly startAt: number;
  readonly openedAt: number;
  /** The flow's end; of several (it was redone) the last one by `by`. null when the reference lacks the flow. */
  endOf(flow: string, by?: number): ReferenceEnd | null;
}

export interface Lateness {
  readonly target: string;
  /** null: not done; `now` counts as its end for the time being. */
  readonly endedAt: number | null;
  readonly now: number;
  /** When it would have been done as in the reference. */
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

/** A run that happened as a reference; `startAt` is the beginning of its period. Each question costs O(in-degree). */
export function referenceRun(at: History, startAt: number): Reference {
  const { facts, s } = at;
  const { openedAt } = facts;
  const own = (v: number, end: { at: number; index: number }): ReturnType<ReferenceEnd['own']> => {
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
    endOf(flow, by) {
      const v = facts.vertexOf(flow);
      if (v < 0) return null;
      const present = isDone(s, v) ? { at: facts.resultAt[v]!, index: generationCount(at, v) - 1 } : null;
      const found = by === undefined ? present : (lastEnd(at, v, by) ?? present);
      if (found === null) return null;
      const end = { ...found, at: Math.max(openedAt, found.at) };
      return { at: end.at, own: () => own(v, end) };
    },
  };
}

/**
 * null when the reference lacks the target: there is nothing to be late against. `startAt` is the beginning of today's period. O(V + E) at
 * worst, in practice the edges into the flows of the path, in both runs.
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
  /** Where the reference stands: everything it did after this instant is compared. */
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
  /** The last flow that both runs have: the join at which the reference's float counts. */
  let join = id;
  let end = 0;
  for (const { flow, kinds, to } of flowsBack(today, target)) {
    if (flows.length === 0) end = to;
    flows.push(flow);
    const again = compared.has(flow);
    const endThen = again ? null : flows.length === 1 ? referenceEnd : reference.endOf(flow, at);
    if (endThen === null) {
      // Entered once more, because it was redone: the reference's time has been compared already.
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

/** Steps of the path, those at one flow in a row taken together; latest first. */
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

/** A flow that is entered again counts once for each kind; what cancels out is left out. */
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
