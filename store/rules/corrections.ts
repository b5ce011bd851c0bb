/** Corrections of tables as they were reported (protocol E5). */
import { SluiceError } from '../../errors.ts';
import { writeAudit } from '../operations/audit.ts';
import { newId } from '../operations/operation-rows.ts';
import type { Queryable } from '../schema/pool.ts';

export interface CorrectionRow {
  readonly id: string;
  /** Empty: a table of no platform. */
  readonly platform: string;
  readonly table: string;
  readonly period: string;
  readonly reason: string;
  readonly actor: string;
  readonly bodyHash: string;
  readonly at: number;
}

const ROW = `id, platform, table_name as "table", period, reason, actor, body_hash as "bodyHash", at_ms as at`;

export interface NewCorrection extends Omit<CorrectionRow, 'id' | 'at'> {
  readonly key: string;
}

/** The correction that the actor reported under this key; null: there is none. */
export async function correctionOfKey(
  client: Queryable,
  actor: string,
  key: string,
): Promise<CorrectionRow | null> {
  const found = await client.query<CorrectionRow>(
    `select ${ROW} from corrections where actor = $1 and idempotency_key = $2`,
    [actor, key],
  );
  return found.rows[0] ?? null;
}

/**
 * Writes a correction, the fact for the rules and its audit row, once per key. The same key again answers the first one; with another body it throws
 * `idempotency_key_reused`. To be called within a transaction.
 */
export async function writeCorrection(client: Queryable, given: NewCorrection): Promise<CorrectionRow> {
  const inserted = await client.query<CorrectionRow>(
    `insert into corrections (id, platform, table_name, period, reason, actor, idempotency_key, body_hash, at_ms)
     values ($1, $2, $3, $4, $5, $6, $7, $8, clock_ms()) on conflict (actor, idempotency_key) do nothing returning ${ROW}`,
    [
      newId('correction'),
      given.platform,
      given.table,
      given.period,
      given.reason,
      given.actor,
      given.key,
      given.bodyHash,
    ],
  );
  const row = inserted.rows[0];
  if (row === undefined)
    return sameCorrection((await correctionOfKey(client, given.actor, given.key))!, given);
  await client.query(`insert into rule_facts (kind, correction_id, at_ms) values ('corrected', $1, $2)`, [
    row.id,
    row.at,
  ]);
  await writeAudit(client, {
    actor: given.actor,
    verb: 'correct',
    run: null,
    targets: [given.table, given.period],
    reason: given.reason,
    outcome: 'applied',
    detail: { id: row.id, platform: given.platform },
  });
  return row;
}

/** Throws `idempotency_key_reused` when the key belongs to another correction. */
export function sameCorrection(known: CorrectionRow, given: NewCorrection): CorrectionRow {
  if (known.bodyHash === given.bodyHash) return known;
  throw new SluiceError(
    'idempotency_key_reused',
    `the key '${given.key}' belongs to ${known.id}: ${known.table} ${known.period}`,
    { facts: { key: given.key, correction: known.id } },
  );
}

/** Throws `unknown_correction`. */
export async function readCorrection(client: Queryable, id: string): Promise<CorrectionRow> {
  const found = await client.query<CorrectionRow>(`select ${ROW} from corrections where id = $1`, [id]);
  const row = found.rows[0];
  if (row === undefined)
    throw new SluiceError('unknown_correction', `there is no correction ${id}`, {
      facts: { correction: id },
    });
  return row;
}

/** Newest first; `before` is the last row of the page before. */
export async function listCorrections(
  client: Queryable,
  filter: { table?: string | undefined; period?: string | undefined },
  page: { before: { at: number; id: string } | null; limit: number },
): Promise<CorrectionRow[]> {
  const found = await client.query<CorrectionRow>(
    `select ${ROW} from corrections where ($1::text is null or table_name = $1) and ($2::text is null or period = $2)
       and ($3::bigint is null or (at_ms, id) < ($3, $4)) order by at_ms desc, id desc limit $5`,
    [
      filter.table?.toLowerCase() ?? null,
      filter.period ?? null,
      page.before?.at ?? null,
      page.before?.id ?? null,
      page.limit,
    ],
  );
  return found.rows;
}

/** Corrections since an instant, the oldest first. */
export async function correctionsSince(client: Queryable, since: number): Promise<CorrectionRow[]> {
  const found = await client.query<CorrectionRow>(
    `select ${ROW} from corrections where at_ms > $1 order by at_ms, id`,
    [since],
  );
  return found.rows;
}

/**
 * Runs whose flows may have used rows of these periods: runs of the periods that contain them (`containing`), and runs that wait for a writer in a
 * run of one of the periods. Rehearsals are left out.
 */
export async function runsThatMayRead(
  client: Queryable,
  asked: {
    readonly containing: readonly string[];
    readonly overlapping: readonly string[];
    readonly writers: readonly string[];
  },
): Promise<string[]> {
  const found = await client.query<{ run: string }>(
    `select id as run from runs
     where purpose <> 'rehearsal' and (period = any($1::text[]) or id in (
       select s.run_id from runs u join subscriptions s on s.upstream_run = u.id and s.upstream_flow = any($3::text[])
       where u.period = any($2::text[])))
     order by opened_ms, id`,
    [asked.containing, asked.overlapping, asked.writers],
  );
  return found.rows.map(({ run }) => run);
}

/** Archived runs of the periods that are not back in the record. Rehearsals are left out. */
export async function archivedOfPeriods(client: Queryable, periods: readonly string[]): Promise<string[]> {
  const found = await client.query<{ run: string }>(
    `select run_id as run from archived_runs a where period = any($1::text[]) and purpose <> 'rehearsal'
       and not exists (select 1 from runs r where r.id = a.run_id) order by run_id`,
    [periods],
  );
  return found.rows.map(({ run }) => run);
}
