/** Whether engine, record and slow model tell the same story: each check throws with what differs. */

import type { Graph } from '../../../graph/compiled/compact.ts';
import { blockers } from '../../../graph/run/blockers.ts';
import { cloneState, derive, FAILURE_KINDS, FLAG, isReady, type RunState } from '../../../graph/run/state.ts';
import { PHASES, resultOf } from '../../../graph/run/status.ts';
import type { MemoryRecord } from '../../support/memory-record.ts';
import type { FlowSpec } from '../../support/run-graph.ts';
import type { Model } from './model.ts';
import { inARow, patienceUsed } from './model-attempts.ts';

/** The parties of one simulation. */
export interface Told {
  readonly specs: readonly FlowSpec[];
  readonly graph: Graph;
  readonly record: MemoryRecord;
  readonly model: Model;
}

/** Everything that is stored of a flow is as the model has it. */
export function agreesOn(told: Told, v: number): void {
  const stored = asStored(told, v);
  const wanted = asModelled(told, v);
  for (const key of Object.keys(stored) as (keyof typeof stored)[])
    if (stored[key] !== wanted[key])
      throw new Error(`${told.graph.ids[v]}.${key} is ${stored[key]}, should be ${wanted[key]}`);
}

/** What the record says of a flow, in words that the model has too. */
function asStored({ record }: Told, v: number) {
  const f = record.flows[v]!;
  const flag = (bit: number): boolean => (f.flags & bit) !== 0;
  const row = record.outbox.get(v);
  const mine = [...record.overrides]
    .filter((override) => override.startsWith(`${v} `))
    .map((override) => override.split(' '));
  const lasting = ['hold', 'skip', 'retire', 'expedite', 'start-now', 'confirm', 'force-pass'];
  const waives = mine.flatMap(([, kind, from, run]) =>
    kind === 'waive' ? [run === undefined ? from! : `${from}@${run}`] : [],
  );
  return {
    generation: f.generation,
    attempt: f.attempt,
    outcome: resultOf(f.result),
    held: flag(FLAG.HELD),
    skip: flag(FLAG.SKIP),
    expedite: flag(FLAG.EXPEDITE),
    retired: flag(FLAG.RETIRED),
    triggered: flag(FLAG.TRIGGERED),
    startedNow: flag(FLAG.STARTED_NOW),
    setAside: flag(FLAG.TAINT_NEXT),
    confirmed: flag(FLAG.CONFIRMED),
    given: flag(FLAG.KEPT),
    tainted: flag(FLAG.TAINTED),
    stale: flag(FLAG.STALE),
    pending: flag(FLAG.RERUN_PENDING)
      ? `${flag(FLAG.PENDING_ROOT)} ${flag(FLAG.KEEP_WAIVES)} ${flag(FLAG.YIELDS)}`
      : '',
    member: flag(FLAG.MEMBER),
    ending: flag(FLAG.ENDING),
    offered: flag(FLAG.DISPATCHED),
    inOutbox: row === undefined ? '' : `${row.generation}/${row.attempt}`,
    claimed: row !== undefined && row.epoch !== null,
    stopping: flag(FLAG.STOPPING),
    excluded: flag(FLAG.EXCLUDED),
    due: f.due,
    released: f.released,
    phase: f.result === 0 ? PHASES[f.phase] : '',
    used: f.used,
    asked: f.asked,
    waived: waives.sort().join(),
    inForce: lasting.filter((kind) => mine.some((entry) => entry[1] === kind)).join(),
    history: record.generations
      .filter((generation) => generation.v === v)
      .map((generation) => `${generation.generation} ${resultOf(generation.result)}`)
      .join(),
  };
}

function asModelled({ model, graph, specs }: Told, v: number): ReturnType<typeof asStored> {
  const id = graph.ids[v]!;
  const f = model.of(id);
  const [program, infrastructure, timeout, lost] = FAILURE_KINDS.map((kind) => inARow(f, kind)) as [
    number,
    number,
    number,
    number,
  ];
  const isPerson = model.attrs(id).runner === 'person';
  return {
    generation: f.generation,
    attempt: f.attempt,
    outcome: f.outcome,
    held: f.held,
    skip: f.skip,
    expedite: f.expedite,
    retired: f.retired,
    triggered: f.triggered,
    startedNow: f.startedNow,
    setAside: f.setAside,
    confirmed: f.confirmed,
    given: f.given,
    tainted: f.tainted,
    stale: f.stale,
    pending: f.pending === null ? '' : `${f.pending.root} ${f.pending.keepWaives} ${f.pending.yields}`,
    member: f.member,
    ending: f.previous !== null,
    offered: f.offered,
    inOutbox: f.offered ? `${f.generation}/${f.attempt}` : '',
    claimed: f.claimed,
    stopping: f.stopping,
    excluded: specs[v]!.excluded === true,
    due: f.previous !== null ? (f.previous.until ?? 0) : f.notBefore,
    released: f.turnSince ?? 0,
    phase: f.outcome === null ? (model.phase(id) as (typeof PHASES)[number]) : '',
    used: isPerson ? f.remindersPassed : program + (infrastructure << 8) + (timeout << 16) + (lost << 24),
    asked: patienceUsed(f),
    waived: [...f.waived].sort().join(),
    inForce: Object.entries({
      hold: f.held,
      skip: f.skip,
      retire: f.retired,
      expedite: f.expedite,
      'start-now': f.startedNow,
      confirm: f.confirmed,
      'force-pass': f.outcome === 'force_passed',
    })
      .flatMap(([kind, on]) => (on ? [kind] : []))
      .join(),
    history: f.history.join(),
  };
}

/** True whatever the model says. `done` remembers the flows that were done. */
export function keepsInvariants({ record, graph }: Told, v: number, done: Map<number, string>): void {
  const f = record.flows[v]!;
  const id = graph.ids[v]!;
  const isDone = (r: number, flags: number): boolean => [1, 4, 5].includes(r) && (flags & FLAG.RETIRED) === 0;
  const key = `${f.generation} ${resultOf(f.result)}`;
  const before = done.get(v);
  if (before?.startsWith(`${f.generation} `) && before !== key)
    throw new Error(`${id} was ${before} and became ${key} in the same generation`);
  if (isDone(f.result, f.flags)) done.set(v, key);
  const row = record.outbox.get(v);
  const stopping = (f.flags & FLAG.STOPPING) !== 0;
  for (const lease of record.leases.values())
    if (lease.v === v && lease.stop !== (lease.epoch === row?.epoch ? stopping : true))
      throw new Error(`${id} ${lease.stop ? 'has to' : 'need not'} stop`);
  if (row === undefined || row.epoch !== null || (f.flags & FLAG.STARTED_NOW) !== 0) return;
  if (record.closed) return;
  for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++) {
    const u = record.flows[graph.up[e]!]!;
    if (!isDone(u.result, u.flags) && !record.overrides.has(`${v} waive ${graph.ids[graph.up[e]!]}`))
      throw new Error(`${id} is offered before ${graph.ids[graph.up[e]!]}`);
  }
  if (f.result !== 0 || (f.flags & (FLAG.HELD | FLAG.RETIRED | FLAG.ENDING)) !== 0)
    throw new Error(`${id} is offered in spite of its flags`);
  if ([...record.leases.values()].some((lease) => lease.v === v && lease.epoch !== row.epoch))
    throw new Error(`${id} is offered while an older attempt is open`);
}

export function sameAsRecord({ record, graph }: Told, s: RunState): void {
  for (let v = 0; v < graph.n; v++) {
    const f = record.flows[v]!;
    for (const key of OF_A_FLOW)
      if (s[key][v] !== f[key])
        throw new Error(`${key} of ${graph.ids[v]}: state ${s[key][v]}, record ${f[key]}`);
  }
}

/** Protocol D4: the counters are what a fresh count gives, and 'ready' is 'no blockers'. */
export function isWellDerived({ graph }: Told, s: RunState): void {
  const again = cloneState(s);
  derive(graph, again);
  for (let v = 0; v < graph.n; v++) {
    if (again.unmet[v] !== s.unmet[v] || again.above[v] !== s.above[v])
      throw new Error(
        `counters of ${graph.ids[v]}: ${s.unmet[v]} ${s.above[v]}, counted ${again.unmet[v]} ${again.above[v]}`,
      );
    if (s.result[v] === 0 && (blockers(graph, s, v).length === 0) !== isReady(graph, s, v))
      throw new Error(
        `${graph.ids[v]}: ${JSON.stringify(blockers(graph, s, v))} but ready is ${isReady(graph, s, v)}`,
      );
  }
}

const STORED = ['generation', 'attempt', 'result', 'flags', 'due', 'used', 'asked'] as const;
const OF_A_FLOW = [...STORED, 'released', 'phase'] as const;
const EDGES = ['waived', 'waivedInvalid', 'waivedForeign', 'foreignMet', 'unmet', 'above'] as const;

/** Two states of a run are one. */
export function sameStates(given: RunState, wanted: RunState, what: string, exactly: boolean): void {
  for (const key of [...STORED, ...EDGES]) sameValues(given[key], wanted[key], `${key} ${what}`);
  same([given.closed, given.finished], [wanted.closed, wanted.finished], what);
  if (exactly) sameValues(given.released, wanted.released, `released ${what}`);
  // The record stamps its own clock on what was foreseen for the last one.
  else sameValues(Array.from(given.released, truth), Array.from(wanted.released, truth), `released ${what}`);
}

const truth = (value: number): number => (value === 0 ? 0 : 1);

/** Without texts, unless they differ: this is most of what a simulation compares. */
function sameValues(given: ArrayLike<number>, wanted: ArrayLike<number>, what: string): void {
  let differs = given.length !== wanted.length;
  for (let i = 0; i < given.length && !differs; i++) differs = given[i] !== wanted[i];
  if (differs) throw new Error(`${what}: ${Array.from(given)}, should be ${Array.from(wanted)}`);
}

/** What is known of claims, by flow. */
export function inHand(s: RunState): number[] {
  return [...s.lease].map((lease, v) => ((s.flags[v]! & FLAG.DISPATCHED) === 0 ? 0 : lease));
}

export function same(given: unknown, wanted: unknown, what: string): void {
  const [a, b] = [JSON.stringify(given), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${what}: ${a}, should be ${b}`);
}
