/** Generations and attempts of a flow as the record has them, and the kinds of time. Pure. */
import type { Graph } from '../compiled/compact.ts';
import type { PathFacts } from '../run/run-facts.ts';
import type { RunState } from '../run/state.ts';
import { isReleasing } from '../run/status.ts';

/** Kinds of time: what the pieces of a critical path are (docs/answers.md). */
export const PIECE_KINDS = [
  'run',
  'failed_attempt',
  'retry_backoff',
  'waiting_agent',
  'waiting_pool',
  'waiting_lock',
  'held',
  'manual_start',
  'waiting_time',
  'waiting_person',
  'other_run',
  'paused',
  'rework',
  'engine',
] as const;
export type PieceKind = (typeof PIECE_KINDS)[number];

/** A stretch of time, ms; it ends before `to`. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

export interface Span extends Stretch {
  readonly kind: PieceKind;
  /** Number of the attempt, for `run` and `failed_attempt`. */
  readonly attempt: number | null;
  readonly agent: string | null;
  readonly by: string | null;
}

/** A generation, past or present. */
export interface Generation {
  /** The flow. */
  readonly v: number;
  /** Place among the flow's generations, from 0. */
  readonly index: number;
  readonly generation: number;
  readonly present: boolean;
  /** A rerun began before the end of the path, so what it did was done in vain. */
  readonly superseded: boolean;
  readonly begunAt: number;
  readonly releasedAt: number;
  /** 0 = no result. */
  readonly resultAt: number;
  readonly result: number;
}

export interface History {
  readonly graph: Graph;
  readonly s: RunState;
  readonly facts: PathFacts;
  /** End of the path: what was redone later was no rework for it. Default: now. */
  readonly until?: number;
}

/** How many generations the flow has had. */
export const generationCount = ({ facts }: History, v: number): number =>
  (facts.past.get(v)?.length ?? 0) + 1;

/** The generation at a place among those of the flow; the last place is the present one. O(1). */
export function generationAt({ s, facts, until }: History, v: number, index: number): Generation {
  const past = facts.past.get(v)?.[index];
  const result = past?.result ?? s.result[v]!;
  return {
    v,
    index,
    result,
    generation: past?.generation ?? s.generation[v]!,
    present: past === undefined,
    superseded: past !== undefined && past.endedAt <= (until ?? facts.now),
    begunAt: past?.begunAt ?? facts.generationAt[v]!,
    releasedAt: past?.releasedAt ?? facts.releasedAt[v]!,
    resultAt: past?.resultAt ?? (result === 0 ? 0 : facts.resultAt[v]!),
  };
}

/** When the flow was last done, at `limit` or before, and in which generation; null = never. O(generations). */
export function lastEnd(at: History, u: number, limit: number): { at: number; index: number } | null {
  const { s, facts } = at;
  const past = facts.past.get(u);
  const count = past?.length ?? 0;
  const end = facts.resultAt[u]!;
  if (isReleasing(s.result[u]!) && end <= limit) return { at: end, index: count };
  for (let i = count - 1; i >= 0; i--) {
    const { result, resultAt } = past![i]!;
    if (isReleasing(result) && resultAt <= limit) return { at: resultAt, index: i };
  }
  return null;
}

/** The last end of `u` before a decision about `v`. In a loop an end at the instant of the decision is its consequence and does not count. */
export function lastEndBefore(
  at: History,
  v: number,
  u: number,
  decidedAt: number,
): { at: number; index: number } | null {
  const { loopOf } = at.graph;
  return lastEnd(at, u, loopOf[u]! >= 0 && loopOf[u] === loopOf[v] ? decidedAt - 1 : decidedAt);
}

/** The end of `u` that counted for `v` at the instant of a decision; null when `u` was not done, so that the edge was set aside. */
export function endBefore(
  at: History,
  v: number,
  u: number,
  decidedAt: number,
): { at: number; index: number } | null {
  const end = lastEndBefore(at, v, u, decidedAt);
  return end === null || isSuperseded(at, u, end.index, decidedAt) ? null : end;
}

function isSuperseded({ facts }: History, u: number, index: number, t: number): boolean {
  const ended = facts.past.get(u)?.[index]?.endedAt;
  return ended !== undefined && ended <= t;
}

/** Whether the flow was done at an instant, and not asked for again by then. O(generations). */
export function isDoneAt(at: History, u: number, t: number): boolean {
  const end = lastEnd(at, u, t);
  return end !== null && !isSuperseded(at, u, end.index, t);
}

/** Since when `u` had not been done at `decidedAt`: since its last new generation, else from the beginning (0); null when it was done. */
export function undoneSince(at: History, v: number, u: number, decidedAt: number): number | null {
  if (endBefore(at, v, u, decidedAt) !== null) return null;
  const past = at.facts.past.get(u) ?? [];
  // A result that was redone at the same instant has freed nothing.
  const last = past.findLast(
    (entry) => isReleasing(entry.result) && entry.resultAt < entry.endedAt && entry.endedAt <= decidedAt,
  );
  return last?.endedAt ?? 0;
}

/** Rows of the attempts of a generation that were sent by `until`. O(attempts of the flow). */
export function attemptsOf(
  { facts }: History,
  { v, generation }: Pick<Generation, 'v' | 'generation'>,
  until: number,
): number[] {
  const { off, sentAt, generation: of } = facts.attempts;
  const rows: number[] = [];
  for (let i = off[v]!; i < off[v + 1]!; i++) if (of[i] === generation && sentAt[i]! <= until) rows.push(i);
  return rows;
}
