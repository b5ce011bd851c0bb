/** The last exchanges of a run as watchers see them (protocol A5). Reading only. */
import type { ExchangeAnswer, Group } from '../../graph/run/decisions.ts';
import type { Queryable } from '../schema/pool.ts';

export interface StoredExchange {
  readonly n: number;
  readonly at: number;
  readonly groups: readonly Group[];
}

/** Exchanges after `n`, oldest first; `missed` when some of those were pruned. */
export async function exchangesAfter(
  client: Queryable,
  run: string,
  n: number,
  limit: number,
): Promise<{ exchanges: StoredExchange[]; missed: boolean }> {
  const found = await client.query<{
    n: number;
    at: number;
    decisions: Group[];
    answer: Pick<ExchangeAnswer, 'written'>;
  }>(
    'select n, at_ms as at, decisions, answer from exchanges where run_id = $1 and n > $2 order by n limit $3',
    [run, n, limit],
  );
  const exchanges = found.rows.map((row) => ({
    n: row.n,
    at: row.at,
    groups: row.decisions.slice(0, row.answer.written),
  }));
  return { exchanges, missed: exchanges.length > 0 && exchanges[0]!.n > n + 1 };
}

export async function lastExchange(client: Queryable, run: string): Promise<number> {
  const found = await client.query<{ exchange: number }>(
    'select exchange from run_counters where run_id = $1',
    [run],
  );
  return found.rows[0]?.exchange ?? 0;
}
