/** What the end of an attempt means for its flow (protocol C3, C4, C7, D9). */
import type { CompletionEntry, LostEntry } from './decisions.ts';
import type { Machine } from './machine.ts';
import { retryDelayMs } from './retry-delay.ts';
import { beginGeneration, dropPending, finish, markStale } from './settle.ts';
import { FAILURE_KINDS, type FailureKind, FLAG, has } from './state.ts';
import { codeOf } from './status.ts';

/** True when the entry speaks of the attempt that the flow is waiting for. */
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
      // Nobody here asked for it: an administrator or a stopping agent did.
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

/** It never started: it waits again, under another attempt because the record still has this one as claimed. */
function giveBack(m: Machine, v: number): void {
  dropPending(m, v);
  nextAttempt(m, v, { due: 0 });
  m.markReleased(v, false);
}

/**
 * D9: a check that is false is no failure until it gives up. An answer is proof that the platform works: the retry budgets are whole again.
 * Its patience is used up by its questions, sent to answer, and by the pauses between them; not by a wait for an agent, which may be
 * drained, paused or dead.
 */
function tryAgainLater(m: Machine, v: number, { at, tookMs = 0 }: CompletionEntry): void {
  const { s, graph } = m;
  const attrs = graph.attrOf(v);
  const { giveUpAfterMs } = attrs;
  if (attrs.kind !== 'check') {
    fail(m, v, 'program', at);
    return;
  }
  // At least 1 ms, so that a check that is asked without a pause gives up, too.
  const asked = s.asked[v]! + Math.max(1, tookMs);
  if (giveUpAfterMs !== null && asked >= giveUpAfterMs) {
    m.set(v, { asked });
    giveUp(m, v, { cause: 'false', used: asked, allowed: giveUpAfterMs });
    return;
  }
  const delayMs = retryDelayMs('false', attrs, s.graceMs);
  nextAttempt(m, v, { due: at + delayMs, used: 0, asked: asked + delayMs });
}

/** Uses the budget of the kind of failure, or ends the generation. */
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

/** Fails, and says what was used up: `used` of `allowed`. A flow that has no budget at all has just failed. */
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

/** What an attempt without result has used counts no more: the next release fixes taint, and stale is cleared (D6). */
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
    // A pending rerun stays pending: a person says first what became of the old attempt.
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
  // Fenced: the old attempt can do no harm, the next one goes at once. Otherwise its end is waited out.
  nextAttempt(m, v, attrs.fenced ? { due: 0, used } : { due: graceEndsAt, flags: FLAG.ENDING, used });
}

/** The old attempt of a superseded generation is over now, or at `until`. */
function endOld(m: Machine, v: number, until: number): void {
  const { s } = m;
  if (!has(s, v, FLAG.ENDING)) return;
  if (until === 0) m.set(v, { flags: s.flags[v]! & ~FLAG.ENDING, due: 0 });
  else m.set(v, { due: until });
}

/**
 * An attempt whose loss was logged tells its end after all (C7), with or without an effect: if its flow waits out its grace, it waits no
 * more. Of an attempt before the last one nothing follows for the wait.
 */
export function completeAfterLoss(
  m: Machine,
  of: { v: number; generation: number; attempt: number },
  effect: boolean,
): void {
  const { s } = m;
  const { v } = of;
  // A retry that waits has the next number already; with a result it is the attempt's own.
  const last = s.result[v] === 0 ? s.attempt[v]! - 1 : s.attempt[v]!;
  if (s.due[v] !== 0 && s.generation[v] === of.generation && last === of.attempt) endOld(m, v, 0);
  if (effect) proveEffect(m, v);
}

/** C7, D6: an attempt that no longer counted has left its effect all the same. */
export function proveEffect(m: Machine, v: number): void {
  markStale(m, [v]);
  m.effect({ t: 'notice', v, kind: 'late_effect', recipient: null });
}

/** `rerunPending` (protocol E): the old end is recorded, frees nothing and is not retried; now the new generation begins. */
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
