/** Facts of the record for tests of the answers, where nothing but graph and state matters: every instant is the opening. */
import type { Graph } from '../../graph/compiled/compact.ts';
import type { Flow } from '../../graph/model.ts';
import type { WaitingClaim, WhyFacts } from '../../graph/run/run-facts.ts';
import { FLAG, type RunState } from '../../graph/run/state.ts';

const CLAIM: WaitingClaim = {
  releasedAt: 0,
  platform: 'yt',
  labels: [],
  pools: [],
  poolAmounts: [],
  locks: [],
};

/** One agent `a1` of platform `yt` is alive with a free slot; leases are those that the state knows. */
export function whyFactsOf(graph: Graph, s: RunState, given: Partial<WhyFacts> = {}): WhyFacts {
  const column = (value: number): Float64Array => new Float64Array(graph.n).fill(value);
  const leases = new Map<number, { agent: string; sentAt: number; startedAt: number | null }>();
  for (let v = 0; v < graph.n; v++)
    if (s.lease[v] !== 0)
      leases.set(v, { agent: 'a1', sentAt: s.openedAt, startedAt: s.lease[v] === 2 ? s.openedAt : null });
  const waits = (v: number): boolean => (s.flags[v]! & FLAG.DISPATCHED) !== 0 && s.lease[v] === 0;
  return {
    generationAt: column(s.openedAt),
    triggeredAt: column(0),
    releasedAt: s.released,
    resultAt: column(0).map((_, v) => (s.result[v] === 0 ? 0 : s.openedAt)),
    deadline: column(0),
    run: 'month-2026-10',
    openedAt: s.openedAt,
    now: s.now,
    closedAt: null,
    frozen: null,
    unread: { rows: 0, since: s.now },
    claimOf: (v) => (waits(v) ? { ...CLAIM, releasedAt: s.released[v]! } : undefined),
    leases,
    agents: [
      {
        name: 'a1',
        platform: 'yt',
        labels: [],
        slots: 1,
        used: 0,
        drained: false,
        live: true,
        seenAt: s.now,
        takenAt: 0,
      },
    ],
    pools: new Map(),
    locks: new Map(),
    kept: [],
    holders: [],
    pauses: [],
    overrides: new Map(),
    lastAttempts: new Map(),
    flowOf: (v) => flowNamed(graph.ids[v]!),
    procedureOwner: () => null,
    usualMs: () => null,
    referenceAt: () => 0,
    missingTables: () => [],
    ...given,
  };
}

const flowNamed = (id: string): Flow => ({ id, names: { en: `${id} in words`, zh: `${id}的名称` } }) as Flow;
