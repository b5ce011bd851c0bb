/** The end of a lease without a word of its agent: lost when the program had started, otherwise requeued or cancelled (protocol C4). */
import type pg from 'pg';
import { appendLog, type LogRow, lockCounters } from '../record/run-log.ts';
import { notify, sendNotify } from '../schema/notify.ts';
import { inTransaction, type Transaction } from '../schema/pool.ts';
import { keepUnended } from './attempts-past.ts';

interface Holding {
  readonly epoch: number;
  readonly pools: readonly string[];
  readonly pool_amounts: readonly number[];
  readonly locks: readonly string[];
}

/** Gives back pools and locks of ended leases, pools in the order of their keys (protocol A10), and wakes waiting claims. */
export function releaseHoldings(client: Transaction, ended: readonly Holding[]): void {
  const holding = ended.filter((lease) => lease.pools.length > 0 || lease.locks.length > 0);
  if (holding.length === 0) return;
  client.send(
    `update pools p set used = p.used - x.n from (
       select q.name, x.n from (select name, sum(n)::int as n from unnest($1::text[], $2::int[]) as x (name, n) group by name) x
       join (select name from pools where name = any($1::text[]) order by name for update) q on q.name = x.name) x
     where p.name = x.name`,
    [holding.flatMap((h) => h.pools), holding.flatMap((h) => h.pool_amounts)],
  );
  client.send('delete from locks where epoch = any($1::bigint[])', [holding.map((h) => h.epoch)]);
  sendNotify(client, 'sluice_outbox', '*');
}

/**
 * Ends the given leases. What follows depends on the attempt:
 * - started, also when it was to be stopped: it is `lost`, by a log row of kind `lost`;
 * - not started and to be stopped: it is `cancelled`, by a completion;
 * - not started otherwise: it is `requeued`. Its flow goes back to the outbox, or gets a completion when it no longer waits for an agent (an
 *   upstream is being redone, say).
 * With `onlySilent`, leases of which something was heard within their lease time are left alone. Returns the number of attempts that were
 * requeued, in both ways, as `requeued`, and of all others, cancelled ones included, as `lost`.
 */
export async function endLeases(
  pool: pg.Pool,
  epochs: readonly number[],
  onlySilent: { silent: true } | null,
): Promise<{ requeued: number; lost: number }> {
  return inTransaction(pool, async (client) => {
    const runs = await client.query<{ run_id: string }>(
      'select distinct run_id from leases where epoch = any($1::bigint[])',
      [epochs],
    );
    await lockCounters(
      client,
      runs.rows.map((row) => row.run_id),
    );
    await client.query(
      `select 1 from outbox o where (o.run_id, o.flow_id) in (select l.run_id, l.flow_id from leases l where l.epoch = any($1::bigint[]))
       order by o.run_id, o.flow_id for update`,
      [epochs],
    );
    const ended = await client.query<
      Holding & {
        run_id: string;
        flow_id: string;
        generation: number;
        attempt: number;
        started: boolean;
        stop: boolean;
        platform: string;
        reached: string | null;
        waits: boolean | null;
      }
    >(
      // The phase stands still: the counter rows are locked.
      `with held as (select epoch from leases where epoch = any($1::bigint[]) order by epoch for update)
       delete from leases l where epoch in (select epoch from held) and ($2::boolean is false or seen_ms < clock_ms() - lease_ms)
       returning epoch, run_id, flow_id, generation, attempt, started_ms is not null as started, stop, platform, reached, pools, pool_amounts, locks,
         (select f.phase = 'waiting_agent' from run_flows f where f.run_id = l.run_id and f.flow_id = l.flow_id) as waits`,
      [epochs, onlySilent !== null],
    );
    const unstarted = ended.rows.filter((row) => !row.started && !row.stop);
    const requeued = unstarted.filter((row) => row.waits === true);
    const reported = ended.rows.filter((row) => row.started || row.stop || row.waits !== true);
    await client.query(
      `update outbox o set claimed_epoch = null from unnest($1::bigint[], $2::text[], $3::text[]) as x (epoch, run_id, flow_id)
       where o.run_id = x.run_id and o.flow_id = x.flow_id and o.claimed_epoch = x.epoch`,
      [
        requeued.map((row) => row.epoch),
        requeued.map((row) => row.run_id),
        requeued.map((row) => row.flow_id),
      ],
    );
    await client.query(
      `update attempts a set ended_ms = clock_ms(), outcome = x.outcome, failure_kind = case when x.outcome = 'lost' then 'lost' end,
         message = coalesce('when its agent was last heard, ' || x.reached, a.message)
       from unnest($1::bigint[], $2::text[], $3::text[]) as x (epoch, outcome, reached) where a.epoch = x.epoch`,
      [
        ended.rows.map((row) => row.epoch),
        ended.rows.map((row) => (row.started ? 'lost' : row.stop ? 'cancelled' : 'requeued')),
        ended.rows.map((row) => row.reached),
      ],
    );
    keepUnended(
      client,
      ended.rows.filter((row) => row.started).map((row) => row.epoch),
    );
    const rows = new Map<string, LogRow[]>();
    for (const row of reported)
      rows.set(row.run_id, [
        ...(rows.get(row.run_id) ?? []),
        {
          kind: row.started ? 'lost' : 'completion',
          flow: row.flow_id,
          generation: row.generation,
          attempt: row.attempt,
          epoch: row.epoch,
          outcome: row.started ? 'lost' : row.stop ? 'cancelled' : 'requeued',
          operation: null,
          body: null,
        },
      ]);
    for (const [run, list] of rows) await appendLog(client, run, list);
    releaseHoldings(client, ended.rows);
    for (const platform of new Set(requeued.map((row) => row.platform)))
      await notify(client, 'sluice_outbox', platform);
    return { requeued: unstarted.length, lost: ended.rows.length - unstarted.length };
  });
}

/**
 * Leases that nobody kept for their lease time (protocol C4). Empty unless some API has been there, with a beat a second and without a gap, for at
 * least that long: an outage of API or PostgreSQL takes no lease.
 */
export async function silentLeases(pool: pg.Pool, limit = 500): Promise<number[]> {
  const found = await pool.query<{ epoch: number }>({
    name: 'silent-leases',
    text: `select l.epoch from leases l where l.seen_ms < clock_ms() - l.lease_ms
      and exists (select 1 from api_beats b where b.beat_ms > clock_ms() - 3000 and b.since_ms < clock_ms() - l.lease_ms)
      order by l.epoch limit $1`,
    values: [limit],
  });
  return found.rows.map((row) => row.epoch);
}
