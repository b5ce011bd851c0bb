/** One flow's own time: what it did or waited for in every millisecond of a window, from the facts of the record. Pure. */

import type { AttemptOutcome } from '../run/run-facts.ts';
import { FLAG, has } from '../run/state.ts';
import { isClaimed } from '../run/state-of.ts';
import { RESULTS } from '../run/status.ts';
import { constraintsOf, type Ending, isInForce, isStuck, PRIORITY } from './constraints.ts';
import {
  attemptsOf,
  type Generation,
  type History,
  isDoneAt,
  type PieceKind,
  type Span,
} from './generations.ts';
import { slotWaits } from './slot-waits.ts';

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
    const cut = endedAt[i] === 0 || endedAt[i]! > t;
    const shown = executed(outcome[i]!, cut, gen.present);
    const about = shown === 'run' || shown === 'failed_attempt';
    add(shown, until(ended), { attempt: about ? attempt[i]! : null, agent: agent[i]! });
    before = i;
  }
  if (t > cursor) spans.push(...waits(at, v, gen, cursor, t, before, live ? 'now' : 'result'));
  return spans;
}

/** What an attempt's time was. `cut`: it went on after the end of the history shown; of an older generation only failures are more than rework. */
function executed(outcome: AttemptOutcome | null, cut: boolean, present: boolean): PieceKind {
  switch (outcome) {
    case null:
    case 'succeeded':
      return present ? 'run' : 'rework';
    case 'false':
      // A check that says no is no failure: it waits for its next try (D9).
      return 'retry_backoff';
    case 'requeued':
      return 'waiting_agent';
    case 'failed':
    case 'cancelled':
    case 'lost':
      if (!cut) return 'failed_attempt';
      return present ? 'run' : 'rework';
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
    .filter((entry) => entry.from < to && entry.to > from && entry.to > entry.from)
    .sort((a, b) => a.to - b.to || PRIORITY.indexOf(a.kind) - PRIORITY.indexOf(b.kind));
  const cuts = new Set([from, to]);
  for (const it of constraints) for (const cut of [it.from, it.to]) if (cut > from && cut < to) cuts.add(cut);
  const instants = [...cuts].sort((a, b) => a - b);
  const spans: Span[] = [];
  const plain = { attempt: null, agent: null };
  for (let i = 0; i + 1 < instants.length; i++) {
    const [a, b] = [instants[i]!, instants[i + 1]!];
    const owner = constraints.find((constraint) => constraint.from <= a && constraint.to >= b);
    if (owner !== undefined) spans.push({ kind: owner.kind, from: a, to: b, ...plain, by: owner.by });
    else {
      const takenBack = constraints.some((constraint) => constraint.from >= b && constraint.kind === 'held');
      spans.push(...uncovered(at, v, gen, a, b, before, ending, takenBack));
    }
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
  takenBack: boolean,
): Span[] {
  const { graph, s, facts } = at;
  const whole = (kind: PieceKind): Span[] => [{ kind, from: a, to: b, attempt: null, agent: null, by: null }];
  const spoken = spokenFor(at, v, gen, ending);
  const stuck = ending === 'now' && isStuck(s, v);
  const idle = spoken || stuck ? 'waiting_person' : 'engine';
  if (graph.attrOf(v).runner !== 'agent') return whole(idle);
  if (before >= 0) {
    const inOutbox = ending === 'now' && has(s, v, FLAG.DISPATCHED) && !isClaimed(s, v);
    const another = spoken && gen.present && s.attempt[v]! > facts.attempts.attempt[before]!;
    const waiting = ending === 'sent' || takenBack || inOutbox || another;
    if (waiting) return slotWaits(at, v, a, b);
    return whole(idle);
  }
  // A release that was taken back later is not on record; it had been released when it was sent, or nothing else was in its way.
  const lost =
    gen.releasedAt === 0 &&
    (ending === 'sent' || ((takenBack || spoken || stuck) && upstreamDone(at, v, gen, a)));
  const released = lost ? a : gen.releasedAt;
  if (released === 0) return whole(idle);
  // An earlier release, taken back by what covers the time after it.
  if (b < released) return slotWaits(at, v, a, b);
  const split = Math.max(a, Math.min(released, b));
  const engine: Span[] = split > a ? [{ ...whole('engine')[0]!, to: split }] : [];
  return b > split ? [...engine, ...slotWaits(at, v, split, b)] : engine;
}

/** No edge held it back at that instant. O(in-degree). */
function upstreamDone(at: History, v: number, gen: Generation, t: number): boolean {
  const { graph, facts } = at;
  const decisions = (facts.overrides.get(v) ?? []).filter((entry) => isInForce(entry, t));
  if (decisions.some((decision) => decision.kind === 'start-now' && decision.at >= gen.begunAt)) return true;
  const waives = decisions.filter((decision) => decision.kind === 'waive');
  for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++) {
    const u = graph.up[e]!;
    if (!isDoneAt(at, u, t) && !waives.some((waive) => waive.from === graph.ids[u])) return false;
  }
  return true;
}

/** Its generation ended by somebody's word, not in its turn: force-pass, or the rejection of a gate. */
function spokenFor({ graph }: History, v: number, gen: Generation, ending: Ending): boolean {
  if (ending !== 'result') return false;
  const rejected = gen.result === RESULTS.failed.code && graph.attrOf(v).runner === 'person';
  return rejected || gen.result === RESULTS.force_passed.code;
}
