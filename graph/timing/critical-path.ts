/**
 * The critical path of what happened (docs/answers.md): from the target's end backwards to the opening of the run, piece by piece, without gap
 * or overlap. At each flow its own time down to the last upstream end that released it, then on to that upstream. Pure; integer ms.
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
  /** null: the target is not done; `now` is its end for the time being. */
  readonly endedAt: number | null;
  readonly now: number;
  readonly pieces: readonly Piece[];
  /** Flows of the path from the opening on, also those without a piece. */
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

/** Where the walk stands: flow `v` in one of its generations, everything from `t` on is explained already. */
interface Place {
  readonly v: number;
  readonly index: number;
  readonly t: number;
  /** `t` is now, and the flow is not done. */
  readonly live: boolean;
}

/** O(V + E) at worst, in practice the edges into the flows of the path. */
export function criticalPath(graph: Graph, s: RunState, facts: PathFacts, target: number): CriticalPath {
  const at: History = { graph, s, facts };
  const end = endOf(at, target).t;
  const walk = new Walk(at);
  for (const _ of stepsBack(walk, at, endOf(at, target)));
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
    unattributed: end - facts.openedAt - total,
  };
}

/**
 * The same walk step by step, from the target's end (of a target that is not done: from now) back to the opening; or from an earlier end,
 * that of the generation at place `index`.
 */
export function pathSteps(
  at: History,
  target: number,
  end?: { readonly at: number; readonly index: number },
): Iterable<Step> {
  const from =
    end === undefined ? endOf(at, target) : { v: target, index: end.index, t: end.at, live: false };
  return stepsBack(new Walk(at), at, from);
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

/** Without a target: the last open flow of the run's own procedures; of a run in which all is done the flow that ended last. O(V). */
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
  /** Generations entered at this very instant: the way round a loop must end. */
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
      // It ended without freeing anything: what passes now is rework, or a person's time.
      const unknown = gen.result === RESULTS.outcome_unknown.code;
      const ended = Math.min(t, Math.max(facts.openedAt, gen.resultAt));
      this.#add(gen, [span(unknown ? 'waiting_person' : 'rework', ended, t)]);
      return { v, index, t: ended, live: false };
    }
    if (live && isWaiting(s, v)) {
      const open = this.#openUpstream(v, t);
      if (open >= 0) {
        const last = generationCount(this.#at, open) - 1;
        // Done but still above: only a member of a rerun plan is waited for so.
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

  /** In order of time; neighbours of one kind at one flow are one piece. */
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

  /** The instant by which the flow was free to go: ends of upstream flows after it did not count. */
  #limit(gen: Generation, t: number, live: boolean): number {
    const { s, facts } = this.#at;
    const { v } = gen;
    const last = attemptsOf(this.#at, gen, t).at(-1);
    // Not by an attempt: it waits, or somebody's word came while another attempt stood out.
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

  /** The upstream that was done last by `limit`; equal instants by kind, then by id. */
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
      // Once waived an edge holds nothing back; what was done by then had its say.
      const end = waive === undefined ? lastEnd(this.#at, u, limit) : lastEndBefore(this.#at, v, u, waive.at);
      if (end === null || end.at < (best?.at ?? 0) || this.#isHere(u, end.index, end.at)) continue;
      // Round a loop an end at the very instant of a decision about this flow is its consequence.
      if (graph.loopEdge[e] === 1 && end.at === decidedAt) continue;
      if (best === null || end.at > best.at || this.#precedes(u, best.v)) best = { v: u, ...end };
    }
    const member = planMemberEnd(this.#at, gen, limit);
    if (member !== null && member.at > (best?.at ?? 0)) best = member;
    return best === null || best.at <= facts.openedAt ? null : best;
  }

  /** Finds what a waiting flow waits for: the upstream that is not done yet, or the open member of a rerun plan above it; -1 when there is none. */
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

  /** Equal instants: upstream before interface, before gate; lowest id first. */
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
