/** The own time of one flow: what it did or waited for in every millisecond of a stretch, from the facts of the record. Pure. */

import type { AttemptOutcome } from '../run/run-facts.ts';
import { FLAG, has } from '../run/state.ts';
import { isClaimed } from '../run/state-of.ts';
import { RESULTS } from '../run/status.ts';
import { constraintsOf, type Ending, isInForce, isStuck, PRIORITY, type Wait } from './constraints.ts';
import {
  attemptsOf,
  type Generation,
  type History,
  isDoneAt,
  type PieceKind,
  type Span,
  type Stretch,
} from './generations.ts';
import { slotWaits } from './slot-waits.ts';

/**
 * What a flow did in a stretch of one of its generations, as spans without gap or overlap. The stretch begins when the last flow above was
 * done, or the generation began; `live`: it ends now and the flow is not done. O(attempts + decisions about the flow).
 */
export function spansOf(at: History, gen: Generation, stretch: Stretch, live: boolean): Span[] {
  const { from: low, to: t } = stretch;
  const spans: Span[] = [];
  const { facts } = at;
  const { releasedAt, startedAt, endedAt, sentAt, outcome, agent, attempt } = facts.attempts;
  let cursor = low;
  let previousAttempt = -1;
  const until = (instant: number): number => Math.min(t, Math.max(cursor, instant));
  const add = (kind: PieceKind, to: number, rest: Partial<Span> = {}): void => {
    if (to > cursor) spans.push({ kind, from: cursor, to, attempt: null, agent: null, by: null, ...rest });
    cursor = Math.max(cursor, to);
  };
  for (const i of attemptsOf(at, gen, t)) {
    const ended = endedAt[i] === 0 ? t : endedAt[i]!;
    if (sentAt[i]! > cursor) {
      const wait = { from: cursor, to: until(sentAt[i]!), offeredAt: releasedAt[i]! };
      spans.push(...waits(at, gen, { ...wait, previousAttempt, ending: 'sent' }));
      cursor = until(sentAt[i]!);
    }
    add('waiting_agent', until(startedAt[i] === 0 ? ended : startedAt[i]!), { by: agent[i]! });
    const cut = endedAt[i] === 0 || endedAt[i]! > t;
    const kind = executed(outcome[i]!, cut, gen.superseded);
    const about = kind === 'run' || kind === 'failed_attempt';
    add(kind, until(ended), { attempt: about ? attempt[i]! : null, agent: agent[i]! });
    previousAttempt = i;
  }
  if (t > cursor) {
    const ending = live ? 'now' : 'result';
    spans.push(...waits(at, gen, { from: cursor, to: t, previousAttempt, ending, offeredAt: 0 }));
  }
  return spans;
}

/**
 * How the time of an attempt counts. `cut`: the attempt went on after the end of the stretch. In a superseded generation everything but failures is
 * rework.
 */
function executed(outcome: AttemptOutcome | null, cut: boolean, superseded: boolean): PieceKind {
  switch (outcome) {
    case null:
    case 'succeeded':
      return superseded ? 'rework' : 'run';
    case 'false':
      // A check whose answer is no has not failed: it waits for its next attempt (protocol D9).
      return 'retry_backoff';
    case 'requeued':
      return 'waiting_agent';
    case 'failed':
    case 'cancelled':
    case 'lost':
      if (!cut) return 'failed_attempt';
      return superseded ? 'rework' : 'run';
    default:
      return outcome satisfies never;
  }
}

/**
 * The spans of a wait. Each instant counts for the constraint in force that ends first, so that every constraint counts only for the time after
 * the one that ended before it. What no constraint covers was a wait for a slot, or time of the engine.
 */
function waits(at: History, gen: Generation, wait: Wait): Span[] {
  const { from, to } = wait;
  const constraints = constraintsOf(at, gen, wait)
    .filter((entry) => entry.from < to && entry.to > from && entry.to > entry.from)
    .sort((a, b) => a.to - b.to || PRIORITY.indexOf(a.kind) - PRIORITY.indexOf(b.kind));
  const cuts = new Set([from, to]);
  for (const constraint of constraints)
    for (const cut of [constraint.from, constraint.to]) if (cut > from && cut < to) cuts.add(cut);
  const instants = [...cuts].sort((a, b) => a - b);
  const spans: Span[] = [];
  const plain = { attempt: null, agent: null };
  for (let i = 0; i + 1 < instants.length; i++) {
    const [a, b] = [instants[i]!, instants[i + 1]!];
    const owner = constraints.find((constraint) => constraint.from <= a && constraint.to >= b);
    if (owner !== undefined) spans.push({ kind: owner.kind, from: a, to: b, ...plain, by: owner.by });
    else {
      const takenBack = constraints.some((constraint) => constraint.from >= b && constraint.kind === 'held');
      const offeredAt = b === to ? wait.offeredAt : 0;
      spans.push(...uncovered(at, gen, { ...wait, from: a, to: b, offeredAt }, takenBack));
    }
  }
  return spans;
}

/**
 * A part of a wait that no constraint covers: the flow waited for a slot, or the engine had not released it yet. `takenBack`: a hold
 * followed, which took a release back.
 */
function uncovered(at: History, gen: Generation, wait: Wait, takenBack: boolean): Span[] {
  const { graph, s, facts } = at;
  const { v } = gen;
  const { from: a, to: b, previousAttempt, ending } = wait;
  const whole = (kind: PieceKind): Span[] => [{ kind, from: a, to: b, attempt: null, agent: null, by: null }];
  const spoken = spokenFor(at, gen, ending);
  const stuck = ending === 'now' && isStuck(s, v);
  const idle = spoken || stuck ? 'waiting_person' : 'engine';
  if (graph.attrOf(v).runner !== 'agent') return whole(idle);
  // Until it was offered the engine took its time, also after a back-off.
  if (wait.offeredAt > 0) return offered(at, v, { from: a, to: b }, wait.offeredAt);
  if (previousAttempt >= 0) {
    const inOutbox = ending === 'now' && has(s, v, FLAG.DISPATCHED) && !isClaimed(s, v);
    const another = spoken && gen.present && s.attempt[v]! > facts.attempts.attempt[previousAttempt]!;
    const waiting = ending === 'sent' || takenBack || inOutbox || another;
    return waiting ? slotWaits(at, v, wait) : whole(idle);
  }
  // The record does not keep a release that was taken back. It must have been released when it was sent, or when nothing else kept it.
  const lost =
    gen.releasedAt === 0 &&
    (ending === 'sent' || ((takenBack || spoken || stuck) && upstreamDone(at, gen, a)));
  const released = lost ? a : gen.releasedAt;
  if (released === 0) return whole(idle);
  // It was released before and taken back by the constraint that covers the time after this.
  if (b < released) return slotWaits(at, v, wait);
  return offered(at, v, { from: a, to: b }, released);
}

/** Time of the engine until the flow was offered to agents, then a wait for a slot. */
function offered(at: History, v: number, { from, to }: Stretch, instant: number): Span[] {
  const split = Math.max(from, Math.min(instant, to));
  const plain = { attempt: null, agent: null, by: null };
  const engine: Span[] = split > from ? [{ kind: 'engine', from, to: split, ...plain }] : [];
  return to > split ? [...engine, ...slotWaits(at, v, { from: split, to })] : engine;
}

/** Whether no edge kept the flow from starting at an instant. O(in-degree). */
function upstreamDone(at: History, gen: Generation, t: number): boolean {
  const { graph, facts } = at;
  const { v } = gen;
  const decisions = (facts.overrides.get(v) ?? []).filter((entry) => isInForce(entry, t));
  if (decisions.some((decision) => decision.kind === 'start-now' && decision.at >= gen.begunAt)) return true;
  const waives = decisions.filter((decision) => decision.kind === 'waive');
  for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++) {
    const u = graph.up[e]!;
    if (!isDoneAt(at, u, t) && !waives.some((waive) => waive.from === graph.ids[u])) return false;
  }
  return true;
}

/** Whether a person ended the generation: by force-pass, or by rejecting a gate. */
function spokenFor({ graph }: History, gen: Generation, ending: Ending): boolean {
  if (ending !== 'result') return false;
  const rejected = gen.result === RESULTS.failed.code && graph.attrOf(gen.v).runner === 'person';
  return rejected || gen.result === RESULTS.force_passed.code;
}
