/** What the end of an attempt means for its flow (protocol C3, C4, C7, D9). */
import type { FlowAttrs } from '../compiled/compact.ts';
import type { CompletionEntry, LostEntry } from './decisions.ts';
import type { Machine } from './machine.ts';
import type { AttemptOutcome } from './run-facts.ts';
import { beginGeneration, dropPending, finish, markStale } from './settle.ts';
import { FAILURE_KINDS, type FailureKind, FLAG, has } from './state.ts';
import { codeOf } from './status.ts';

/** Whether the entry is about the attempt that the flow waits for. */
function isCurrent(m: Machine, entry: { v: number; generation: number; attempt: number }): boolean {
  const { s } = m;
  const { v } = entry;
  return (
    s.generation[v] === entry.generation &&
    s.attempt[v] === entry.attempt &&
    s.result[v] === 0 &&
    has(s, v, FLAG.DISPATCHED)
  );
}

/** An attempt has ended: decides what its flow does next. O(changes); O(V + E) when an effect makes flows stale. */
export function complete(m: Machine, entry: CompletionEntry): void {
  const { s } = m;
  const { v } = entry;
  if (v < 0) return;
  if (!isCurrent(m, entry)) {
    endOld(m, v, 0);
    if (entry.outcome === 'succeeded') proveEffect(m, v);
    return;
  }
  s.lease[v] = 0;
  const { outcome } = entry;
  if (has(s, v, FLAG.RERUN_PENDING)) {
    if (outcome === 'requeued') giveBack(m, v);
    else {
      m.set(v, { result: codeOf(outcome === 'false' ? 'failed' : outcome) });
      beginPending(m, v, null);
    }
    return;
  }
  if (has(s, v, FLAG.STOPPING)) {
    finish(m, v, 'cancelled', false);
    if (outcome === 'succeeded') proveEffect(m, v);
    return;
  }
  switch (outcome) {
    case 'succeeded':
      finish(m, v, 'succeeded', has(s, v, FLAG.TAINTED));
      return;
    case 'failed':
      fail(m, v, entry.failure ?? 'program', entry.at);
      return;
    case 'cancelled':
      // No operation of this run asked for it: a database administrator or a stopping agent cancelled the program.
      fail(m, v, 'infrastructure', entry.at);
      return;
    case 'false':
      tryAgainLater(m, v, entry);
      return;
    case 'requeued':
      giveBack(m, v);
      return;
    default:
      outcome satisfies never;
  }
}

/** The attempt never started. The flow waits again with the next attempt, because the record still has this one as claimed. */
function giveBack(m: Machine, v: number): void {
  dropPending(m, v);
  nextAttempt(m, v, { due: 0 });
  m.markReleased(v, false);
}

/**
 * Protocol D9: a check whose answer is no has not failed until it gives up. The answer proves that the platform works, so the retry budgets are full
 * again. What counts towards `giveUpAfterMs` is the time of its questions, from sent to answered, and the pauses between them; waiting for
 * an agent does not count, as agents may be drained, paused or dead.
 */
function tryAgainLater(m: Machine, v: number, { at, tookMs = 0 }: CompletionEntry): void {
  const { s, graph } = m;
  const attrs = graph.attrOf(v);
  const { giveUpAfterMs } = attrs;
  if (attrs.kind !== 'check') {
    fail(m, v, 'program', at);
    return;
  }
  // At least 1 ms, so that a check without pauses gives up, too.
  const asked = s.asked[v]! + Math.max(1, tookMs);
  if (giveUpAfterMs !== null && asked >= giveUpAfterMs) {
    m.set(v, { asked });
    giveUp(m, v, { cause: 'false', used: asked, allowed: giveUpAfterMs });
    return;
  }
  const delayMs = retryDelayMs('false', attrs, s.graceMs);
  nextAttempt(m, v, { due: at + delayMs, used: 0, asked: asked + delayMs });
}

/** Tries again and uses one retry of this kind of failure; without one left, the generation fails. */
function fail(m: Machine, v: number, kind: FailureKind, at: number): void {
  const attrs = m.graph.attrOf(v);
  const allowed = attrs.retries[kind];
  if (isUsedUp(m, v, kind)) giveUp(m, v, { cause: kind, used: allowed + 1, allowed });
  else {
    const due = at + retryDelayMs('failed', attrs, m.s.graceMs);
    nextAttempt(m, v, { due, used: useOne(m.s.used[v]!, kind) });
  }
}

const isUsedUp = ({ s, graph }: Machine, v: number, kind: FailureKind): boolean =>
  usedOf(s.used[v]!, kind) >= graph.attrOf(v).retries[kind];

/** Fails the generation, and notes what was used up: `used` of `allowed`. Nothing is noted for a flow that has no retries at all. */
function giveUp(
  m: Machine,
  v: number,
  limit: { cause: FailureKind | 'false'; used: number; allowed: number },
): void {
  const { s } = m;
  const { cause, used, allowed } = limit;
  if (cause === 'false' || allowed > 0)
    m.effect({
      t: 'gave_up',
      v,
      generation: s.generation[v]!,
      attempt: s.attempt[v]!,
      cause,
      used,
      allowed,
    });
  finish(m, v, 'failed', false);
}

/** Begins the next attempt. The inputs of the last one no longer count: its next release decides about taint, and stale is cleared (protocol D6). */
function nextAttempt(
  m: Machine,
  v: number,
  next: { due: number; flags?: number; used?: number; asked?: number },
): void {
  const { s } = m;
  m.set(v, {
    attempt: s.attempt[v]! + 1,
    flags: (s.flags[v]! & ~(FLAG.DISPATCHED | FLAG.TAINTED | FLAG.STALE)) | (next.flags ?? 0),
    due: next.due,
    used: next.used ?? s.used[v]!,
    asked: next.asked ?? s.asked[v]!,
  });
  s.lease[v] = 0;
}

/** An attempt was given up as lost: tries again, ends the generation, or asks a person what became of it (protocol C4). */
export function lose(m: Machine, entry: LostEntry): void {
  const { s, graph } = m;
  const { v } = entry;
  if (v < 0) return;
  const attrs = graph.attrOf(v);
  const graceEndsAt = entry.at + retryDelayMs('lost', attrs, s.graceMs);
  if (!isCurrent(m, entry)) {
    endOld(m, v, attrs.fenced ? 0 : graceEndsAt);
    return;
  }
  s.lease[v] = 0;
  const orphaned = (): void => {
    if (!attrs.fenced) m.set(v, { flags: s.flags[v]! | FLAG.ENDING, due: graceEndsAt });
  };
  if (!attrs.fenced && !attrs.idempotent) {
    // A pending rerun stays pending until a person says what became of the old attempt.
    finish(m, v, 'outcome_unknown', false);
    orphaned();
    m.effect({ t: 'notice', v, kind: 'outcome_unknown', recipient: null });
    return;
  }
  if (has(s, v, FLAG.RERUN_PENDING)) {
    m.set(v, { result: codeOf('failed') });
    orphaned();
    beginPending(m, v, null);
    return;
  }
  if (has(s, v, FLAG.STOPPING)) {
    finish(m, v, 'cancelled', false);
    orphaned();
    return;
  }
  if (isUsedUp(m, v, 'lost')) {
    giveUp(m, v, { cause: 'lost', used: attrs.retries.lost + 1, allowed: attrs.retries.lost });
    orphaned();
    return;
  }
  const used = useOne(s.used[v]!, 'lost');
  // Fenced: the old attempt can do no harm, so the next one starts at once. Otherwise the next one waits until the old one must have ended.
  nextAttempt(m, v, attrs.fenced ? { due: 0, used } : { due: graceEndsAt, flags: FLAG.ENDING, used });
}

/**
 * How long a flow waits between two attempts of one generation (protocol C4, D9), ms from the end of an attempt to the earliest start of the
 * next one: the back-off after a failure, the interval of a check whose answer was no, the time in which an orphaned program must have ended.
 * 0: the next attempt may start at once, or there is none. `graceMs` is the grace of the run's state.
 */
export function retryDelayMs(outcome: AttemptOutcome | null, attrs: FlowAttrs, graceMs: number): number {
  switch (outcome) {
    case 'failed':
    case 'cancelled':
      return attrs.retries.backoffMs;
    case 'false':
      // Only a check may answer no; for any other flow it is a failure.
      return attrs.kind === 'check' ? attrs.everyMs : attrs.retries.backoffMs;
    case 'lost':
      return attrs.fenced ? 0 : attrs.orphanMs + graceMs;
    case 'requeued':
    case 'succeeded':
    case null:
      return 0;
    default:
      return outcome satisfies never;
  }
}

/** The old attempt of a superseded generation has ended (`until` 0), or will have ended at `until`. */
function endOld(m: Machine, v: number, until: number): void {
  const { s } = m;
  if (!has(s, v, FLAG.ENDING)) return;
  if (until === 0) m.set(v, { flags: s.flags[v]! & ~FLAG.ENDING, due: 0 });
  else m.set(v, { due: until });
}

/**
 * An attempt that was given up as lost reports its end after all (protocol C7). If the flow waits only because this attempt might still be running,
 * the wait is over; an attempt before the last one changes nothing about the wait. `effect`: it has left an effect.
 */
export function completeAfterLoss(
  m: Machine,
  of: { v: number; generation: number; attempt: number },
  effect: boolean,
): void {
  const { s } = m;
  const { v } = of;
  // While a retry waits, the flow has the number of the next attempt; with a result, that of the last one.
  const last = s.result[v] === 0 ? s.attempt[v]! - 1 : s.attempt[v]!;
  if (s.due[v] !== 0 && s.generation[v] === of.generation && last === of.attempt) endOld(m, v, 0);
  if (effect) proveEffect(m, v);
}

/** Protocol C7, D6: an attempt whose result no longer counts has left its effect. What used the flow's data is stale, and people are notified. */
export function proveEffect(m: Machine, v: number): void {
  markStale(m, [v]);
  m.effect({ t: 'notice', v, kind: 'late_effect', recipient: null });
}

/** Begins the generation of a rerun that waited for a running attempt (protocol E3). The end of that attempt frees nothing and is not retried. */
export function beginPending(m: Machine, v: number, operation: string | null): void {
  const { s } = m;
  const root = has(s, v, FLAG.PENDING_ROOT);
  const keepWaives = has(s, v, FLAG.KEEP_WAIVES);
  beginGeneration(m, v, { root, keepWaives, ending: false, operation });
  markStale(m, [v]);
}

function usedOf(used: number, kind: FailureKind): number {
  return (used >> (8 * FAILURE_KINDS.indexOf(kind))) & 0xff;
}

function useOne(used: number, kind: FailureKind): number {
  return used + (1 << (8 * FAILURE_KINDS.indexOf(kind)));
}
