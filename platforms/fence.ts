/**
 * The fence of protocol C6: on the database that a program writes, in the transaction of its effects. One row for each
 * (program, period); whoever comes with a smaller epoch is stale, whoever repeats a finished (run, generation) is done.
 */
import type pg from 'pg';
import type { Task } from './platform.ts';

/** Distinct from any key that programs would use: 'sluice' in ASCII. */
const SCHEMA_LOCK = '0x736c75696365';

const SCHEMA = `
create schema if not exists sluice;
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
comment on table sluice.sluice_fence is 'Newest attempt per program and period; done: its effects are committed';
comment on column sluice.disp_export_ctl.deal_stat is '0 to be processed, 99 finished, -100 void';
comment on column sluice.disp_import_ctl.deal_stat is '0 to be processed, 99 finished, -100 void';
`;

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
    `select to_regclass('sluice.sluice_fence') is not null and exists (
       select from pg_attribute where attrelid = to_regclass('sluice.disp_import_ctl') and attname = 'time_zone') as ready`,
  );
  if (rows[0]!.ready) return;
  await underSchemaLock(client, () => client.query(SCHEMA));
}

const TAKE = `
insert into sluice.sluice_fence as fence (program, period, epoch, run, generation, done)
values ($1, $2, $3, $4, $5, false)
on conflict (program, period) do update
  set epoch = excluded.epoch, run = excluded.run, generation = excluded.generation,
      done = fence.done and fence.run = excluded.run and fence.generation = excluded.generation
  where fence.epoch < excluded.epoch
returning done`;

export type FenceAnswer =
  | { readonly state: 'taken' }
  /** The effects of this run and generation are committed already: report success without executing. */
  | { readonly state: 'done' }
  /** Another attempt with epoch `heldBy` came later than this one: roll back. */
  | { readonly state: 'stale'; readonly heldBy: number };

/**
 * Takes the fence in the open transaction of `client`; waits while another attempt holds it. The caller rolls back
 * unless the answer is `taken`.
 */
export async function takeFence(client: pg.ClientBase, task: Task): Promise<FenceAnswer> {
  const { lease, program, period } = task;
  const { rows } = await client.query<{ done: boolean }>(TAKE, [
    program,
    period,
    lease.epoch,
    lease.run,
    lease.generation,
  ]);
  if (rows.length > 0) return { state: rows[0]!.done ? 'done' : 'taken' };
  const held = await client.query<{ epoch: string }>(
    'select epoch from sluice.sluice_fence where program = $1 and period = $2',
    [program, period],
  );
  return { state: 'stale', heldBy: Number(held.rows[0]?.epoch) };
}

/** Marks the effects as done, in the same transaction. */
export async function markDone(client: pg.ClientBase, task: Task): Promise<void> {
  await client.query(
    'update sluice.sluice_fence set done = true where program = $1 and period = $2 and epoch = $3',
    [task.program, task.period, task.lease.epoch],
  );
}
