/**
 * The machine of a run (protocol A4): what follows from the log rows read and from the time that has passed. Pure: the same code runs in
 * the workflow, in `dryRun`, in simulations and in property tests. Complexity O(V + E) for the copy, then O(what changes).
 */
import type { Graph } from './compiled/compact.ts';
import { complete, completeAfterLoss, lose } from './run/completion.ts';
import type { Entry, ExternalEntry, Group } from './run/decisions.ts';
import { isFinished } from './run/due.ts';
import { Machine } from './run/machine.ts';
import { markStaleFrom, settle, takeBackUnclaimed } from './run/settle.ts';
import { FLAG, has, type PersonMoment, type RunState } from './run/state.ts';
import { operate, trigger } from './verbs/operate.ts';

/**
 * The decisions, in groups: one for the time that has passed, one for each log row, one for reminders and the end of the run. After each group
 * everything that follows from it at `now` is decided, so an operation is decided on an up-to-date state. `now` is the clock of the last
 * exchange, ms. O(V + E) for the copy of the state, then O(changes).
 */
export function decide(graph: Graph, state: RunState, entries: readonly Entry[], now: number): Group[] {
  return run(graph, state, entries, now).groups;
}

/** The decisions of `decide`, and the state that would follow if every group of them were written: what `dryRun` shows. */
export function preview(
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
  m.begin(0);
  timers(m);
  m.s.dirty.push(...asked);
  settle(m);
  m.end();
  for (const entry of entries) {
    m.begin(entry.seq);
    take(m, entry);
    settle(m);
    m.end();
  }
  m.begin(0);
  remind(m);
  const finished = isFinished(graph, m.s);
  if (finished !== m.s.finished) {
    m.s.finished = finished;
    m.effect({ t: 'finished', on: finished });
  }
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
    case 'upstream': {
      const redone = new Set<number>();
      for (const { index, met, redone: again } of body.changes) {
        const { v } = m.s.subscriptions.list[index]!;
        if (again) redone.add(v);
        if (m.s.foreignMet[index] === met) continue;
        takeBackUnclaimed(m, v);
        m.foreign(index, met);
      }
      markStaleFrom(m, [...redone], body.via);
      return;
    }
    case 'effect':
    case 'end':
      if (body.v >= 0) completeAfterLoss(m, body, body.type === 'effect');
      return;
    case 'event':
      for (let v = 0; v < m.graph.n; v++) {
        const attrs = m.graph.attrOf(v);
        if (attrs.trigger === 'event' && attrs.event === body.event) happen(m, v);
      }
      return;
    default:
      body satisfies never;
  }
}

/** The event of a flow has come. It acts like a manual trigger, except on flows that the run was not opened for or that have a result. */
function happen(m: Machine, v: number): void {
  const { s } = m;
  if ((s.flags[v]! & (FLAG.TRIGGERED | FLAG.EXCLUDED)) !== 0) return;
  if (s.result[v] === 0 && !has(s, v, FLAG.RETIRED)) trigger(m, v, null);
  else m.setFlags(v, FLAG.TRIGGERED);
}

/** Looks at flows that fell due since the last time; an old attempt whose grace is over no longer blocks its flow. */
function timers(m: Machine): void {
  const { s, graph } = m;
  for (let v = 0; v < graph.n; v++) {
    const at = s.due[v]!;
    if (at !== 0 && at <= s.now && has(s, v, FLAG.ENDING))
      m.set(v, { flags: s.flags[v]! & ~FLAG.ENDING, due: 0 });
    if (s.result[v] !== 0) continue;
    const start = s.start[v]!;
    if ((at > s.timersAt && at <= s.now) || (start > s.timersAt && start <= s.now)) s.dirty.push(v);
  }
}

/** Reminders of gates that wait: one notice for all moments of a gate that have passed. O(moments up to now). */
function remind(m: Machine): void {
  const { s } = m;
  if (s.closed) return;
  const passed = new Map<number, { count: number; last: PersonMoment }>();
  for (const moment of s.moments) {
    if (moment.at > s.now) break;
    const { v } = moment;
    if (s.result[v] !== 0 || s.released[v] === 0 || has(s, v, FLAG.CONFIRMED)) continue;
    passed.set(v, { count: (passed.get(v)?.count ?? 0) + 1, last: moment });
  }
  for (const [v, { count, last }] of passed) {
    if (count <= s.used[v]!) continue;
    m.effect({ t: 'notice', v, kind: last.kind, recipient: last.recipient });
    m.set(v, { used: count });
  }
}
