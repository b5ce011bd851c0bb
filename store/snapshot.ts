/** A run as of one instant, for the answers: state, instants and claims from one snapshot of the record. */
import type pg from 'pg';
import { SluiceError } from '../errors.ts';
import type { FlowInstants } from '../graph/run-facts.ts';
import type { RunState } from '../graph/state.ts';
import { readDecided } from './decided-state.ts';
import { inTransaction, type Queryable } from './pool.ts';
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

/** Calls `work` within one snapshot of the record; reading only. Throws `unknown_run`. */
export async function inSnapshot<T>(
  pool: pg.Pool,
  context: RunContext,
  graceMs: number,
  work: (snapshot: Snapshot) => Promise<T>,
): Promise<T> {
  const { run, index } = context;
  return inTransaction(
    pool,
    async (client) => {
      const found = await client.query<{
        exchange: number;
        cursor: number;
        seq: number;
        now: number;
        clock: number;
        closed: boolean;
        finished: boolean;
        closedAt: number | null;
        frozen: string | null;
        unreadSince: number | null;
      }>({
        name: 'snapshot-counters',
        text: `select c.exchange, c.cursor, c.log_seq as seq, c.now_ms as now, clock_ms() as clock, r.state = 'closed' as closed,
            r.finished_ms is not null as finished, r.closed_ms as "closedAt", r.frozen,
            (select at_ms from run_log l where l.run_id = c.run_id and l.seq = c.cursor + 1) as "unreadSince"
          from run_counters c join runs r on r.id = c.run_id where c.run_id = $1`,
        values: [run.id],
      });
      const counter = found.rows[0];
      if (counter === undefined)
        throw new SluiceError('unknown_run', `there is no run ${run.id}`, { facts: { run: run.id } });
      const { state, instants } = await readDecided(client, context, counter, graceMs);
      const lease = new Uint8Array(context.graph.n);
      for (const { flow, started } of await claimedFlows(client, run.id)) {
        const v = index.get(flow);
        if (v !== undefined) lease[v] = started ? 2 : 1;
      }
      const now = Math.max(counter.clock, counter.now);
      return work({
        ...instants,
        client,
        context,
        state: { ...state, lease },
        now,
        closedAt: counter.closedAt,
        frozen: counter.frozen,
        unread: { rows: counter.seq - counter.cursor, since: counter.unreadSince ?? now },
      });
    },
    { begin: 'begin isolation level repeatable read read only', guarded: false },
  );
}

/** PostgreSQL's clock, ms. */
export async function readClock(client: Queryable): Promise<number> {
  const found = await client.query<{ now: number }>('select clock_ms() as now');
  return found.rows[0]!.now;
}
