/** A run as of one instant, for the answers: state, instants and claims from one snapshot of the record. */
import type pg from 'pg';
import { SluiceError } from '../../errors.ts';
import type { FlowInstants } from '../../graph/run/run-facts.ts';
import type { RunState } from '../../graph/run/state.ts';
import { inTransaction, type Queryable } from '../schema/pool.ts';
import { type Counter, readChanged, readDecided } from './decided-state.ts';
import type { RunContext } from './run-context.ts';
import { claimedFlows } from './run-flows.ts';

export interface Snapshot extends FlowInstants {
  readonly client: Queryable;
  readonly context: RunContext;
  readonly state: RunState;
  /** PostgreSQL's clock, never before that of the last exchange. */
  readonly now: number;
  readonly closedAt: number | null;
  readonly frozen: string | null;
  readonly unread: { readonly rows: number; readonly since: number };
}

/** What needs no state of the run to be read. */
export type Reading = Pick<Snapshot, 'client' | 'context'>;

/**
 * Calls `work` within one snapshot of the record, with what `read` found in it; reading only. Throws `unknown_run`. Statements are sent
 * together as far as they can be: on a busy machine an answer takes as long as its round trips, of which there are one or two, and one more
 * when the run has moved since the answer before.
 */
export async function inSnapshot<Facts, T>(
  pool: pg.Pool,
  { context, graceMs }: { readonly context: RunContext; readonly graceMs: number },
  read: (reading: Reading) => Promise<Facts>,
  work: (snapshot: Snapshot, facts: Facts) => T | Promise<T>,
): Promise<T> {
  const { run, index } = context;
  return inTransaction(
    pool,
    async (client) => {
      const [counter, changed, claimed, facts] = await Promise.all([
        readCounters(client, run.id),
        readChanged(client, context),
        claimedFlows(client, run.id),
        read({ client, context }),
      ]);
      if (counter === null)
        throw new SluiceError('unknown_run', `there is no run ${run.id}`, { facts: { run: run.id } });
      const { state, instants } = await readDecided(client, context, { counter, changed, graceMs });
      const lease = new Uint8Array(context.graph.n);
      for (const { flow, started } of claimed) {
        const v = index.get(flow);
        if (v !== undefined) lease[v] = started ? 2 : 1;
      }
      const now = Math.max(counter.clock, counter.now);
      const snapshot = {
        ...instants,
        client,
        context,
        state: { ...state, lease },
        now,
        closedAt: counter.closedAt,
        frozen: counter.frozen,
        unread: { rows: counter.seq - counter.cursor, since: counter.unreadSince ?? now },
      };
      return work(snapshot, facts);
    },
    { begin: 'begin isolation level repeatable read read only', guarded: false, awaitsEnd: false },
  );
}

interface Counters extends Counter {
  readonly seq: number;
  readonly clock: number;
  readonly closedAt: number | null;
  readonly frozen: string | null;
  readonly unreadSince: number | null;
}

async function readCounters(client: Queryable, run: string): Promise<Counters | null> {
  const found = await client.query<Counters>({
    name: 'snapshot-counters',
    text: `select c.exchange, c.cursor, c.log_seq as seq, c.now_ms as now, clock_ms() as clock, r.state = 'closed' as closed,
        r.finished_ms is not null as finished, r.closed_ms as "closedAt", r.frozen,
        (select at_ms from run_log l where l.run_id = c.run_id and l.seq = c.cursor + 1) as "unreadSince"
      from run_counters c join runs r on r.id = c.run_id where c.run_id = $1`,
    values: [run],
  });
  return found.rows[0] ?? null;
}

/** PostgreSQL's clock, ms. */
export async function readClock(client: Queryable): Promise<number> {
  const found = await client.query<{ now: number }>('select clock_ms() as now');
  return found.rows[0]!.now;
}
