/** One flow's own time: what it did or waited for in every millisecond of a window, from the facts of the record. Pure. */
import type { Graph } from './compact.ts';
import { constraintsOf, type Ending, PRIORITY } from './constraints.ts';
import type { PathFacts } from './run-facts.ts';
import { slotWaits } from './slot-waits.ts';
import { FLAG, has, type RunState } from './state.ts';
import { isReleasing, RESULTS } from './status.ts';

/** What time can go into (design 3, critical path). */
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
  'paused',
  'rework',
  'engine',
] as const;
export type PieceKind = (typeof PIECE_KINDS)[number];

export interface Span {
  readonly kind: PieceKind;
  readonly from: number;
  readonly to: number;
  /** Of `run` and `failed_attempt`. */
  readonly attempt: number | null;
  readonly agent: string | null;
  readonly by: string | null;
}

/** A generation, past or present, in one shape. */
export interface Generation {
  /** Place among the flow's generations, from 0. */
  readonly index: number;
  readonly generation: number;
  readonly present: boolean;
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
}

/** How many generations the flow has had. */
export const generationCount = ({ facts }: History, v: number): number =>
  (facts.past.get(v)?.length ?? 0) + 1;

export function generationAt({ s, facts }: History, v: number, index: number): Generation {
  const past = facts.past.get(v)?.[index];
  const result = past?.result ?? s.result[v]!;
  return {
    index,
    result,
    generation: past?.generation ?? s.generation[v]!,
    present: past === undefined,
    begunAt: past?.begunAt ?? facts.generationAt[v]!,
    releasedAt: past?.releasedAt ?? facts.releasedAt[v]!,
    resultAt: past?.resultAt ?? (result === 0 ? 0 : facts.resultAt[v]!),
  };
}

/** The last time the flow became done at or before `limit`: the instant and the place of its generation; null when never. */
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

/** Rows of the attempts of a generation that were sent by `until`. */
export function attemptsOf({ facts }: History, v: number, generation: number, until: number): number[] {
  const { off, sentAt, generation: of } = facts.attempts;
  const rows: number[] = [];
  for (let i = off[v]!; i < off[v + 1]!; i++) if (of[i] === generation && sentAt[i]! <= until) rows.push(i);
  return rows;
}

/**
 * Spans from `low` to `t` without gap or overlap: what flow `v` did in this generation. `low` is when the last flow above it was done (or
 * the generation began); `live` says that it goes on now. O(attempts + decisions about the flow).
 */
export function spansOf(
  at: History,
  v: number,
  gen: Generation,
  low: number,
  t: number,
  live: boolean,
): Span[] {
  const spans: Span[] = [];
  const { facts } = at;
  const { startedAt, endedAt, sentAt, outcome, agent, attempt } = facts.attempts;
  let cursor = low;
  let before = -1;
  const until = (instant: number): number => Math.min(t, Math.max(cursor, instant));
  const add = (kind: PieceKind, to: number, rest: Partial<Span> = {}): void => {
    if (to > cursor) spans.push({ kind, from: cursor, to, attempt: null, agent: null, by: null, ...rest });
    cursor = Math.max(cursor, to);
  };
  for (const i of attemptsOf(at, v, gen.generation, t)) {
    const ended = endedAt[i] === 0 ? t : endedAt[i]!;
    if (sentAt[i]! > cursor) {
      spans.push(...waits(at, v, gen, cursor, until(sentAt[i]!), before, 'sent'));
      cursor = until(sentAt[i]!);
    }
    add('waiting_agent', until(startedAt[i] === 0 ? ended : startedAt[i]!), { by: agent[i]! });
    const kind = executed(outcome[i]!, gen.present && (endedAt[i] === 0 || endedAt[i]! > t));
    const shown = gen.present || kind !== 'run' ? kind : 'rework';
    const about = shown === 'run' || shown === 'failed_attempt';
    add(shown, until(ended), { attempt: about ? attempt[i]! : null, agent: agent[i]! });
    before = i;
  }
  if (t > cursor) spans.push(...waits(at, v, gen, cursor, t, before, live ? 'now' : 'result'));
  return spans;
}

/** What an attempt's time was. One that was cut off by a newer decision did not count in the end, unless it still goes on. */
function executed(outcome: PathFacts['attempts']['outcome'][number], open: boolean): PieceKind {
  switch (outcome) {
    case null:
    case 'succeeded':
      return 'run';
    case 'false':
      // A check that says no is no failure: it waits for its next try (D9).
      return 'retry_backoff';
    case 'requeued':
      return 'waiting_agent';
    case 'failed':
    case 'cancelled':
    case 'lost':
      return open ? 'run' : 'failed_attempt';
    default:
      return outcome satisfies never;
  }
}

/**
 * A stretch in which nothing ran. Each instant belongs to the constraint in force then that ended first: a constraint owns only the time
 * since the next-latest one. What no constraint covers was spent on a slot, or by the engine.
 */
function waits(
  at: History,
  v: number,
  gen: Generation,
  from: number,
  to: number,
  before: number,
  ending: Ending,
): Span[] {
  const constraints = constraintsOf(at, v, gen, to, before, ending)
    .filter((it) => it.from < to && it.to > from && it.to > it.from)
    .sort((a, b) => a.to - b.to || PRIORITY.indexOf(a.kind) - PRIORITY.indexOf(b.kind));
  const cuts = new Set([from, to]);
  for (const it of constraints) for (const cut of [it.from, it.to]) if (cut > from && cut < to) cuts.add(cut);
  const instants = [...cuts].sort((a, b) => a - b);
  const spans: Span[] = [];
  const plain = { attempt: null, agent: null };
  for (let i = 0; i + 1 < instants.length; i++) {
    const [a, b] = [instants[i]!, instants[i + 1]!];
    const owner = constraints.find((it) => it.from <= a && it.to >= b);
    if (owner !== undefined) spans.push({ kind: owner.kind, from: a, to: b, ...plain, by: owner.by });
    else spans.push(...uncovered(at, v, gen, a, b, before, ending));
  }
  return spans;
}

function uncovered(
  at: History,
  v: number,
  gen: Generation,
  a: number,
  b: number,
  before: number,
  ending: Ending,
): Span[] {
  const { graph, s } = at;
  const whole = (kind: PieceKind): Span[] => [{ kind, from: a, to: b, attempt: null, agent: null, by: null }];
  if (graph.attrOf(v).runner !== 'agent') return whole('engine');
  if (before >= 0) {
    const waiting = ending === 'sent' || (ending === 'now' && has(s, v, FLAG.DISPATCHED) && s.lease[v] === 0);
    if (waiting) return slotWaits(at, v, a, b);
    return whole(forced(gen, ending) ? 'waiting_person' : 'engine');
  }
  const released = gen.releasedAt;
  if (released === 0) return whole(forced(gen, ending) ? 'waiting_person' : 'engine');
  // An earlier release, taken back by what covers the time after it.
  if (b < released) return slotWaits(at, v, a, b);
  const split = Math.max(a, Math.min(released, b));
  const engine: Span[] = split > a ? [{ ...whole('engine')[0]!, to: split }] : [];
  return b > split ? [...engine, ...slotWaits(at, v, split, b)] : engine;
}

const forced = (gen: Generation, ending: Ending): boolean =>
  ending === 'result' && gen.result === RESULTS.force_passed.code;
