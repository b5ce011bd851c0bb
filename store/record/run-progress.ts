/** How far coordinators have come with the logs of their runs (protocol A6), and runs that stand still (protocol A9). */
import type { Cycle } from '../../graph/model.ts';
import type { Queryable } from '../schema/pool.ts';

/**
 * Rows of `run_counters` whose run is to be woken: a row of its log that no exchange has read; no exchange yet; or rows that were read and
 * not decided, and no exchange for 5 s: the workflow that read them is gone (it was terminated, or its server restored).
 */
const BEHIND = 'log_seq > read_seq or exchange = 0 or log_seq > cursor and now_ms < clock_ms() - 5000';

export interface Progress {
  /** Number of the last exchange; 0 = none yet. */
  readonly exchange: number;
  /** Whether the log is ahead of the coordinator. */
  readonly unread: boolean;
  /** Whether its coordinator has said within `leavingMs` that it continues as new (protocol A7). */
  readonly leaving: boolean;
}

/** Null: there is no such run. */
export async function readProgress(
  client: Queryable,
  run: string,
  leavingMs: number,
): Promise<Progress | null> {
  const found = await client.query<Progress>({
    name: 'run-progress',
    text: `select exchange, ${BEHIND} as unread,
        coalesce(leaving_ms > clock_ms() - $2::bigint, false) as leaving from run_counters where run_id = $1`,
    values: [run, leavingMs],
  });
  return found.rows[0] ?? null;
}

/** Runs whose log is ahead of their coordinator; none that are frozen: a signal a second would only fill their histories. */
export async function runsBehind(client: Queryable): Promise<string[]> {
  const found = await client.query<{ run_id: string }>(
    `select c.run_id from run_counters c join runs r on r.id = c.run_id
     where (${BEHIND}) and r.frozen is null`,
  );
  return found.rows.map((row) => row.run_id);
}

/** The run has to be there. */
export async function readCycle(client: Queryable, run: string): Promise<Cycle> {
  const found = await client.query<{ cycle: Cycle }>('select cycle from runs where id = $1', [run]);
  return found.rows[0]!.cycle;
}

/** Nothing of the run moves any more, for this reason; or it may again (null). */
export async function setFrozen(client: Queryable, run: string, reason: string | null): Promise<void> {
  await client.query('update runs set frozen = $2 where id = $1', [run, reason]);
}
