/** A run as the record would tell it, written down by hand: minutes since the opening stand for instants. */
import type { Graph } from '../../graph/compiled/compact.ts';
import { AppliedPlan } from '../../graph/run/applied-plan.ts';
import type { AttemptOutcome, Override, PastGeneration, PathFacts } from '../../graph/run/run-facts.ts';
import { derive, emptyState, FLAG, type RunState } from '../../graph/run/state.ts';
import { codeOf, type Result } from '../../graph/run/status.ts';
import { type FlowSpec, graphOf, subscriptionsIn } from './run-graph.ts';

export const MIN = 60_000;
export const OPEN = 1_000 * MIN;
export const at = (minute: number): number => OPEN + Math.round(minute * MIN);

/** [sent, started, ended, outcome]; null = not yet. */
export type Try = readonly [
  sent: number,
  started: number | null,
  ended: number | null,
  outcome: AttemptOutcome | null,
  offered?: number,
];

export interface Told {
  readonly released?: number;
  readonly tries?: readonly Try[];
  readonly result?: readonly [Result, number];
  /** [verb, at, ended, upstream of a waive]. */
  readonly verbs?: readonly (readonly [string, number, (number | null)?, string?])[];
  readonly triggered?: number;
  readonly flags?: number;
  readonly lease?: 1 | 2;
  /** [released, result, its instant, superseded, tries]; older generations, in order. */
  readonly past?: readonly {
    released: number;
    result?: readonly [Result, number];
    until: number;
    tries?: readonly Try[];
  }[];
}

export interface Story {
  readonly specs: readonly FlowSpec[];
  readonly flows: Readonly<Record<string, Told>>;
  readonly now?: number;
  /** Minute at which an upstream in another run was done. */
  readonly met?: Readonly<Record<string, number>>;
  readonly pauses?: readonly (readonly [string, number, number | null])[];
  readonly plans?: readonly (readonly [number, readonly string[]])[];
  readonly locks?: Readonly<Record<string, string>>;
  readonly pools?: Readonly<Record<string, number>>;
  readonly poolSize?: number;
}

export function storyOf(story: Story): { graph: Graph; s: RunState; facts: PathFacts } {
  const graph = graphOf(story.specs);
  const now = at(story.now ?? 1_000);
  const subscriptions = subscriptionsIn(story.specs);
  const s = emptyState(graph, { openedAt: OPEN, now, graceMs: 0, subscriptions });
  const column = (): Float64Array => new Float64Array(graph.n);
  const instants = { triggeredAt: column(), releasedAt: column(), resultAt: column(), deadline: column() };
  const generationAt = column().fill(OPEN);
  const past = new Map<number, PastGeneration[]>();
  const overrides = new Map<number, Override[]>();
  const rows: [number, number, number, Try][] = [];
  const vertexOf = (flow: string): number => graph.ids.indexOf(flow);
  graph.ids.forEach((id, v) => {
    const told = story.flows[id] ?? {};
    const older = told.past ?? [];
    s.generation[v] = older.length + 1;
    s.attempt[v] = Math.max(1, told.tries?.length ?? 1);
    s.result[v] = codeOf(told.result?.[0] ?? null);
    s.flags[v] = (told.flags ?? 0) | (story.specs[v]!.excluded === true ? FLAG.EXCLUDED : 0);
    s.lease[v] = told.lease ?? 0;
    s.start[v] = story.specs[v]!.start ?? 0;
    if (told.lease !== undefined) s.flags[v]! |= FLAG.DISPATCHED;
    s.released[v] = told.released === undefined ? 0 : at(told.released);
    instants.releasedAt[v] = s.released[v]!;
    instants.resultAt[v] = told.result === undefined ? 0 : at(told.result[1]);
    instants.triggeredAt[v] = told.triggered === undefined ? 0 : at(told.triggered);
    let begun = OPEN;
    older.forEach((entry, i) => {
      const list = past.get(v) ?? [];
      list.push({
        generation: i + 1,
        begunAt: begun,
        releasedAt: at(entry.released),
        endedAt: at(entry.until),
        resultAt: entry.result === undefined ? 0 : at(entry.result[1]),
        result: codeOf(entry.result?.[0] ?? null),
      });
      past.set(v, list);
      for (const one of entry.tries ?? []) rows.push([v, i + 1, 1, one]);
      begun = at(entry.until);
    });
    generationAt[v] = begun;
    told.tries?.forEach((one, i) => {
      rows.push([v, older.length + 1, i + 1, one]);
    });
    overrides.set(
      v,
      (told.verbs ?? []).map(([kind, from, ended, edge]) => ({
        kind,
        from: edge ?? null,
        at: at(from),
        actor: 'wang',
        reason: '',
        endedAt: ended === undefined || ended === null ? null : at(ended),
      })),
    );
    for (const [kind, , ended, edge] of told.verbs ?? [])
      if (kind === 'waive' && (ended ?? null) === null)
        for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++)
          if (graph.ids[graph.up[e]!] === edge) s.waived[e] = 1;
  });
  derive(graph, s);
  const off = new Int32Array(graph.n + 1);
  for (const [v] of rows) off[v + 1]!++;
  for (let v = 0; v < graph.n; v++) off[v + 1]! += off[v]!;
  const instant = (minute: number | null): number => (minute === null ? 0 : at(minute));
  const all = [...graph.ids.keys()];
  return {
    graph,
    s,
    facts: {
      ...instants,
      generationAt,
      run: 'r',
      openedAt: OPEN,
      now,
      past,
      overrides,
      metAt: Float64Array.from(s.subscriptions.list, ({ from }) => at(story.met?.[from] ?? 0)).map((item) =>
        item === at(0) ? 0 : item,
      ),
      attempts: {
        off,
        generation: Int32Array.from(rows, ([, generation]) => generation),
        attempt: Int32Array.from(rows, ([, , attempt]) => attempt),
        releasedAt: Float64Array.from(rows, ([, , , it]) => (it[4] === undefined ? 0 : at(it[4]))),
        sentAt: Float64Array.from(rows, ([, , , it]) => at(it[0])),
        startedAt: Float64Array.from(rows, ([, , , it]) => instant(it[1])),
        endedAt: Float64Array.from(rows, ([, , , it]) => instant(it[2])),
        outcome: rows.map(([, , , it]) => it[3]),
        agent: rows.map(() => 'a1'),
      },
      pauses: (story.pauses ?? []).map(([scope, from, to]) => ({
        scope,
        from: at(from),
        to: to === null ? null : at(to),
        actor: 'wang',
        reason: '',
      })),
      plans: (story.plans ?? []).map(
        ([when, members]) => new AppliedPlan(graph, at(when), new Set(members.map(vertexOf))),
      ),
      contention: {
        locksOf: (v) => [story.locks?.[graph.ids[v]!] ?? []].flat(),
        usesOf: (v) => {
          const n = story.pools?.[graph.ids[v]!];
          return n === undefined ? [] : [{ pool: 'bulk', n }];
        },
        poolSize: () => story.poolSize ?? 1,
        takersOf: (lock) => all.filter((v) => story.locks?.[graph.ids[v]!] === lock),
        usersOf: () => all.filter((v) => story.pools?.[graph.ids[v]!] !== undefined),
      },
      vertexOf,
    },
  };
}
