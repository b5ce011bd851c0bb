/** State changes only here, by what an exchange returned (protocol A4). */
import type { Graph } from '../compiled/compact.ts';
import type { ExchangeAnswer, Group } from './decisions.ts';
import { assignListed } from './machine.ts';
import { assignFlow, assignForeign, FLAG, has, type RunState } from './state.ts';

/**
 * Changes `s` in place: the groups that the exchange wrote, then what it said about claims. `decisions` are those handed in, unless
 * the answer brings adopted ones (A5). A group that was written leaves nothing undone; flows of groups that were not are looked at
 * again.
 */
export function apply(graph: Graph, s: RunState, decisions: readonly Group[], answer: ExchangeAnswer): void {
  const groups = answer.adopted ?? decisions;
  // Decisions were made for this instant; an adopted exchange may have been decided at another one.
  s.timersAt = answer.adopted === null ? s.now : s.timersAt;
  const lost =
    answer.adopted === null ? groups.slice(answer.written) : [...groups.slice(answer.written), ...decisions];
  for (const group of groups.slice(0, answer.written)) applyGroup(graph, s, group, answer.now);
  const dirty = new Set<number>();
  for (const group of lost) for (const change of group.changes) dirty.add(change.v);
  if (lost.length > 0) s.timersAt = 0;
  applyLeases(s, answer, dirty);
  s.dirty = [...dirty].sort((a, b) => a - b);
  s.exchange = answer.n;
  s.now = answer.now;
  s.cursor = answer.cursor;
}

/** A flow whose claim is another one than was known is looked at again: it may have to be taken back. */
function applyLeases(s: RunState, answer: ExchangeAnswer, dirty: Set<number>): void {
  const known = new Map(answer.leases);
  if (answer.allLeases) for (let v = 0; v < s.lease.length; v++) if (!known.has(v)) known.set(v, 0);
  for (const [v, lease] of known) {
    if (v < 0 || s.lease[v] === lease) continue;
    s.lease[v] = lease;
    dirty.add(v);
  }
}

function applyGroup(graph: Graph, s: RunState, group: Group, now: number): void {
  for (const effect of group.effects) {
    if (effect.t === 'waive') assignListed(graph, s, effect, effect.on);
    else if (effect.t === 'foreign')
      assignForeign(s, effect.index, effect.met, s.waivedForeign[effect.index]!);
    else if (effect.t === 'finished') s.finished = effect.on;
    else if (effect.t === 'run' && effect.verb === 'close') s.closed = true;
    else if (effect.t === 'run' && effect.verb === 'reopen') s.closed = false;
  }
  for (const change of group.changes) {
    const { v } = change;
    // A claim belongs to one attempt.
    const another = s.generation[v] !== change.generation || s.attempt[v] !== change.attempt;
    assignFlow(graph, s, v, { ...change, asked: change.asked ?? 0 });
    s.phase[v] = change.phase;
    if (another || !has(s, v, FLAG.DISPATCHED)) s.lease[v] = 0;
    if (change.released !== -1) s.released[v] = change.released === 1 ? now : 0;
  }
}
