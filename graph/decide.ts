/**
 * The machine of a run (protocol A4): what follows from the log rows read and from the time that has passed. Pure: the same code runs in
 * the workflow, in `dryRun`, in simulations and in property tests. Complexity O(V + E) for the copy, then O(what changes).
 */
import type { Graph } from './compact.ts';
import { complete, lose, proveEffect } from './completion.ts';
import type { Entry, ExternalEntry, Group } from './decisions.ts';
import { Machine } from './machine.ts';
import { operate, trigger } from './operate.ts';
import { settle } from './settle.ts';
import { FLAG, has, isFinished, type RunState } from './state.ts';

/** Decisions in order, one group per log row, then one for timers. `now` is the instant that the last exchange returned. */
export function decide(graph: Graph, state: RunState, entries: readonly Entry[], now: number): Group[] {
  return run(graph, state, entries, now).groups;
}

/** As `decide`, with the state that would follow if every group were written: what `dryRun` shows. */
export function foresee(
  graph: Graph,
  state: RunState,
  entries: readonly Entry[],
  now: number,
): { groups: Group[]; after: RunState } {
  const m = run(graph, state, entries, now);
  return { groups: m.groups, after: m.s };
}

function run(graph: Graph, state: RunState, entries: readonly Entry[], now: number): Machine {
  const m = new Machine(graph, state, now);
  const asked = m.s.dirty;
  m.s.dirty = [];
  for (const entry of entries) {
    m.begin(entry.seq);
    take(m, entry);
    settle(m);
    m.end();
  }
  m.begin(0);
  m.s.dirty = [...asked, ...timers(m)];
  settle(m);
  remind(m);
  const finished = isFinished(graph, m.s);
  if (finished !== m.s.finished) m.effect({ t: 'finished', on: finished });
  m.end();
  return m;
}

function take(m: Machine, entry: Entry): void {
  switch (entry.kind) {
    case 'completion':
      complete(m, entry);
      return;
    case 'lost':
      lose(m, entry);
      return;
    case 'operation':
      operate(m, entry);
      return;
    case 'external':
      external(m, entry);
      return;
    default:
      entry satisfies never;
  }
}

function external(m: Machine, entry: ExternalEntry): void {
  const { body } = entry;
  switch (body.type) {
    case 'upstream':
      for (const index of body.foreign) m.foreign(index, body.met);
      return;
    case 'effect':
      if (body.v >= 0) proveEffect(m, body.v);
      return;
    case 'event':
      for (let v = 0; v < m.graph.n; v++) {
        const attrs = m.graph.attrOf(v);
        if (attrs.trigger === 'event' && attrs.event === body.event && !has(m.s, v, FLAG.TRIGGERED))
          trigger(m, v, null);
      }
      return;
    default:
      body satisfies never;
  }
}

/** Flows whose moment came since timers were last looked at; an old attempt whose grace is over stands in nobody's way any more. */
function timers(m: Machine): number[] {
  const { s, graph } = m;
  const due: number[] = [];
  for (let v = 0; v < graph.n; v++) {
    const at = s.due[v]!;
    if (at !== 0 && at <= s.now && has(s, v, FLAG.ENDING)) {
      m.set(v, { flags: s.flags[v]! & ~FLAG.ENDING, due: 0 });
      due.push(v);
      continue;
    }
    if (s.result[v] !== 0) continue;
    if (at > s.timersAt && at <= s.now) due.push(v);
    else if (s.start[v]! > s.timersAt && s.start[v]! <= s.now) due.push(v);
  }
  return due;
}

/** Reminders of gates whose turn has come: one notice for what has passed, however much that is. */
function remind(m: Machine): void {
  const { s } = m;
  const passed = new Map<number, number>();
  for (const moment of s.moments) {
    const { v } = moment;
    if (s.result[v] !== 0 || s.released[v] === 0 || has(s, v, FLAG.CONFIRMED) || moment.at > s.now) continue;
    passed.set(v, (passed.get(v) ?? 0) + 1);
  }
  for (const [v, count] of passed) {
    if (count <= s.used[v]!) continue;
    const last = s.moments.filter((moment) => moment.v === v)[count - 1]!;
    m.effect({ t: 'notice', v, kind: last.kind, recipient: last.recipient });
    m.set(v, { used: count });
  }
}
