/** What a flow in the outbox waited for: a lock or a pool that others held meanwhile, otherwise an agent with a free slot. */
import type { History, PieceKind, Span } from './flow-history.ts';

/** Spans from `a` to `b`. O(attempts of the flows that share a lock or pool with it). */
export function slotWaits(at: History, v: number, a: number, b: number): Span[] {
  const { contention } = at.facts;
  const locks = contention.locksOf(v);
  const uses = contention.usesOf(v);
  const busy: Busy[] = [];
  for (const lock of locks)
    for (const u of contention.takersOf(lock)) if (u !== v) collect(at, u, a, b, { lock, n: 0 }, busy);
  for (const { pool } of uses)
    for (const u of contention.usersOf(pool)) {
      const n = contention.usesOf(u).find((use) => use.pool === pool)?.n ?? 0;
      if (u !== v) collect(at, u, a, b, { pool, n }, busy);
    }
  const cuts = [...new Set([a, b, ...busy.flatMap((it) => [it.from, it.to])])].sort((x, y) => x - y);
  const spans: Span[] = [];
  for (let i = 0; i + 1 < cuts.length; i++) {
    const [from, to] = [cuts[i]!, cuts[i + 1]!];
    const then = busy.filter((it) => it.from <= from && it.to >= to);
    const { kind, by } = waitedFor(at, then, uses);
    spans.push({ kind, from, to, attempt: null, agent: null, by });
  }
  return spans;
}

interface Busy {
  readonly u: number;
  readonly from: number;
  readonly to: number;
  readonly lock?: string;
  readonly pool?: string;
  readonly n: number;
}

function collect(
  { facts }: History,
  u: number,
  a: number,
  b: number,
  what: { lock?: string; pool?: string; n: number },
  busy: Busy[],
): void {
  const { off, sentAt, endedAt } = facts.attempts;
  for (let i = off[u]!; i < off[u + 1]!; i++) {
    const from = Math.max(a, sentAt[i]!);
    const to = Math.min(b, endedAt[i] === 0 ? b : endedAt[i]!);
    if (from < to) busy.push({ u, from, to, ...what });
  }
}

function waitedFor(
  { graph, facts }: History,
  then: readonly Busy[],
  uses: readonly { readonly pool: string; readonly n: number }[],
): { kind: PieceKind; by: string | null } {
  const holder = then.find((it) => it.lock !== undefined);
  if (holder !== undefined) return { kind: 'waiting_lock', by: graph.ids[holder.u]! };
  const full = uses.find(({ pool, n }) => {
    const used = then.reduce((sum, it) => sum + (it.pool === pool ? it.n : 0), 0);
    return used + n > facts.contention.poolSize(pool);
  });
  if (full !== undefined) return { kind: 'waiting_pool', by: full.pool };
  return { kind: 'waiting_agent', by: null };
}
