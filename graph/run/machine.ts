/** The copy of a state on which `decide` works. Every change goes through it and is noted as a decision, with the claim that it expects (protocol A4, A5). */
import type { Graph } from '../compiled/compact.ts';
import type { Effect, FlowChange, Group } from './decisions.ts';
import {
  assignFlow,
  assignForeign,
  assignWaive,
  assignWaiveInvalid,
  cloneState,
  FLAG,
  type FlowRow,
  has,
  phaseOf,
  type RunState,
} from './state.ts';
import { isClaimed } from './state-of.ts';
import { PHASES } from './status.ts';

export class Machine {
  readonly graph: Graph;
  readonly s: RunState;
  readonly groups: Group[] = [];
  #seq = 0;
  #effects: Effect[] = [];
  readonly #touched = new Map<number, { expect: 0 | 1 | 2; released: -1 | 0 | 1 }>();

  constructor(graph: Graph, state: RunState, now: number) {
    this.graph = graph;
    this.s = cloneState(state);
    this.s.now = Math.max(now, state.now);
  }

  begin(seq: number): void {
    this.#seq = seq;
    this.#effects = [];
    this.#touched.clear();
  }

  /** Closes the group. A group of a log row is kept even when it is empty, because it moves the cursor. */
  end(): void {
    if (this.#seq === 0 && this.#touched.size === 0 && this.#effects.length === 0) return;
    const changes: FlowChange[] = [];
    for (const [v, { expect, released }] of this.#touched) {
      const change = this.#change(v, expect, released);
      this.s.phase[v] = change.phase;
      changes.push(change);
    }
    this.groups.push({ seq: this.#seq, changes, effects: this.#effects });
  }

  #change(v: number, expect: 0 | 1 | 2, released: -1 | 0 | 1): FlowChange {
    const s = this.s;
    return {
      v,
      generation: s.generation[v]!,
      attempt: s.attempt[v]!,
      result: s.result[v]!,
      flags: s.flags[v]!,
      due: s.due[v]!,
      used: s.used[v]!,
      ...(s.asked[v] === 0 ? {} : { asked: s.asked[v]! }),
      phase: PHASES.indexOf(phaseOf(this.graph, s, v)),
      released,
      expect,
    };
  }

  row(v: number): FlowRow {
    const s = this.s;
    return {
      generation: s.generation[v]!,
      attempt: s.attempt[v]!,
      result: s.result[v]!,
      flags: s.flags[v]!,
      due: s.due[v]!,
      used: s.used[v]!,
      asked: s.asked[v]!,
    };
  }

  set(v: number, patch: Partial<FlowRow>): void {
    assignFlow(this.graph, this.s, v, { ...this.row(v), ...patch });
    this.touch(v);
  }

  setFlags(v: number, on: number, off = 0): void {
    this.set(v, { flags: (this.s.flags[v]! | on) & ~off });
  }

  touch(v: number): void {
    if (!this.#touched.has(v)) this.#touched.set(v, { expect: 0, released: -1 });
  }

  /** The exchange writes the group only while the flow's outbox row is not claimed (1) or is claimed (2) (protocol A5). */
  expect(v: number, claimed: 1 | 2): void {
    this.touch(v);
    this.#touched.get(v)!.expect = claimed;
  }

  /** Notes that the flow was released (the exchange stamps it with its clock), or that the release was taken back. */
  markReleased(v: number, on: boolean): void {
    this.touch(v);
    this.#touched.get(v)!.released = on ? 1 : 0;
    this.s.released[v] = on ? this.s.now : 0;
  }

  /** A decision about a flow in the outbox rests on what is known of its claim. The exchange does not write it when an agent was faster (protocol A5). */
  expectAsKnown(v: number): void {
    if (has(this.s, v, FLAG.DISPATCHED)) this.expect(v, isClaimed(this.s, v) ? 2 : 1);
  }

  /** Takes a flow that nobody has claimed back from the outbox. The exchange does not write that when an agent was faster (protocol A5). */
  undispatch(v: number): void {
    this.expect(v, 1);
    // It has used no input yet, so it is neither tainted nor stale.
    this.setFlags(v, 0, FLAG.DISPATCHED | FLAG.TAINTED | FLAG.STALE);
    this.markReleased(v, false);
  }

  waive(list: 'edge' | 'invalid' | 'foreign', edge: number, on: boolean): void {
    assignListed(this.graph, this.s, { list, edge }, on);
    this.#effects.push({ t: 'waive', list, edge, on });
  }

  foreign(index: number, met: 0 | 1 | 2): void {
    assignForeign(this.s, index, met, this.s.waivedForeign[index]!);
    this.#effects.push({ t: 'foreign', index, met });
  }

  effect(effect: Effect): void {
    this.#effects.push(effect);
  }
}

/** Sets or lifts a waive on an edge of one of the three lists. */
export function assignListed(
  graph: Graph,
  s: RunState,
  { list, edge }: { readonly list: 'edge' | 'invalid' | 'foreign'; readonly edge: number },
  on: boolean,
): void {
  if (list === 'edge') assignWaive(graph, s, edge, on);
  else if (list === 'invalid') assignWaiveInvalid(graph, s, edge, on);
  else assignForeign(s, edge, s.foreignMet[edge]!, on ? 1 : 0);
}
