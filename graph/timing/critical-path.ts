/**
 * The critical path of a run (docs/answers.md): from the end of the target backwards to the opening of the run, piece by piece, without gap or
 * overlap. At each flow it takes the flow's own time back to the end of the upstream that released it, then goes on at that upstream. Pure;
 * integer ms.
 */
import type { Graph } from '../compiled/compact.ts';
import type { PathFacts } from '../run/run-facts.ts';
import { edgeMet, FLAG, has, isDone, isTriggered, type RunState } from '../run/state.ts';
import { isReleasing, RESULTS } from '../run/status.ts';
import { isOpen, isWaiting } from '../run/unmet.ts';
import { isInForce } from './constraints.ts';
import { spansOf } from './flow-history.ts';
import {
  attemptsOf,
  type Generation,
  generationAt,
  generationCount,
  type History,
  lastEnd,
  lastEndBefore,
  type PieceKind,
  type Span,
} from './generations.ts';
import { planMemberEnd } from './plan-order.ts';

export { PIECE_KINDS, type PieceKind } from './generations.ts';

export interface Piece extends Span {
  readonly flow: string;
  readonly generation: number;
  readonly ms: number;
}

export interface CriticalPath {
  readonly run: string;
  readonly target: string;
  readonly openedAt: number;
  /** null = the target is not done, and the path ends at `now`. */
  readonly endedAt: number | null;
  readonly now: number;
  readonly pieces: readonly Piece[];
  /** Flows of the path, the first one first, also those that took no time. */
  readonly flows: readonly string[];
  readonly kinds: Partial<Record<PieceKind, number>>;
  readonly total: number;
  readonly unattributed: number;
}

/** One step back along the path: what flow `v` did from `from` to `to`, which may be the same instant. */
export interface Step {
  readonly v: number;
  readonly from: number;
  readonly to: number;
  /** Latest first. */
  readonly pieces: readonly Piece[];
}

/** Where the walk is: at flow `v`, in its generation `index`. Everything from `t` on is explained already. */
interface Place {
  readonly v: number;
  readonly index: number;
  readonly t: number;
  /** True: `t` is now, and the flow is not done. */
  readonly live: boolean;
}

/** The critical path to a target. O(V + E) at worst, usually the edges into the flows of the path. */
export function criticalPath(graph: Graph, s: RunState, facts: PathFacts, target: number): CriticalPath {
  const from = endOf({ graph, s, facts }, target);
  const at: History = { graph, s, facts, until: from.t };
  const walk = new Walk(at);
  for (const _ of stepsBack(walk, at, from));
  const pieces = walk.pieces();
  const kinds: Partial<Record<PieceKind, number>> = {};
  let total = 0;
  for (const { kind, ms } of pieces) {
    kinds[kind] = (kinds[kind] ?? 0) + ms;
    total += ms;
  }
  return {
    run: facts.run,
    target: graph.ids[target]!,
    openedAt: facts.openedAt,
    endedAt: isDone(s, target) ? facts.resultAt[target]! : null,
    now: facts.now,
    pieces,
    flows: walk.flows.toReversed().map((v) => graph.ids[v]!),
    kinds,
    total,
    unattributed: from.t - facts.openedAt - total,
  };
}

/**
 * The same walk, step by step: from the target's end (from now when it is not done) back to the opening of the run; or from `end`, an earlier end
 * of the target in generation `index`, on a path that ends at `until`.
 */
export function pathSteps(
  at: History,
  target: number,
  end?: { readonly at: number; readonly index: number; readonly until: number },
): Iterable<Step> {
  const from =
    end === undefined ? endOf(at, target) : { v: target, index: end.index, t: end.at, live: false };
  const until = { ...at, until: end?.until ?? from.t };
  return stepsBack(new Walk(until), until, from);
}

/** Where the walk begins. */
function endOf(at: History, target: number): Place {
  const { facts, s } = at;
  const done = isDone(s, target);
  const t = Math.max(facts.openedAt, done ? facts.resultAt[target]! : facts.now);
  return { v: target, index: generationCount(at, target) - 1, t, live: !done };
}

function* stepsBack(walk: Walk, { facts }: History, from: Place): Generator<Step> {
  for (let place: Place | null = from; place !== null; ) {
    const { v, t }: Place = place;
    const known = walk.count;
    place = walk.step(place);
    yield { v, from: place?.t ?? facts.openedAt, to: t, pieces: walk.since(known) };
  }
}

/** The target when none is given: the last open flow of the run's procedures; when all are done, the flow that ended last. O(V). */
export function defaultTarget(graph: Graph, s: RunState, facts: PathFacts): number {
  let last = 0;
  for (let v = graph.n - 1; v >= 0; v--) {
    const excluded = has(s, v, FLAG.EXCLUDED) && !isTriggered(graph, s, v);
    if (isOpen(s, v) && !excluded) return v;
    if (isDone(s, v) && facts.resultAt[v]! > (isDone(s, last) ? facts.resultAt[last]! : 0)) last = v;
  }
  return last;
}

class Walk {
  readonly flows: number[] = [];
  readonly #at: History;
  /** Latest first. */
  readonly #pieces: Piece[] = [];
  /** Generations that the walk has entered at the present instant, so that a way round a loop ends. */
  readonly #here = new Set<string>();
  #hereAt = -1;

  constructor(at: History) {
    this.#at = at;
  }

  get count(): number {
    return this.#pieces.length;
  }

  /** Pieces added after the first `count`, latest first. */
  since(count: number): readonly Piece[] {
    return this.#pieces.slice(count);
  }

  step({ v, index, t, live }: Place): Place | null {
    const { facts, s } = this.#at;
    if (this.flows.at(-1) !== v) this.flows.push(v);
    this.#enter(v, index, t);
    const gen = generationAt(this.#at, v, index);
    if (live && gen.result !== 0 && !isReleasing(gen.result)) {
      // It has ended without freeing other flows: the time since then is rework, or a person's.
      const unknown = gen.result === RESULTS.outcome_unknown.code;
      const ended = Math.min(t, Math.max(facts.openedAt, gen.resultAt));
      this.#add(gen, [span(unknown ? 'waiting_person' : 'rework', ended, t)]);
      return { v, index, t: ended, live: false };
    }
    if (live && isWaiting(s, v)) {
      const open = this.#openUpstream(v, t);
      if (open >= 0) {
        const last = generationCount(this.#at, open) - 1;
        // Only a member of a rerun plan may be done and still be waited for.
        return { v: open, index: last, t, live: !isDone(s, open) };
      }
    }
    const limit = this.#limit(gen, t, live);
    const upstream = this.#latestUpstream(gen, limit);
    const low = upstream?.at ?? facts.openedAt;
    const begun = index === 0 ? facts.openedAt : Math.min(gen.begunAt, t);
    if (low >= begun) {
      this.#add(gen, spansOf(this.#at, gen, { from: Math.min(low, t), to: t }, live));
      return upstream === null ? null : { ...upstream, t: Math.min(low, t), live: false };
    }
    this.#add(gen, spansOf(this.#at, gen, { from: begun, to: t }, live));
    const before = generationAt(this.#at, v, index - 1);
    const ended = Math.min(begun, before.resultAt === 0 ? begun : before.resultAt);
    const from = Math.max(low, ended);
    this.#add(gen, [span('rework', from, begun)]);
    if (low > ended && upstream !== null) return { ...upstream, t: low, live: false };
    return { v, index: index - 1, t: ended, live: false };
  }

  /** All pieces in order of time; neighbours of the same flow and kind are joined. */
  pieces(): Piece[] {
    const merged: Piece[] = [];
    for (const piece of this.#pieces.toReversed()) {
      const last = merged.at(-1);
      if (last !== undefined && isSame(last, piece))
        merged[merged.length - 1] = { ...last, to: piece.to, ms: piece.to - last.from };
      else merged.push(piece);
    }
    return merged;
  }

  #enter(v: number, index: number, t: number): void {
    if (this.#hereAt !== t) this.#here.clear();
    this.#hereAt = t;
    this.#here.add(`${v}.${index}`);
  }

  #isHere(v: number, index: number, t: number): boolean {
    return this.#hereAt === t && this.#here.has(`${v}.${index}`);
  }

  /** Adds spans of a flow; the last of them ends where the piece added before begins. */
  #add({ v, generation }: Generation, spans: readonly Span[]): void {
    const flow = this.#at.graph.ids[v]!;
    for (const entry of spans.toReversed())
      if (entry.to > entry.from) this.#pieces.push({ ...entry, flow, generation, ms: entry.to - entry.from });
  }

  /** When the flow was free to start; later ends of upstream flows did not count. */
  #limit(gen: Generation, t: number, live: boolean): number {
    const { s, facts } = this.#at;
    const { v } = gen;
    const last = attemptsOf(this.#at, gen, t).at(-1);
    // No attempt says it: the flow waits, or a person ended it while its next attempt waited.
    const waits = live
      ? isWaiting(s, v)
      : last !== undefined && gen.present && s.attempt[v]! > facts.attempts.attempt[last]!;
    let limit = last === undefined || waits ? t : facts.attempts.sentAt[last]!;
    const begun = gen.index === 0 ? facts.openedAt : gen.begunAt;
    for (const override of facts.overrides.get(v) ?? [])
      if (override.kind === 'start-now' && override.at >= begun && isInForce(override, limit))
        limit = override.at;
    return Math.min(t, limit);
  }

  /** The upstream that was done last, at `limit` or before; equal instants by kind, then by id. O(in-degree). */
  #latestUpstream(gen: Generation, limit: number): { v: number; index: number; at: number } | null {
    const { graph, facts } = this.#at;
    const { v } = gen;
    const waives = (facts.overrides.get(v) ?? []).filter(
      (entry) => entry.kind === 'waive' && isInForce(entry, limit),
    );
    const startNow = (facts.overrides.get(v) ?? []).find(
      (entry) => entry.kind === 'start-now' && entry.at === limit,
    );
    const decidedAt = gen.result === RESULTS.force_passed.code ? gen.resultAt : startNow?.at;
    let best: { v: number; index: number; at: number } | null = null;
    for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++) {
      const u = graph.up[e]!;
      const waive = waives.find((waive) => waive.from === graph.ids[u] && waive.run === undefined);
      // After a waive the edge does not count; an end before it does.
      const end = waive === undefined ? lastEnd(this.#at, u, limit) : lastEndBefore(this.#at, v, u, waive.at);
      if (end === null || end.at < (best?.at ?? 0) || this.#isHere(u, end.index, end.at)) continue;
      // In a loop, an end at the instant of a decision about this flow is a consequence of that decision.
      if (graph.loopEdge[e] === 1 && end.at === decidedAt) continue;
      if (best === null || end.at > best.at || this.#precedes(u, best.v)) best = { v: u, ...end };
    }
    const member = planMemberEnd(this.#at, gen, limit);
    if (member !== null && member.at > (best?.at ?? 0)) best = member;
    return best === null || best.at <= facts.openedAt ? null : best;
  }

  /** What a waiting flow waits for: an upstream that is not done, or an open member of a rerun plan above it; -1 = none. */
  #openUpstream(v: number, now: number): number {
    const { graph, s } = this.#at;
    if (has(s, v, FLAG.STARTED_NOW)) return -1;
    let best = -1;
    const offer = (u: number): void => {
      const index = generationCount(this.#at, u) - 1;
      if (!this.#isHere(u, index, now) && (best < 0 || this.#precedes(u, best))) best = u;
    };
    for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++) {
      const u = graph.up[e]!;
      if (!edgeMet(s, e, u)) offer(u);
    }
    if (best >= 0 || !has(s, v, FLAG.MEMBER) || s.above[v] === 0) return best;
    const seen = new Set<number>();
    const stack = [v];
    while (stack.length > 0) {
      const d = stack.pop()!;
      for (let e = graph.upOff[d]!; e < graph.upOff[d + 1]!; e++) {
        const u = graph.up[e]!;
        if (graph.loopEdge[e] === 1 || seen.has(u)) continue;
        seen.add(u);
        if (has(s, u, FLAG.MEMBER)) offer(u);
        else stack.push(u);
      }
    }
    return best;
  }

  /** Which of two flows that were done at the same instant counts: other flows before interfaces, these before gates; then the lower id. */
  #precedes(a: number, b: number): boolean {
    const { graph } = this.#at;
    const rank = (v: number): number => {
      const { kind, runner } = graph.attrOf(v);
      return runner === 'person' ? 2 : kind === 'interface' ? 1 : 0;
    };
    return rank(a) - rank(b) < 0 || (rank(a) === rank(b) && graph.ids[a]! < graph.ids[b]!);
  }
}

const span = (kind: PieceKind, from: number, to: number): Span => ({
  kind,
  from,
  to,
  attempt: null,
  agent: null,
  by: null,
});

const isSame = (a: Piece, b: Piece): boolean =>
  a.flow === b.flow &&
  a.kind === b.kind &&
  a.generation === b.generation &&
  a.attempt === b.attempt &&
  a.by === b.by;
