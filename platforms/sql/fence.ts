/**
 * The fence of protocol C6. It is on the database that a program writes, and is taken in the transaction of the program's effects. It has
 * one row for each work; an attempt with a smaller epoch is stale. The task's list `own`, not the row, says whether a `done` row is this
 * attempt's own effect.
 */
import type pg from 'pg';
import type { FenceRow, Task } from '../../contract/agent.ts';

/** Key of the advisory lock for the schema: 'sluice' in ASCII, so that no program uses the same key. */
const SCHEMA_LOCK = '0x736c75696365';

/** Made with the fence; where the fence is older, by the agent's look (platforms/sql/correction-rows.ts). */
export const CORRECTION_TABLE = `
create table if not exists sluice.sluice_correction (
  id bigint generated always as identity primary key,
  table_name text not null,
  period text not null,
  reason text not null default '',
  written_at timestamptz not null default clock_timestamp(),
  answer text,
  answered_at timestamptz
);
create index if not exists sluice_correction_open on sluice.sluice_correction (id) where answered_at is null;
comment on table sluice.sluice_correction is 'Tables whose rows were corrected outside of all flows, one row each: insert (table_name, period, reason)';
`;

const SCHEMA = `
create schema if not exists sluice;
create table if not exists sluice.sluice_work (
  work text primary key,
  epoch bigint not null,
  record text not null,
  run text not null,
  flow text not null,
  generation integer not null,
  done boolean not null,
  readable text,
  taken_at timestamptz default clock_timestamp(),
  replaced json
);
create table if not exists sluice.sluice_fence (
  program text not null,
  period text not null,
  epoch bigint not null,
  run text not null,
  generation integer not null,
  done boolean not null,
  primary key (program, period)
);
create table if not exists sluice.disp_export_ctl (
  distribution text not null,
  period text not null,
  run text not null,
  generation integer not null,
  source_table text not null,
  target_table text not null,
  agent text not null,
  deal_stat integer not null default 0,
  rows bigint,
  checksum text,
  staging_table text,
  updated_at timestamptz not null default clock_timestamp(),
  primary key (distribution, period, run, generation)
);
create table if not exists sluice.disp_import_ctl (like sluice.disp_export_ctl including all);
alter table sluice.disp_export_ctl add column if not exists time_zone text;
alter table sluice.disp_import_ctl add column if not exists time_zone text;
comment on column sluice.disp_export_ctl.time_zone is 'Zone of the session that summed the rows; null: UTC';
comment on table sluice.sluice_work is 'Newest attempt per work; done: its effects are committed';
comment on column sluice.sluice_work.work is 'sha256 of program or distribution half, bound parameters and period; readable says which';
comment on column sluice.sluice_work.record is 'Whose attempt it is: id of the record of an installation';
comment on column sluice.sluice_work.replaced is 'The row that this attempt found';
comment on table sluice.sluice_fence is 'Fence of agents before there were works: rows count for attempts of that time only';
comment on column sluice.disp_export_ctl.deal_stat is '0 to be processed, 99 finished, -100 void';
comment on column sluice.disp_import_ctl.deal_stat is '0 to be processed, 99 finished, -100 void';
${CORRECTION_TABLE}`;

/** Runs `work` alone among all agents on this database: `create ... if not exists` itself races in PostgreSQL. */
export async function underSchemaLock(client: pg.ClientBase, work: () => Promise<unknown>): Promise<void> {
  await client.query('begin');
  try {
    await client.query(`select pg_advisory_xact_lock(${Number(SCHEMA_LOCK)})`);
    await work();
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw error;
  }
}

/**
 * Makes sure that the schema `sluice` with fence and control tables exists. Idempotent and safe against other agents
 * that do the same; one query when it is there already.
 */
export async function ensurePlatformSchema(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ ready: boolean }>(
    `select to_regclass('sluice.sluice_work') is not null and exists (
       select from pg_attribute where attrelid = to_regclass('sluice.disp_import_ctl') and attname = 'time_zone') as ready`,
  );
  if (rows[0]!.ready) return;
  await underSchemaLock(client, () => client.query(SCHEMA));
}

/** Waits while another attempt holds the row. Returns what was in the row before. */
const TAKE = `
insert into sluice.sluice_work as fence (work, epoch, record, run, flow, generation, done, readable, taken_at)
values ($1, $2, $3, $4, $5, $6, false, $7, clock_timestamp())
on conflict (work) do update
  set epoch = excluded.epoch, record = excluded.record, run = excluded.run, flow = excluded.flow, generation = excluded.generation,
      done = false, readable = coalesce(excluded.readable, fence.readable), taken_at = excluded.taken_at,
      replaced = json_build_object('epoch', fence.epoch, 'record', fence.record, 'run', fence.run, 'flow', fence.flow,
        'generation', fence.generation, 'done', fence.done, 'at', fence.taken_at)
  where fence.epoch < excluded.epoch
returning replaced`;

const HOLDER = `
select epoch, record, run, flow, generation, done, to_json(taken_at) #>> '{}' as at from sluice.sluice_work where work = $1`;

type Found = FenceRow & { readonly done: boolean };

export type FenceAnswer =
  /** `over`: the committed effect that stood there, of another generation, flow or record. */
  | { readonly state: 'taken'; readonly over: FenceRow | null }
  /** The effects of this run, flow and generation are committed already: report success without executing. */
  | { readonly state: 'done'; readonly by: FenceRow }
  /** The fence has a larger epoch: roll back. */
  | { readonly state: 'stale'; readonly heldBy: FenceRow };

/**
 * Takes the fence in the open transaction of `client`; waits while another attempt holds it. The caller rolls back
 * unless the answer is `taken`.
 */
export async function takeFence(client: pg.ClientBase, task: Task): Promise<FenceAnswer> {
  const { lease, work, record, own } = task;
  if (work === null) throw new Error('a task without work has no fence');
  let over: FenceRow | null = null;
  // In one order for everybody, so that two attempts that hold several never wait for one another.
  for (const key of [work, ...task.works].sort()) {
    const readable = key === work ? task.workText : null;
    const { rows } = await client.query<{ replaced: Found | null }>(TAKE, [
      key,
      lease.epoch,
      record,
      lease.run,
      lease.flow,
      lease.generation,
      readable,
    ]);
    if (rows.length === 0) return { state: 'stale', heldBy: await holderOf(client, key) };
    const { replaced } = rows[0]!;
    if (!replaced?.done) continue;
    if (own.includes(replaced.epoch)) return { state: 'done', by: fenceRow(replaced) };
    if (key === work) over = fenceRow(replaced);
  }
  const before = await takeOldFence(client, task);
  if (before !== null) return { state: 'done', by: before };
  return { state: 'taken', over };
}

async function holderOf(client: pg.ClientBase, work: string): Promise<FenceRow> {
  const { rows } = await client.query<Omit<Found, 'epoch'> & { epoch: string }>(HOLDER, [work]);
  const row = rows[0];
  if (row === undefined) throw new Error('the row of the fence is gone');
  return fenceRow({ ...row, epoch: Number(row.epoch) });
}

/** A timestamptz as PostgreSQL writes it into JSON, in the zone of the session. */
const MOMENT = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?([+-]\d\d)(?::(\d\d)(?::\d\d)?)?$/;

/** Others may have written the row too: values that cannot be reported are shortened or left out. */
function fenceRow({ epoch, record, run, flow, generation, at }: FenceRow): FenceRow {
  return {
    epoch: Math.max(-Number.MAX_SAFE_INTEGER, Math.min(epoch, Number.MAX_SAFE_INTEGER)),
    record: record.slice(0, 100),
    run: run.slice(0, 200),
    flow: flow.slice(0, 200),
    generation,
    at: at !== null && MOMENT.test(at) ? at : null,
  };
}

/** Epochs from before there were works are small numbers. Later ones are moments in microseconds (store/record/epochs.ts). */
const FIRST_CLOCK_EPOCH = 1e15;

/**
 * Also takes the fence from before there were works, when an earlier attempt of this flow is from that time: its backend is waited for, and
 * what it has committed counts by the same rule. Returns the row of an effect that is done, null otherwise.
 */
async function takeOldFence(client: pg.ClientBase, { lease, program, period, own, unended }: Task) {
  if (![...own, ...unended].some((epoch) => epoch < FIRST_CLOCK_EPOCH)) return null;
  const { rows } = await client.query<{ epoch: string; run: string; generation: number; done: boolean }>(
    `insert into sluice.sluice_fence as fence (program, period, epoch, run, generation, done)
     values ($1, $2, 0, $3, $4, false) on conflict (program, period) do update set done = fence.done
     returning epoch, run, generation, done`,
    [program, period, lease.run, lease.generation],
  );
  const row = rows[0];
  if (!row?.done || !own.includes(Number(row.epoch))) {
    // An attempt of that time that wakes up now finds a larger epoch.
    await client.query(
      'update sluice.sluice_fence set epoch = greatest(epoch, $3) where program = $1 and period = $2',
      [program, period, lease.epoch],
    );
    return null;
  }
  const { run, generation } = row;
  return { epoch: Number(row.epoch), record: '', run, flow: lease.flow, generation, at: null };
}

/** Marks the effects as done, in the same transaction. False: somebody has deleted or taken the row, perhaps the program itself. */
export async function markDone(client: pg.ClientBase, { work, works, lease }: Task): Promise<boolean> {
  const keys = [work, ...works];
  const { rowCount } = await client.query(
    'update sluice.sluice_work set done = true where work = any($1::text[]) and epoch = $2',
    [keys, lease.epoch],
  );
  return rowCount === keys.length;
}

/** The row for people: whose it is, and since when, in the time zone of the program. */
export function describeRow({ epoch, record, run, flow, generation, at }: FenceRow, own: string): string {
  const whose = record === own || record === '' ? 'this record' : `record ${record}`;
  const since = at === null ? '' : `, ${clockTime(at)}`;
  return `epoch ${epoch} of ${whose}: ${run} ${flow}, generation ${generation}${since}`;
}

/** `2026-11-01 08:03:07+08`. */
function clockTime(at: string): string {
  const [, day, time, hours, minutes = '00'] = MOMENT.exec(at)!;
  return `${day} ${time}${hours}${minutes === '00' ? '' : `:${minutes}`}`;
}
