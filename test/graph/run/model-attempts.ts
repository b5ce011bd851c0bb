/** Ends of attempts and new generations (protocol C3, C4, C7, D9, E), for the slow model of test/graph/run/model.ts. */
import { type Facts, freshFacts, type Kind, type Model, type Outcome } from './model.ts';

export function completed(
  m: Model,
  id: string,
  of: { generation: number; attempt: number; at: number; tookMs?: number },
  outcome: 'succeeded' | 'failed' | 'false' | 'cancelled' | 'requeued',
  failure: Kind,
): void {
  const f = m.of(id);
  if (!counts(m, id, of)) {
    f.previous = null;
    if (outcome === 'succeeded') lateEffect(m, id);
    return;
  }
  f.claimed = false;
  if (outcome === 'requeued') {
    if (f.stopping && f.pending === null) m.end(id, 'cancelled', false);
    else {
      Object.assign(f, { pending: null, stopping: false, turnSince: null });
      tryAgain(m, id, 0);
    }
  } else if (f.pending !== null) beginPending(m, id, outcome === 'false' ? 'failed' : outcome);
  else if (f.stopping) {
    m.end(id, 'cancelled', false);
    if (outcome === 'succeeded') lateEffect(m, id);
  } else if (outcome === 'succeeded') m.end(id, 'succeeded', f.tainted);
  else if (outcome === 'false' && m.attrs(id).kind === 'check') {
    const { giveUpAfterMs, everyMs } = m.attrs(id);
    f.questions.push({ took: Math.max(of.tookMs ?? 0, 1), pause: 0 });
    if (giveUpAfterMs !== null && patienceUsed(f) >= giveUpAfterMs) {
      m.gaveUp.push(`${id} ${f.generation}.${f.attempt} false ${patienceUsed(f)}/${giveUpAfterMs}`);
      m.end(id, 'failed', false);
    } else {
      f.questions.at(-1)!.pause = everyMs;
      f.troubles = [];
      tryAgain(m, id, of.at + everyMs);
    }
  } else
    failed(
      m,
      id,
      outcome === 'cancelled' ? 'infrastructure' : outcome === 'false' ? 'program' : failure,
      of.at,
    );
}

function counts(m: Model, id: string, of: { generation: number; attempt: number }): boolean {
  const f = m.of(id);
  return f.outcome === null && f.offered && f.generation === of.generation && f.attempt === of.attempt;
}

function failed(m: Model, id: string, kind: Kind, at: number): void {
  const { retries } = m.attrs(id);
  if (!fitsBudget(m, id, kind)) m.end(id, 'failed', false);
  else {
    m.of(id).troubles.push(kind);
    tryAgain(m, id, at + retries.backoffMs);
  }
}

/** Protocol D9: a check's questions and the pauses after them. */
export const patienceUsed = ({ questions }: Facts): number =>
  questions.reduce((sum, { took, pause }) => sum + took + pause, 0);

/** Failures of the kind since the last answer, in a row with others or not. */
export const inARow = ({ troubles }: Facts, kind: Kind): number =>
  troubles.filter((trouble) => trouble === kind).length;

/** Whether another failure of the kind may be tried again; if not, and if there is a budget at all, that is said. */
function fitsBudget(m: Model, id: string, kind: Kind): boolean {
  const f = m.of(id);
  const allowed = m.attrs(id).retries[kind];
  if (inARow(f, kind) < allowed) return true;
  if (allowed > 0) m.gaveUp.push(`${id} ${f.generation}.${f.attempt} ${kind} ${allowed + 1}/${allowed}`);
  return false;
}

function tryAgain(m: Model, id: string, notBefore: number): void {
  const f = m.of(id);
  Object.assign(f, { offered: false, claimed: false, tainted: false, stale: false, notBefore });
  f.attempt++;
}

export function lost(m: Model, id: string, of: { generation: number; attempt: number; at: number }): void {
  const f = m.of(id);
  const { fenced, idempotent, orphanMs } = m.attrs(id);
  const over = { until: of.at + orphanMs + m.graceMs };
  if (!counts(m, id, of)) {
    if (f.previous !== null) f.previous = fenced ? null : over;
    return;
  }
  f.claimed = false;
  const orphan = (): void => {
    if (!fenced) f.previous = over;
  };
  if (!fenced && !idempotent) {
    m.end(id, 'outcome_unknown', false);
    m.tell(id, 'outcome_unknown');
  } else if (f.pending !== null) {
    orphan();
    beginPending(m, id, 'failed');
    return;
  } else if (f.stopping) m.end(id, 'cancelled', false);
  else if (!fitsBudget(m, id, 'lost')) m.end(id, 'failed', false);
  else {
    f.troubles.push('lost');
    tryAgain(m, id, 0);
  }
  orphan();
}

/** Protocol C7: the last attempt, given up as lost, tells its end after all: nobody waits for it any more. */
export function heardLate(
  m: Model,
  id: string,
  of: { generation: number; attempt: number; type: 'effect' | 'end' },
): void {
  const f = m.of(id);
  const last = f.outcome === null ? f.attempt - 1 : f.attempt;
  const waits = f.previous !== null && f.previous.until !== null;
  if (waits && f.generation === of.generation && last === of.attempt) f.previous = null;
  if (of.type === 'effect') lateEffect(m, id);
}

/** Protocol C7: an attempt that no longer counts has left its effect. */
export function lateEffect(m: Model, id: string): void {
  markStale(m, [id]);
  m.tell(id, 'late_effect');
}

/** Protocol D6: what has a result or is being worked on below redone flows. */
export function markStale(m: Model, roots: readonly string[]): void {
  if (roots.length > 0) m.redone.push([...new Set(roots)].sort().join());
  for (const root of roots)
    for (const id of m.below(root)) {
      if (roots.includes(id)) continue;
      becomeStale(m, id);
    }
}

function becomeStale(m: Model, id: string): void {
  const f = m.of(id);
  if (f.pending === null && (f.outcome !== null || m.inHand(id))) f.stale = true;
}

/** Protocol A11: what became of an upstream in another run, for all flows that wait for it. */
export function hearOfUpstream(
  m: Model,
  changes: readonly {
    readonly id: string;
    readonly from: string;
    readonly met: 0 | 1 | 2;
    readonly redone: boolean;
  }[],
): void {
  for (const { id, from, met } of changes) {
    const edge = `${id} <- ${from}`;
    if ((m.other.get(edge) ?? 0) !== met) m.releaseAnew(id);
    m.other.set(edge, met);
  }
  const users = changes.filter((change) => change.redone).map((change) => change.id);
  for (const id of users) becomeStale(m, id);
  markStale(m, users);
}

export function newGeneration(
  m: Model,
  id: string,
  how: { root: boolean; keepWaives: boolean },
  ended: Outcome | null = m.of(id).outcome,
): void {
  const f = m.of(id);
  const { onRerun, runner } = m.attrs(id);
  const keeps = onRerun === 'keep';
  const again = keeps && !how.root && f.outcome === 'succeeded';
  const next = freshFacts();
  next.generation = f.generation + 1;
  next.held = f.held;
  next.retired = f.retired;
  next.member = f.member;
  next.triggered = keeps && f.triggered;
  next.confirmed = again && runner === 'person';
  next.given = again && runner === 'engine';
  if (how.keepWaives) next.waived = f.waived;
  // Somebody is still at it: told to stop, and awaited (protocol C7).
  next.previous = m.inHand(id) ? { until: null } : f.previous;
  next.remindersPassed = f.remindersPassed;
  next.history = [...f.history, `${f.generation} ${ended}`];
  m.facts.set(id, next);
}

/** The old end is recorded, frees nothing and is not retried. */
export function beginPending(m: Model, id: string, ended: Outcome): void {
  newGeneration(m, id, m.of(id).pending!, ended);
  markStale(m, [id]);
}
