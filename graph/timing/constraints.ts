/** What kept a flow from running while none of its attempts ran, for the critical path (docs/answers.md). Pure. */
import { retryDelayMs } from '../run/completion.ts';
import type { Override } from '../run/run-facts.ts';
import { FLAG, has, isTriggered, type RunState } from '../run/state.ts';
import { RESULTS } from '../run/status.ts';
import { type Generation, type History, type PieceKind, type Stretch, undoneSince } from './generations.ts';
import { memberMissingSince } from './plan-order.ts';

/** Something that stands in the way of a flow for a time; the order of kinds (PRIORITY) decides between equal ends. */
export interface Constraint extends Stretch {
  readonly kind: PieceKind;
  readonly by: string | null;
}

const ENDLESS = Number.MAX_SAFE_INTEGER;
/** Which constraint counts when several end at the same instant: the first kind of this list. */
export const PRIORITY: readonly PieceKind[] = [
  'other_run',
  'waiting_person',
  'held',
  'manual_start',
  'waiting_time',
  'retry_backoff',
  'paused',
  'rework',
];

/** How a wait ended: an attempt was sent, the generation got its result, or the wait goes on now. */
export type Ending = 'sent' | 'result' | 'now';

/** A stretch of a generation in which no attempt of the flow ran. */
export interface Wait extends Stretch {
  /** Row, in `facts.attempts`, of the attempt that ended before it; -1 = none. */
  readonly previousAttempt: number;
  readonly ending: Ending;
  /** When the attempt that ended the wait was offered to agents; 0 = none ended it, or it is not known. */
  readonly offeredAt: number;
}

/** Everything that stood in the way of the flow until the end of the wait, in no order. O(decisions about the flow). */
export function constraintsOf(at: History, gen: Generation, wait: Wait): Constraint[] {
  const { graph, s, facts } = at;
  const { v } = gen;
  const { to, previousAttempt, ending } = wait;
  const attrs = graph.attrOf(v);
  const overrides = facts.overrides.get(v) ?? [];
  const begun = gen.index === 0 ? facts.openedAt : gen.begunAt;
  const list: Constraint[] = [];
  const add = (kind: PieceKind, from: number, end: number, by: string | null): void => {
    list.push({ kind, from, to: end, by });
  };
  const startNows = overrides.filter(
    (override) => override.kind === 'start-now' && override.at >= begun && override.at <= to,
  );
  for (const startNow of startNows) {
    const since = setAsideSince(at, v, begun, startNow.at);
    if (since !== null) add('manual_start', Math.max(begun, since), startNow.at, startNow.actor);
  }
  if (ending === 'result' && gen.result === RESULTS.force_passed.code) {
    const since = setAsideSince(at, v, begun, gen.resultAt);
    if (since !== null) add('waiting_person', Math.max(begun, since), gen.resultAt, null);
  }
  for (const upstream of waitsForRuns(at, v, to)) {
    // start-now set the edge aside, also when the upstream went missing later.
    const until = Math.min(upstream.until, ...startNows.map((startNow) => startNow.at));
    if (until > begun) add('other_run', begun, until, `${upstream.run} ${upstream.from}`);
  }
  if (ending === 'now' && isStuck(s, v) && (has(s, v, FLAG.RETIRED) || s.unmet[v]! > unmetRuns(s, v))) {
    // It waits in a loop, or for something that does not exist, so only a person can end it.
    const since = setAsideSince(at, v, begun, to);
    if (since !== null) add('waiting_person', Math.max(begun, since), Number.POSITIVE_INFINITY, null);
  }
  for (const override of overrides) {
    const { kind, from, at: decidedAt, endedAt, actor } = override;
    if (kind === 'hold') add('held', decidedAt, endedAt ?? ENDLESS, actor);
    if (kind === 'retire') add('waiting_person', decidedAt, endedAt ?? ENDLESS, actor);
    if (kind !== 'waive' || decidedAt > to) continue;
    // After start-now no edge counted, so this waive changed nothing.
    if (startNows.some((now) => now.at <= decidedAt && (now.endedAt === null || now.endedAt >= decidedAt)))
      continue;
    const u = override.run === undefined ? facts.vertexOf(from ?? '') : -1;
    const since = u < 0 ? 0 : undoneSince(at, v, u, decidedAt);
    if (since === null) continue;
    const again = Math.max(
      lastEnded(overrides, { kind: 'start-now', from: null }, decidedAt),
      lastEnded(overrides, { kind, from }, decidedAt),
    );
    add('waiting_person', Math.max(begun, since, again), decidedAt, actor);
  }
  const trigger = triggerOf(at, gen, { from: begun, to }, overrides);
  if (trigger !== null) add('manual_start', begun, trigger.at, trigger.by);
  let early = s.start[v]! > 0 ? facts.openedAt : ENDLESS;
  for (const startNow of startNows) {
    add('waiting_time', early, Math.min(s.start[v]!, startNow.at), attrs.startAt);
    early = startNow.endedAt ?? ENDLESS;
  }
  add('waiting_time', early, s.start[v]!, attrs.startAt);
  if (attrs.runner === 'person') {
    const said = overrides.findLast((override) => isConfirm(override, begun, to));
    // No confirmation in this generation: that of an older one was kept (onRerun), or nobody has confirmed yet.
    const kept = ending === 'now' ? has(s, v, FLAG.CONFIRMED) : isKept(at, gen);
    if (said !== undefined || !kept)
      add('waiting_person', begun, said?.at ?? ENDLESS, said?.actor ?? attrs.role);
  }
  if (attrs.runner === 'agent') {
    const scopes = [`run:${facts.run}`, `platform:${attrs.platform}`];
    for (const { scope, from, to: until } of facts.pauses)
      if (scopes.includes(scope)) add('paused', from, until ?? ENDLESS, scope);
    const old = oldAttemptEnd(at, gen);
    if (old > begun) add('rework', begun, old, null);
  }
  if (previousAttempt >= 0) afterAttempt(at, gen, wait, add);
  // Before its start time it would not have begun anyway.
  const starts = list.filter(({ kind }) => kind === 'waiting_time');
  return list.filter(
    ({ kind, to: end }) => (kind !== 'held' && kind !== 'paused') || !starts.some((time) => time.to > end),
  );
}

/** Until when the flow waited for each upstream in another run, as of `to`; not for waived ones, as a person ended that. O(its subscriptions). */
function waitsForRuns(
  { s, facts }: History,
  v: number,
  to: number,
): { from: string; run: string; until: number }[] {
  const { off, list } = s.subscriptions;
  const waits: { from: string; run: string; until: number }[] = [];
  for (let i = off[v]!; i < off[v + 1]!; i++) {
    const { from, run } = list[i]!;
    const waives = (facts.overrides.get(v) ?? []).filter(
      (entry) => entry.kind === 'waive' && entry.run === run,
    );
    if (waives.some((waive) => waive.from === from && isInForce(waive, to))) continue;
    const metAt = facts.metAt[i]!;
    // The record keeps only the last time that it was met.
    if (metAt === 0) waits.push({ from, run, until: ENDLESS });
    else if (metAt <= to) waits.push({ from, run, until: metAt });
  }
  return waits;
}

function unmetRuns(s: RunState, v: number): number {
  const { off } = s.subscriptions;
  let unmet = 0;
  for (let i = off[v]!; i < off[v + 1]!; i++) if (s.foreignMet[i] === 0 && s.waivedForeign[i] === 0) unmet++;
  return unmet;
}

/** Whether the answer of a person in an older generation counted in this one, as far as the record says. */
function isKept({ graph, facts }: History, gen: Generation): boolean {
  const { v } = gen;
  if (gen.result === RESULTS.succeeded.code) return true;
  const previous = facts.past.get(v)?.[gen.index - 1];
  return graph.attrOf(v).onRerun === 'keep' && previous?.result === RESULTS.succeeded.code;
}

/** Whether an override is in force at an instant; not any more at the instant at which it ended. */
export const isInForce = (override: Override, t: number): boolean =>
  override.at <= t && (override.endedAt === null || override.endedAt > t);

const isConfirm = (override: Override, from: number, to: number): boolean =>
  override.kind === 'confirm' && override.at >= from && isInForce(override, to);

/** Since when an upstream, which start-now or force-pass set aside, was missing; null when none was. O(in-degree). */
function setAsideSince(at: History, v: number, begun: number, decidedAt: number): number | null {
  const { graph, facts } = at;
  const overrides = facts.overrides.get(v) ?? [];
  const overridesBefore = overrides.filter(
    (entry) => entry.at <= decidedAt && (entry.endedAt === null || entry.endedAt >= decidedAt),
  );
  if (
    overridesBefore.some((entry) => entry.kind === 'start-now' && entry.at >= begun && entry.at < decidedAt)
  )
    return null;
  const waives = overridesBefore.filter((entry) => entry.kind === 'waive');
  const isWaived = (from: string): boolean =>
    waives.some((waive) => waive.from === from && waive.run === undefined);
  let since = memberMissingSince(at, v, decidedAt);
  const note = (from: string, instant: number, run?: string): void => {
    const counted = Math.max(instant, lastEnded(overrides, { kind: 'waive', from, run }, decidedAt));
    since = Math.min(since ?? counted, counted);
  };
  for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++) {
    const u = graph.up[e]!;
    const missing = isWaived(graph.ids[u]!) ? null : undoneSince(at, v, u, decidedAt);
    if (missing !== null) note(graph.ids[u]!, missing);
  }
  for (let i = graph.invalidOff[v]!; i < graph.invalidOff[v + 1]!; i++)
    if (!isWaived(graph.invalid[i]!.from)) note(graph.invalid[i]!.from, begun);
  const { off, list } = at.s.subscriptions;
  for (let i = off[v]!; i < off[v + 1]!; i++) {
    const { from, run } = list[i]!;
    const metAt = facts.metAt[i]!;
    const met = metAt !== 0 && metAt <= decidedAt;
    if (!met && !waives.some((waive) => waive.from === from && waive.run === run)) note(from, begun, run);
  }
  return since === null
    ? null
    : Math.max(since, lastEnded(overrides, { kind: 'start-now', from: null }, decidedAt));
}

/** The last instant before `limit` at which an override of this kind ended, so that the edge counted again; 0 = none. */
function lastEnded(
  overrides: readonly Override[],
  wanted: { readonly kind: string; readonly from: string | null; readonly run?: string | undefined },
  limit: number,
): number {
  let last = 0;
  for (const { kind, from, run, endedAt } of overrides)
    if (kind === wanted.kind && from === wanted.from && run === wanted.run)
      if (endedAt !== null && endedAt < limit) last = Math.max(last, endedAt);
  return last;
}

/** When this generation was triggered, and by whom; null when it needs no trigger, or kept that of an older generation. */
function triggerOf(
  { graph, s, facts }: History,
  gen: Generation,
  { from: begun, to }: Stretch,
  overrides: readonly Override[],
): { at: number; by: string | null } | null {
  const { v } = gen;
  const attrs = graph.attrOf(v);
  const needs = attrs.trigger === 'manual' || attrs.trigger === 'event' || has(s, v, FLAG.EXCLUDED);
  if (!needs) return null;
  const given = overrides.filter((override) => override.kind === 'trigger' || override.kind === 'start-now');
  if (attrs.onRerun === 'keep' && gen.index > 0 && given.some((entry) => entry.at < begun)) return null;
  const own = given.find((entry) => entry.at >= begun && entry.at <= to);
  if (own !== undefined) return { at: own.at, by: own.actor };
  const at = facts.triggeredAt[v]!;
  if (at >= begun && at <= to) return { at, by: attrs.event };
  // The record keeps only the last instant of an event, so for an older generation it is not known when the event came.
  const missing = gen.present ? !isTriggered(graph, s, v) : attrs.trigger !== 'event';
  return missing ? { at: ENDLESS, by: null } : null;
}

/** When the last attempt of an older generation ended, which has to happen before this one may start (protocol C7); 0 = there was none. */
function oldAttemptEnd({ facts }: History, gen: Generation): number {
  const { v } = gen;
  const { off, generation, endedAt } = facts.attempts;
  let end = 0;
  if (gen.index === 0) return end;
  for (let i = off[v]!; i < off[v + 1]!; i++)
    if (generation[i]! < gen.generation) end = Math.max(end, endedAt[i] === 0 ? ENDLESS : endedAt[i]!);
  return end;
}

/** Adds what followed an attempt: the delay before the next one, or the wait for a person when its outcome was unknown or final. */
function afterAttempt(
  { graph, s, facts }: History,
  gen: Generation,
  { previousAttempt, to, ending }: Wait,
  add: (kind: PieceKind, from: number, end: number, by: string | null) => void,
): void {
  const { v } = gen;
  const { endedAt, outcome, attempt } = facts.attempts;
  const attrs = graph.attrOf(v);
  const ended = endedAt[previousAttempt]!;
  const since = (facts.overrides.get(v) ?? []).filter((entry) => entry.at >= ended && entry.at <= to);
  const another = gen.present ? s.attempt[v]! > attempt[previousAttempt]! : gen.result === 0;
  const retried = ending === 'sent' || another;
  const decided = since.find(
    (entry) => entry.kind === 'resolve' || (entry.kind === 'force-pass' && !retried),
  );
  if (decided !== undefined) add('waiting_person', ended, decided.at, decided.actor);
  if (!retried || decided !== undefined) return;
  const cut = since.find((entry) => entry.kind === 'start-now')?.at ?? ENDLESS;
  add(
    'retry_backoff',
    ended,
    Math.min(ended + retryDelayMs(outcome[previousAttempt]!, attrs, s.graceMs), cut),
    null,
  );
}

/** Whether nothing in this run will free the flow without a person. */
export const isStuck = (s: RunState, v: number): boolean =>
  has(s, v, FLAG.RETIRED) || (s.unmet[v]! > 0 && !has(s, v, FLAG.STARTED_NOW));
