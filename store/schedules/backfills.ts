/** Backfills: runs that redo a range of periods. A backfill is stored with the ids of all its runs; the workers' opener opens them one by one. */
import type pg from 'pg';
import { SluiceError } from '../../errors.ts';
import { parseRunId, runId } from '../../graph/calendar/calendar.ts';
import type { BackfillPlan } from '../../graph/impact/backfill.ts';
import type { PlannedRun } from '../../graph/impact/backfill-dependants.ts';
import type { Cycle } from '../../graph/model.ts';
import type { BackfillTurn } from '../../graph/why/unopened.ts';
import { writeAudit } from '../operations/audit.ts';
import { newId } from '../operations/operation-rows.ts';
import { inTransaction, type Queryable } from '../schema/pool.ts';
import { runsBeside } from './beside.ts';
import type { OpenDueDeps } from './open-due.ts';
import { openRun } from './open-run.ts';
import { nextRunNumber } from './run-numbers.ts';

export interface BackfillRow {
  readonly id: string;
  readonly actor: string;
  readonly bodyHash: string;
  readonly cycle: Cycle;
  readonly from: string;
  readonly to: string;
  /** Flows that its runs are opened for; null = all. */
  readonly flows: readonly string[] | null;
  /** The flows that were requested, before everything downstream was added. */
  readonly roots: readonly string[] | null;
  readonly downstream: boolean;
  /** Whether it has runs of other cycles, whose flows use its results. */
  readonly dependants: boolean;
  /** Whether it may have periods from before the beginning. */
  readonly beforeBeginning: boolean;
  /** Whether it has periods that no schedule opens, too. */
  readonly everyPeriod: boolean;
  readonly descending: boolean;
  readonly concurrency: number;
  readonly reason: string;
  readonly state: 'open' | 'finished' | 'cancelled';
  readonly openedAt: number;
  readonly endedAt: number | null;
  readonly endedBy: string | null;
  readonly trouble: string | null;
}

export interface BackfillRun {
  readonly cycle: Cycle;
  readonly period: string;
  readonly run: string;
  /** Flows that it is opened for; null: those of the backfill. */
  readonly flows: readonly string[] | null;
  /** `closed`: the run was closed before it was finished. `dropped`: the backfill was cancelled before the run was opened. */
  readonly state: 'pending' | 'open' | 'finished' | 'closed' | 'dropped';
  /** Flows that failed or whose outcome is unknown. */
  readonly failed: number;
  readonly openedAt: number | null;
}

const ROW = `id, actor, body_hash as "bodyHash", cycle, from_period as "from", to_period as "to", flows, roots, downstream, dependants,
  before_beginning as "beforeBeginning", every_period as "everyPeriod", descending, concurrency, reason, state, opened_ms as "openedAt", ended_ms as "endedAt", ended_by as "endedBy", trouble`;

export interface NewBackfill {
  readonly actor: string;
  readonly key: string;
  readonly bodyHash: string;
  readonly cycle: Cycle;
  readonly from: string;
  readonly to: string;
  readonly roots: readonly string[] | null;
  readonly downstream: boolean;
  readonly dependants: boolean;
  readonly beforeBeginning: boolean;
  readonly everyPeriod: boolean;
  readonly reason: string;
}

/**
 * Stores a backfill; the same key again answers the first one, with another body it throws `idempotency_key_reused`. All its runs get one
 * number, the next that none of their periods has. `runs` are in the order of opening.
 */
export async function createBackfill(
  pool: pg.Pool,
  given: NewBackfill,
  plan: BackfillPlan,
  runs: readonly PlannedRun[],
): Promise<BackfillRow> {
  return inTransaction(pool, async (client) => {
    await client.query("select pg_advisory_xact_lock(hashtext('sluice.backfill'))");
    const known = await client.query<BackfillRow>(
      `select ${ROW} from backfills where actor = $1 and idempotency_key = $2`,
      [given.actor, given.key],
    );
    const before = known.rows[0];
    if (before !== undefined) {
      if (before.bodyHash === given.bodyHash) return before;
      const facts = { key: given.key, backfill: before.id };
      throw new SluiceError('idempotency_key_reused', `the key '${given.key}' belongs to ${before.id}`, {
        facts,
      });
    }
    const number = await nextRunNumber(client, 'backfill', runs);
    const id = newId('backfill');
    const inserted = await client.query<BackfillRow>(
      `insert into backfills (id, actor, idempotency_key, body_hash, cycle, from_period, to_period, flows, roots, downstream, dependants,
         before_beginning, every_period, descending, concurrency, number, reason, opened_ms)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, clock_ms()) returning ${ROW}`,
      [
        id,
        given.actor,
        given.key,
        given.bodyHash,
        given.cycle,
        given.from,
        given.to,
        plan.flows,
        given.roots,
        given.downstream,
        given.dependants,
        given.beforeBeginning,
        given.everyPeriod,
        plan.descending,
        plan.concurrency,
        number,
        given.reason,
      ],
    );
    await client.query(
      `insert into backfill_runs (backfill_id, position, period, run_id, together, flows)
       select $1, x.n, x.period, x.run, x.together, case when x.flows <> 'null' then array(select jsonb_array_elements_text(x.flows)) end
       from unnest($2::text[], $3::text[], $4::int[], $5::jsonb[]) with ordinality as x (period, run, together, flows, n)`,
      [
        id,
        runs.map((run) => run.period),
        runs.map((run) => runId(run.cycle, run.period, 'backfill', number)),
        runs.map((run) => run.together),
        runs.map((run) => JSON.stringify(run.flows)),
      ],
    );
    await writeAudit(client, {
      actor: given.actor,
      verb: 'backfill',
      run: null,
      targets: [id],
      reason: given.reason,
      outcome: 'applied',
      detail: {
        cycle: given.cycle,
        from: given.from,
        to: given.to,
        flows: given.roots,
        downstream: given.downstream,
        dependants: given.dependants,
        runs: runs.length,
      },
    });
    return inserted.rows[0]!;
  });
}

/** Newest first; `before` is the last row of the page before. */
export async function listBackfills(
  client: Queryable,
  state: string | undefined,
  page: { before: { at: number; id: string } | null; limit: number },
): Promise<BackfillRow[]> {
  const found = await client.query<BackfillRow>(
    `select ${ROW} from backfills where ($1::text is null or state = $1) and ($2::bigint is null or (opened_ms, id) < ($2, $3))
     order by opened_ms desc, id desc limit $4`,
    [state ?? null, page.before?.at ?? null, page.before?.id ?? null, page.limit],
  );
  return found.rows;
}

/** Throws `unknown_backfill`. */
export async function readBackfill(client: Queryable, id: string): Promise<BackfillRow> {
  const found = await client.query<BackfillRow>(`select ${ROW} from backfills where id = $1`, [id]);
  const row = found.rows[0];
  if (row === undefined)
    throw new SluiceError('unknown_backfill', `there is no backfill ${id}`, { facts: { backfill: id } });
  return row;
}

/** Runs of backfills in the order of opening, by backfill. */
export async function readBackfillRuns(
  client: Queryable,
  ids: readonly string[],
): Promise<Map<string, BackfillRun[]>> {
  const found = await client.query<Omit<BackfillRun, 'cycle'> & { backfill: string }>(
    `select b.backfill_id as backfill, b.period, b.run_id as run, b.flows, b.opened_ms as "openedAt",
       -- A run that has left the record was over.
       case when b.state <> 'opened' then b.state when r.id is null or r.finished_ms is not null then 'finished' else r.state end as state,
       (select count(*)::int from run_flows f where f.run_id = b.run_id and f.result in ('failed', 'cancelled', 'outcome_unknown')) as failed
     from backfill_runs b left join runs r on r.id = b.run_id where b.backfill_id = any($1::text[]) order by b.backfill_id, b.position`,
    [ids],
  );
  const lists = new Map<string, BackfillRun[]>(ids.map((id) => [id, []]));
  for (const { backfill, ...run } of found.rows)
    lists.get(backfill)!.push({ ...run, cycle: parseRunId(run.run)!.cycle });
  return lists;
}

/** Places of runs that are not opened yet in their backfills, by run; runs of no backfill are left out. */
export async function readTurns(
  client: Queryable,
  runs: readonly string[],
): Promise<Map<string, BackfillTurn>> {
  if (runs.length === 0) return new Map();
  const found = await client.query<BackfillTurn & { run: string }>(
    `select r.run_id as run, b.id as backfill, r.state, b.trouble,
       (select count(*)::int from backfill_runs o where o.backfill_id = b.id and o.state = 'pending' and o.position < r.position) as ahead
     from backfill_runs r join backfills b on b.id = r.backfill_id where r.run_id = any($1::text[]) and r.state <> 'opened'`,
    [runs],
  );
  return new Map(found.rows.map(({ run, ...turn }) => [run, turn]));
}

/** No more of its runs are opened; open ones go on. Throws `unknown_backfill`, `backfill_over`. */
export async function cancelBackfill(
  pool: pg.Pool,
  id: string,
  by: { actor: string; reason: string },
): Promise<void> {
  await inTransaction(pool, async (client) => {
    const ended = await client.query(
      `update backfills set state = 'cancelled', ended_ms = clock_ms(), ended_by = $2 where id = $1 and state = 'open'`,
      [id, by.actor],
    );
    if (ended.rowCount === 0) {
      const { state } = await readBackfill(client, id);
      throw new SluiceError('backfill_over', `${id} is ${state}`, { facts: { backfill: id, state } });
    }
    await client.query(
      "update backfill_runs set state = 'dropped' where backfill_id = $1 and state = 'pending'",
      [id],
    );
    await writeAudit(client, {
      ...by,
      verb: 'cancel-backfill',
      run: null,
      targets: [id],
      outcome: 'applied',
    });
  });
}

interface Next {
  readonly unfinished: number;
  /** An unfinished run waits for this one and this one for it: neither ends without the other. */
  readonly knotted: boolean;
  readonly position: number | null;
  readonly period: string | null;
  readonly run: string | null;
  readonly flows: string[] | null;
}

/** Another process has opened the run or ended the backfill meanwhile. */
class OpenedElsewhere extends Error {}

/** Opens the next runs of each open backfill, up to the number that may be unfinished at once. A backfill that fails does not stop the others. */
export async function openBackfills(
  deps: OpenDueDeps,
  warn: (facts: object, text: string) => void,
): Promise<void> {
  const found = await deps.pool.query<BackfillRow & { number: number }>(
    `select ${ROW}, number from backfills where state = 'open' order by opened_ms`,
  );
  for (const backfill of found.rows)
    try {
      while (await openNext(deps, backfill));
    } catch (error) {
      if (error instanceof OpenedElsewhere) continue;
      warn({ error, backfill: backfill.id }, 'could not open the next run of a backfill');
      const trouble =
        error instanceof SluiceError ? `${error.code}: ${error.message}` : 'see the log of the worker';
      await deps.pool.query('update backfills set trouble = $2 where id = $1', [backfill.id, trouble]);
    }
}

/** Answers true when a run was opened and another may follow. */
async function openNext(
  { pool, versionOf }: OpenDueDeps,
  backfill: BackfillRow & { number: number },
): Promise<boolean> {
  const { id, actor, number } = backfill;
  // One statement, one snapshot: a worker that does not see another worker's run yet picks the same one and is refused by its key.
  const found = await pool.query<Next>(
    `select (select count(*)::int from backfill_runs b join runs r on r.id = b.run_id
         where b.backfill_id = $1 and r.finished_ms is null and r.state = 'open') as unfinished,
       exists (select 1 from backfill_runs b join runs r on r.id = b.run_id
         where b.backfill_id = $1 and b.together = n.together and r.finished_ms is null and r.state = 'open') as knotted,
       n.position, n.period, n.run_id as run, coalesce(n.flows, $2::text[]) as flows
     from (select 1) one left join lateral (select * from backfill_runs where backfill_id = $1 and state = 'pending'
       order by position limit 1) n on true`,
    [id, backfill.flows],
  );
  const { unfinished, knotted, position, period, run, flows } = found.rows[0]!;
  if (position === null || period === null || run === null) {
    if (unfinished === 0)
      await pool.query(
        "update backfills set state = 'finished', ended_ms = clock_ms() where id = $1 and state = 'open'",
        [id],
      );
    return false;
  }
  if (unfinished >= backfill.concurrency && !knotted) return false;
  const take = async (client: Queryable): Promise<void> => {
    const taken = await client.query(
      `update backfill_runs set state = 'opened', opened_ms = clock_ms() where backfill_id = $1 and position = $2 and state = 'pending'
         and exists (select 1 from backfills where id = $1 and state = 'open' for share)`,
      [id, position],
    );
    if (taken.rowCount === 0) throw new OpenedElsewhere();
    await client.query('update backfills set trouble = null where id = $1 and trouble is not null', [id]);
  };
  const { cycle } = parseRunId(run)!;
  const beside = await runsBeside(pool, run);
  const request = {
    ...({ cycle, period, purpose: 'backfill', procedures: null, flows, number, beside } as const),
    beforeBeginning: backfill.beforeBeginning,
  };
  try {
    await openRun({ pool, versionOf }, request, actor, async (client, opened) => {
      await take(client);
      const detail = { cycle, period, purpose: 'backfill', backfill: id };
      await writeAudit(client, {
        actor,
        verb: 'open',
        run: opened,
        reason: backfill.reason,
        outcome: 'applied',
        detail,
      });
    });
  } catch (error) {
    // Another worker was quicker. A run with this id that exists for any other reason serves as well.
    if (!(error instanceof SluiceError) || error.code !== 'run_exists') throw error;
    await inTransaction(pool, take);
  }
  return true;
}
