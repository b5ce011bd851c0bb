/** A run at the moment at which `why` is asked: graph, state and facts, and values that are computed once for many flows. */
import type { Graph } from '../compiled/compact.ts';
import type { WhyFacts } from '../run/run-facts.ts';
import type { RunState } from '../run/state.ts';
import { resultOf } from '../run/status.ts';
import { type Holders, holdersOf } from './room-holders.ts';

export class Situation {
  readonly graph: Graph;
  /** `now` is the facts' clock, so that moments are judged as the engine will judge them next. */
  readonly s: RunState;
  readonly facts: WhyFacts;
  #holders: Holders | null = null;
  #lastEnds: ReadonlyMap<string, number> | null = null;

  constructor(graph: Graph, s: RunState, facts: WhyFacts) {
    this.graph = graph;
    this.s = { ...s, now: facts.now };
    this.facts = facts;
  }

  /** What holds slots, pools and locks. O(holders) for the first question. */
  get holders(): Holders {
    this.#holders ??= holdersOf(this.facts.holders);
    return this.#holders;
  }

  /** When a program of the run ended last on a platform, ms; 0 = none has. O(V) for the first question. */
  lastEndOn(platform: string): number {
    this.#lastEnds ??= this.#findLastEnds();
    return this.#lastEnds.get(platform) ?? 0;
  }

  #findLastEnds(): Map<string, number> {
    const { graph, s, facts } = this;
    const ends = new Map<string, number>();
    for (let v = 0; v < graph.n; v++) {
      const result = resultOf(s.result[v]!);
      const on = result === 'succeeded' || result === 'failed' ? graph.attrOf(v).platform : null;
      if (on !== null) ends.set(on, Math.max(ends.get(on) ?? 0, facts.resultAt[v]!));
    }
    return ends;
  }
}
