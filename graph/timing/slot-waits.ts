/** What a flow in the outbox waited for: a lock or a pool that other flows held, else an agent with a free slot. */
import type { History, PieceKind, Span, Stretch } from './generations.ts';

/**
 * What a stretch in the outbox was spent on, as spans; neighbours differ in kind or in what was waited for. O(attempts of the flows that
 * share a lock or pool with it), and a sort of those that overlap: a pool of a large estate has thousands of users.
 */
export function slotWaits(at: History, v: number, stretch: Stretch): Span[] {
  const { facts, graph } = at;
  const { contention } = facts;
  const uses = contention.usesOf(v);
  const busy = busyWith(at, v, stretch);
  const changes = busy
    .flatMap((use) => [
      { at: use.from, use, begins: true },
      { at: use.to, use, begins: false },
    ])
    .sort((x, y) => x.at - y.at);
  const used = new Map<string, number>();
  const holders = new Set<Busy>();
  const full = (): string | null =>
    uses.find(({ pool, n }) => (used.get(pool) ?? 0) + n > contention.poolSize(pool))?.pool ?? null;
  const spans: Span[] = [];
  const add = (kind: PieceKind, by: string | null, { from, to }: Stretch): void => {
    const last = spans.at(-1);
    if (last !== undefined && last.kind === kind && last.by === by) spans[spans.length - 1] = { ...last, to };
    else spans.push({ kind, from, to, attempt: null, agent: null, by });
  };
  let next = 0;
  for (let { from } = stretch; from < stretch.to; ) {
    for (; next < changes.length && changes[next]!.at <= from; next++) {
      const { use, begins } = changes[next]!;
      if (use.pool !== null) used.set(use.pool, (used.get(use.pool) ?? 0) + (begins ? use.n : -use.n));
      else if (begins) holders.add(use);
      else holders.delete(use);
    }
    const to = changes[next]?.at ?? stretch.to;
    const holder = firstOf(holders);
    const pool = holder === null ? full() : null;
    if (holder !== null) add('waiting_lock', graph.ids[holder.u]!, { from, to });
    else add(pool === null ? 'waiting_agent' : 'waiting_pool', pool, { from, to });
    from = to;
  }
  return spans;
}

/** An attempt of another flow, cut to the stretch. */
interface Busy {
  /** Place in the order in which they were found; of several holders the first one is named. */
  readonly i: number;
  readonly u: number;
  readonly from: number;
  readonly to: number;
  /** The pool that it uses; null = it holds a lock. */
  readonly pool: string | null;
  readonly n: number;
}

function busyWith({ facts }: History, v: number, { from: a, to: b }: Stretch): Busy[] {
  const { contention } = facts;
  const { off, sentAt, endedAt } = facts.attempts;
  const busy: Busy[] = [];
  const collect = (u: number, pool: string | null): void => {
    if (u === v) return;
    for (let i = off[u]!; i < off[u + 1]!; i++) {
      const from = Math.max(a, sentAt[i]!);
      const to = Math.min(b, endedAt[i] === 0 ? b : endedAt[i]!);
      if (from >= to) continue;
      // Looked up only for attempts that overlap, which are few.
      const n = pool === null ? 0 : (contention.usesOf(u).find((use) => use.pool === pool)?.n ?? 0);
      busy.push({ i: busy.length, u, from, to, pool, n });
    }
  };
  for (const lock of contention.locksOf(v)) for (const u of contention.takersOf(lock)) collect(u, null);
  for (const { pool } of contention.usesOf(v)) for (const u of contention.usersOf(pool)) collect(u, pool);
  return busy;
}

/** The holder that was found first; there is rarely more than one, as locks exclude. */
function firstOf(holders: ReadonlySet<Busy>): Busy | null {
  let first: Busy | null = null;
  for (const holder of holders) if (first === null || holder.i < first.i) first = holder;
  return first;
}
