/**
 * What leaves the record, and when (docs/decisions/0007). A run leaves as a whole: it is written to the archive, read back, and deleted in one
 * transaction that locks its counter row first (protocol A10) and waits for no lock longer than half a second. A run that is not over stays, and so
 * does a run for which an unfinished run waits.
 */
import { appendFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import type { Cycle, Purpose } from '../../graph/model.ts';
import { FLAG } from '../../graph/run/state.ts';
import { repeatedly } from '../schema/patiently.ts';
import { inTransaction, isTransient, type Queryable } from '../schema/pool.ts';
import { RUN_TABLES, type WrittenArchive, writeArchive } from './run-archive.ts';

export interface RetentionPolicy {
  /** Days for which a run of the cycle is kept after it was over. */
  readonly keepDays: Readonly<Record<Cycle, number>>;
  readonly auditDays: number;
  /** Folder of the archive's files. */
  readonly folder: string;
}

/** Why a run that is old enough stays, for example because an unfinished run waits for it, or something in it is not decided or not ended. */
export type KeptBecause = 'waited_for' | 'undecided' | 'frozen' | 'restored';

export interface DueRun {
  readonly run: string;
  readonly cycle: Cycle;
  readonly period: string;
  readonly purpose: Purpose;
  readonly overAt: number;
  /** null: it leaves. */
  readonly keptBecause: KeptBecause | null;
}

/** Days for which a run stays after it was restored from the archive. */
const RESTORED_DAYS = 30;

const DUE = `
select r.id as run, r.cycle, r.period, r.purpose, greatest(r.finished_ms, r.closed_ms) as "overAt",
  case
    when r.frozen is not null then 'frozen'
    when exists (select 1 from subscriptions s join runs w on w.id = s.run_id
      where s.upstream_run = r.id and w.finished_ms is null and w.state = 'open') then 'waited_for'
    when c.log_seq > c.cursor
      or exists (select 1 from outbox o where o.run_id = r.id)
      or exists (select 1 from leases l where l.run_id = r.id)
      or exists (select 1 from operations p where p.run_id = r.id and p.state in ('requested', 'approval_required'))
      or exists (select 1 from rerun_plans p where p.run_id = r.id and p.expires_ms > clock_ms()) then 'undecided'
    when exists (select 1 from archived_runs a where a.run_id = r.id and a.restored_ms > clock_ms() - ${RESTORED_DAYS} * 86400000::bigint)
      then 'restored'
  end as "keptBecause"
from runs r join run_counters c on c.run_id = r.id
where (r.finished_ms is not null or r.state = 'closed')
  and greatest(r.finished_ms, r.closed_ms) < clock_ms() - 86400000::bigint *
    case r.cycle when 'hour' then $1::int when 'day' then $2::int else $3::int end`;

const daysOf = ({ keepDays }: RetentionPolicy): number[] => [keepDays.hour, keepDays.day, keepDays.month];

/** Runs that have been over for longer than runs of their cycle are kept, the oldest first. */
export async function dueRuns(client: Queryable, policy: RetentionPolicy, limit: number): Promise<DueRun[]> {
  const found = await client.query<DueRun>(`${DUE} order by "overAt", run limit $4`, [
    ...daysOf(policy),
    limit,
  ]);
  return found.rows;
}

export interface Archived {
  readonly run: string;
  readonly archive: WrittenArchive;
}

export interface RetentionReport {
  readonly archived: readonly Archived[];
  /** Runs that are old enough and stay, with those that changed while they were being archived. */
  readonly kept: readonly DueRun[];
  /** Whether more runs are due than this pass took. */
  readonly more: boolean;
  readonly auditRows: number;
  readonly exchangeRows: number;
}

const RETENTION_LOCK = 746_584;

export interface PassLimits {
  /** Most runs of the pass. */
  readonly limit: number;
  /** Time in ms after which the pass starts no further run. Default: none. */
  readonly forMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * One pass. Answers null while another process makes one. After each run it rests for the time that the run took, so that deleting takes at
 * most half of the database's time.
 */
export async function runRetention(
  pool: pg.Pool,
  policy: RetentionPolicy,
  limits: PassLimits,
): Promise<RetentionReport | null> {
  const holder = await pool.connect();
  try {
    const got = await holder.query<{ ok: boolean }>('select pg_try_advisory_lock($1) as ok', [
      RETENTION_LOCK,
    ]);
    if (!got.rows[0]!.ok) return null;
    try {
      return await pass(pool, policy, limits);
    } finally {
      await holder.query('select pg_advisory_unlock($1)', [RETENTION_LOCK]);
    }
  } finally {
    holder.release();
  }
}

async function pass(
  pool: pg.Pool,
  policy: RetentionPolicy,
  { limit, forMs, signal }: PassLimits,
): Promise<RetentionReport> {
  const due = await dueRuns(pool, policy, 10_000);
  const going = due.filter((entry) => entry.keptBecause === null);
  const archived: Archived[] = [];
  const kept = due.filter((entry) => entry.keptBecause !== null);
  const started = performance.now();
  let tried = 0;
  for (const due of going.slice(0, limit)) {
    const begun = performance.now();
    if (signal?.aborted || begun - started > (forMs ?? Number.POSITIVE_INFINITY)) break;
    tried++;
    const archive = await archiveRun(pool, policy, due);
    if (archive === null) kept.push({ ...due, keptBecause: 'undecided' });
    else archived.push({ run: due.run, archive });
    await pause(Math.min(1_000, performance.now() - begun));
  }
  await purgeTraces(pool);
  return {
    archived,
    kept,
    more: going.length > tried,
    exchangeRows: await purgeExchanges(pool),
    auditRows: await purgeAudit(pool, policy),
  };
}

const SNAPSHOT = { begin: 'begin isolation level repeatable read read only', guarded: false } as const;

/** Archives one run. Null: the run has changed meanwhile, and the next pass looks again. */
async function archiveRun(
  pool: pg.Pool,
  policy: RetentionPolicy,
  due: DueRun,
): Promise<WrittenArchive | null> {
  const { run, cycle, period, purpose } = due;
  const file = `${cycle}/${period.replaceAll('-', '').slice(0, 6)}/${run}.jsonl.gz`;
  const written = await inTransaction(
    pool,
    async (client) => {
      const before = await readFingerprint(client, run);
      const head = { sluice: 'archived run', run, cycle, period, purpose, schema: await schemaOf(client) };
      const parts = RUN_TABLES.map((part) => ({ ...part, values: [run] }));
      return { before, archive: await writeArchive(client, { folder: policy.folder, file, head, parts }) };
    },
    SNAPSHOT,
  );
  const gone = await afterOthers(() =>
    inTransaction(
      pool,
      async (client) => {
        await client.query("set local lock_timeout = '500ms'");
        const now = await readFingerprint(client, run, true);
        if (now === null || written.before === null || now !== written.before) return false;
        const still = await client.query<DueRun>(`${DUE} and r.id = $4`, [...daysOf(policy), run]);
        if (still.rows[0]?.keptBecause !== null) return false;
        await noteArchived(client, run, written.archive);
        await client.query('delete from exchanges where run_id = $1', [run]);
        await client.query('delete from rerun_plans where run_id = $1', [run]);
        for (const { table, where } of [...RUN_TABLES].reverse())
          await client.query(`delete from ${table} where ${where}`, [run]);
        return true;
      },
      { guarded: false },
    ),
  );
  if (!gone) return null;
  await noteInManifest(policy.folder, { run, cycle, period, purpose, ...written.archive });
  return written.archive;
}

/** A text that changes whenever the run changes; null: there is no such run. */
async function readFingerprint(client: Queryable, run: string, lock = false): Promise<string | null> {
  const found = await client.query<{ state: string }>(
    `select concat_ws(' ', c.exchange, c.log_seq, c.cursor, r.state, r.finished_ms, r.closed_ms) as state
     from run_counters c join runs r on r.id = c.run_id where c.run_id = $1 ${lock ? 'for update of c' : ''}`,
    [run],
  );
  return found.rows[0]?.state ?? null;
}

async function schemaOf(client: Queryable): Promise<number> {
  const found = await client.query<{ id: number }>('select max(id) as id from migrations');
  return found.rows[0]!.id;
}

/**
 * SQL: the flow is done and has not left its run, so an edge to it is met (protocol A11). Kept with the archived run, because runs that are
 * opened later wait for its flows.
 */
const DONE = `f.result in ('succeeded', 'skipped', 'force_passed') and f.flags & ${FLAG.RETIRED} = 0`;

async function noteArchived(client: Queryable, run: string, archive: WrittenArchive): Promise<void> {
  await client.query(
    `insert into archived_runs (run_id, cycle, period, purpose, file, sha256, bytes, rows, opened_ms, finished_ms, archived_ms, done, tainted)
     select id, cycle, period, purpose, $2, $3, $4, $5, opened_ms, finished_ms, clock_ms(),
       array(select flow_id from run_flows f where f.run_id = id and ${DONE} and f.flags & ${FLAG.TAINTED} = 0),
       array(select flow_id from run_flows f where f.run_id = id and ${DONE} and f.flags & ${FLAG.TAINTED} <> 0)
     from runs where id = $1
     on conflict (run_id) do update set file = excluded.file, sha256 = excluded.sha256, bytes = excluded.bytes, rows = excluded.rows,
       opened_ms = excluded.opened_ms, finished_ms = excluded.finished_ms, archived_ms = excluded.archived_ms, done = excluded.done, tainted = excluded.tainted, restored_ms = null`,
    [run, archive.file, archive.sha256, archive.bytes, JSON.stringify(archive.rows)],
  );
}

/** Adds a line to the list of the folder's files, which can be read without the database. The last line of a file counts. */
async function noteInManifest(folder: string, entry: object): Promise<void> {
  await mkdir(folder, { recursive: true });
  await appendFile(join(folder, 'manifest.jsonl'), `${JSON.stringify(entry)}\n`);
}

/** Repeats `work` while others hold its locks, with rests in which they go first. */
const afterOthers = <T>(work: () => Promise<T>): Promise<T> =>
  repeatedly(work, (error, tries) => (isTransient(error) && tries < 10 ? 200 * tries : null));

const BATCH = 2_000;

/** Exchanges of runs whose workflow has completed (protocol A8): a workflow that is woken again loads its run from the record. Batch by batch. */
async function purgeExchanges(pool: pg.Pool): Promise<number> {
  return inBatches(
    pool,
    `delete from exchanges where ctid = any(array(
       select e.ctid from exchanges e join runs r on r.id = e.run_id
       where r.finished_ms < clock_ms() - 86400000::bigint * case r.cycle when 'hour' then 2 when 'day' then 8 else 46 end limit ${BATCH}))`,
  );
}

/** Deletes rerun plans that have expired, and beats of APIs that ended long ago. */
async function purgeTraces(pool: pg.Pool): Promise<void> {
  await inBatches(
    pool,
    `delete from rerun_plans where ctid = any(array(
       select ctid from rerun_plans where expires_ms < clock_ms() - 86400000 limit ${BATCH}))`,
  );
  await inBatches(
    pool,
    `delete from api_beats where ctid = any(array(
       select ctid from api_beats where beat_ms < clock_ms() - 86400000 limit ${BATCH}))`,
  );
}

async function inBatches(pool: pg.Pool, text: string): Promise<number> {
  let total = 0;
  for (;;) {
    const gone = await afterOthers(() =>
      inTransaction(pool, async (client) => {
        await client.query("set local lock_timeout = '500ms'");
        return (await client.query(text)).rowCount ?? 0;
      }),
    );
    total += gone;
    if (gone < BATCH) return total;
    await pause(20);
  }
}

/** Moves audit rows that are older than the audit is kept into files, a day each. */
async function purgeAudit(pool: pg.Pool, { auditDays, folder }: RetentionPolicy): Promise<number> {
  let total = 0;
  for (;;) {
    const done = await inTransaction(
      pool,
      async (client) => {
        await client.query("set local lock_timeout = '500ms'");
        // Ids follow the time, except for rows of the same moment.
        const found = await client.query<{ first: number | null; last: number; day: string }>(
          `select min(id) as first, max(id) as last, to_char(to_timestamp(min(at_ms) / 1000), 'YYYY-MM-DD') as day from (
             select id, at_ms from audit where at_ms < clock_ms() - $1::bigint * 86400000 order by id limit ${BATCH * 5}) x`,
          [auditDays],
        );
        const { first, last, day } = found.rows[0]!;
        if (first === null) return 0;
        const file = `audit/${day}-${first}.jsonl.gz`;
        const range = `id between ${first} and ${last}`;
        const head = { sluice: 'archived audit', first, last };
        const parts = [{ table: 'audit', where: range, values: [] }];
        const archive = await writeArchive(client, { folder, file, head, parts });
        await noteInManifest(folder, { audit: day, ...archive });
        return (await client.query(`delete from audit where ${range}`)).rowCount ?? 0;
      },
      { begin: 'begin isolation level repeatable read', guarded: false },
    );
    total += done;
    if (done === 0) return total;
  }
}
