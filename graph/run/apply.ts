/** State changes only here, by what an exchange returned (protocol A4). */
import type { Graph } from '../compiled/compact.ts';
import type { ExchangeAnswer, Group } from './decisions.ts';
import { assignListed } from './machine.ts';
import { assignFlow, assignForeign, FLAG, has, type RunState } from './state.ts';

/**
 * Changes `s` in place: applies the groups that the exchange wrote, then what it answered about claims. `decisions` are those that were
 * handed in, unless the answer brings adopted ones (protocol A5). Nothing is left to decide for a group that was written; the flows of a group that
 * was not written are looked at again. O(changes).
 */
export function apply(graph: Graph, s: RunState, decisions: readonly Group[], answer: ExchangeAnswer): void {
  const groups = answer.adopted ?? decisions;
  // The decisions hold for this instant; those of an adopted exchange may have been made at another one.
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

/** Takes over what is known of claims. A flow whose claim differs from what was known is looked at again: its release may have to be taken back. */
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
