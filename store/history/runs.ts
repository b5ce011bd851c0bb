/** Runs as they are listed and shown. Reading only. */
import type { Cycle, Purpose } from '../../graph/model.ts';
import { RUN_COLUMNS, type RunRow } from '../record/run-context.ts';
import type { Queryable } from '../schema/pool.ts';

export interface ListedRun extends RunRow {
  readonly closedAt: number | null;
  readonly paused: boolean;
}

const LISTED = `${RUN_COLUMNS}, closed_ms as "closedAt",
  exists (select 1 from pauses p where p.scope = 'run:' || runs.id and p.to_ms is null) as paused`;

export interface RunFilter {
  readonly state?: 'open' | 'closed' | undefined;
  readonly cycle?: Cycle | undefined;
  readonly purpose?: readonly Purpose[] | undefined;
  readonly period?: string | undefined;
}

/** Newest first; `before` is the last row of the page before. */
export async function listRuns(
  client: Queryable,
  filter: RunFilter,
  page: { before: { at: number; id: string } | null; limit: number },
): Promise<ListedRun[]> {
  const found = await client.query<ListedRun>(
    `select ${LISTED} from runs
     where ($1::text is null or state = $1) and ($2::text is null or cycle = $2) and ($3::text[] is null or purpose = any($3))
       and ($4::text is null or period = $4) and ($5::bigint is null or (opened_ms, id) < ($5, $6))
     order by opened_ms desc, id desc limit $7`,
    [
      filter.state ?? null,
      filter.cycle ?? null,
      filter.purpose ?? null,
      filter.period ?? null,
      page.before?.at ?? null,
      page.before?.id ?? null,
      page.limit,
    ],
  );
  return found.rows;
}

export interface ShownRun extends ListedRun {
  readonly now: number;
  readonly seq: number;
  readonly cursor: number;
  readonly exchange: number;
}

/** One run with its counters; null when there is none. */
export async function readShownRun(client: Queryable, run: string): Promise<ShownRun | null> {
  const found = await client.query<ShownRun>(
    `select ${LISTED}, c.now_ms as now, c.log_seq as seq, c.cursor, c.exchange
     from runs join run_counters c on c.run_id = runs.id where runs.id = $1`,
    [run],
  );
  return found.rows[0] ?? null;
}

/** Ids of all open runs, the newest first. */
export async function openRuns(client: Queryable): Promise<string[]> {
  const found = await client.query<{ id: string }>(
    `select id from runs where state = 'open' order by opened_ms desc, id desc`,
  );
  return found.rows.map(({ id }) => id);
}

/** Ids of the runs that were opened last, the newest first. */
export async function newestRuns(client: Queryable, limit: number): Promise<string[]> {
  const found = await client.query<{ id: string }>('select id from runs order by opened_ms desc limit $1', [
    limit,
  ]);
  return found.rows.map(({ id }) => id);
}

/** Those of the ids that no run of the record has, with the present moment, ms. */
export async function runsNotOpened(
  client: Queryable,
  ids: readonly string[],
): Promise<{ id: string; now: number }[]> {
  const found = await client.query<{ id: string; now: number }>({
    name: 'runs-not-opened',
    text: `select x.id, clock_ms() as now from unnest($1::text[]) as x (id) where not exists (select 1 from runs where runs.id = x.id)`,
    values: [ids],
  });
  return found.rows;
}
