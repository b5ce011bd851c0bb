/** Exchanges of a run (protocol A5): written and read by activities/exchange.ts, the last of them also read for live views of runs (`run watch`). */
import type { ExchangeAnswer, Group } from '../../graph/run/decisions.ts';
import type { Queryable, Transaction } from '../schema/pool.ts';

/** Number of the last exchanges that are kept, for a coordinator that asks for one again and for live views (protocol A5). */
const KEEP = 200;

/** The counter row of a run. Moments in ms. */
export interface Counter {
  /** Number of the last exchange. */
  readonly exchange: number;
  readonly cursor: number;
  /** Number of the last row of the log. */
  readonly logSeq: number;
  /** Moment of the last exchange. */
  readonly now: number;
  /** The clock of the record. */
  readonly clock: number;
  /** Whether other runs wait for flows of this one. */
  readonly subscribed: boolean;
  /** Version of the catalogue. */
  readonly version: number;
}

/** Locks the counter row of the run, which has to be there: nobody else writes to its log until the transaction ends (protocol A3). */
export async function lockCounter(client: Queryable, run: string): Promise<Counter> {
  const found = await client.query<Counter>({
    name: 'lock-counter',
    text: `select exchange, cursor, log_seq as "logSeq", now_ms as now, clock_ms() as clock, subscribed, version
      from run_counters where run_id = $1 for update`,
    values: [run],
  });
  return found.rows[0]!;
}

/** What was written under a number: its decisions with their hash, its answer, and which rows of the log it gave. */
export interface WrittenExchange {
  readonly hash: string;
  readonly groups: Group[];
  readonly answer: Omit<ExchangeAnswer, 'entries' | 'adopted'>;
  readonly seqFrom: number;
  readonly seqTo: number;
}

/** Null: there is none, or none any more. */
export async function readExchange(
  client: Queryable,
  run: string,
  n: number,
): Promise<WrittenExchange | null> {
  const found = await client.query<WrittenExchange>(
    `select decisions_hash as hash, decisions as groups, answer, seq_from as "seqFrom", seq_to as "seqTo"
     from exchanges where run_id = $1 and n = $2`,
    [run, n],
  );
  return found.rows[0] ?? null;
}

/** Stores an exchange under the number of its answer, moves the counters of its run on, and deletes the exchange that is one too many. */
export function storeExchange(
  client: Transaction,
  given: {
    readonly run: string;
    readonly groups: readonly Group[];
    readonly hash: string;
    readonly answer: ExchangeAnswer;
    readonly seqFrom: number;
    readonly seqTo: number;
    /** Whether the coordinator continues as new after it (protocol A7). */
    readonly leaving: boolean;
  },
): void {
  const { run, groups, hash, answer, seqFrom, seqTo, leaving } = given;
  client.send({
    name: 'store-exchange',
    text: `with stored as (
        insert into exchanges (run_id, n, decisions_hash, decisions, seq_from, seq_to, answer, at_ms)
        values ($1, $2, $3, $4, $5, $6, $7, $8)
      ), pruned as (
        delete from exchanges where run_id = $1 and n = $2 - ${KEEP}
      )
      update run_counters set exchange = $2, cursor = $5, read_seq = $6, now_ms = $8, leaving_ms = case when $9 then $8 end where run_id = $1`,
    values: [
      run,
      answer.n,
      hash,
      JSON.stringify(groups),
      seqFrom,
      seqTo,
      JSON.stringify({ ...answer, entries: undefined }),
      answer.now,
      leaving,
    ],
  });
}

/** An exchange as a live view sees it. */
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
