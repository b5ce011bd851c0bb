/** Requests to a run and their approval (protocol B1): a row of `operations` and a row of the run's log, in one transaction. */
import { createHash } from 'node:crypto';
import type pg from 'pg';
import { SluiceError } from '../../errors.ts';
import { canonicalJson } from '../../graph/compiled/hash.ts';
import type { OperationOutcome, OperationRequest } from '../../graph/run/decisions.ts';
import { appending, type LogRow, rowOfRun, sendLockCounters } from '../record/run-log.ts';
import { notify } from '../schema/notify.ts';
import { inTransaction, type Queryable, type Transaction } from '../schema/pool.ts';
import { writeAudit } from './audit.ts';
import {
  insertOperation,
  OPERATION_COLUMNS,
  type OperationRow,
  operationUnderKey,
} from './operation-rows.ts';

export interface NewOperation {
  readonly run: string;
  readonly actor: string;
  readonly roles: readonly string[];
  /** Unique per actor. */
  readonly key: string;
  readonly request: OperationRequest;
}

/**
 * Writes the operation, once per key: the same key again answers the first one's row, whatever its state; with another body it throws
 * `idempotency_key_reused`. When this has returned the operation cannot be lost: a process that died after it finds it in the log (protocol A6).
 */
export async function requestOperation(pool: pg.Pool, given: NewOperation): Promise<OperationRow> {
  const [row] = await requestOperations(pool, given.run, [given]);
  if (row instanceof SluiceError) throw row;
  return row!;
}

/** The same for many requests to one run in one transaction, in their order; a request that is refused by itself hinders no other. */
export async function requestOperations(
  pool: pg.Pool,
  run: string,
  given: readonly NewOperation[],
): Promise<(OperationRow | SluiceError)[]> {
  return inTransaction(
    pool,
    async (client) => {
      sendLockCounters(client, [run]);
      // Sent together, so that the counter row, which every writer to the run needs, is locked for two round trips only.
      const inserted = await Promise.all(given.map((one) => insertRequested(client, one)));
      const fresh = inserted.filter((row) => row !== undefined);
      if (fresh.length > 0)
        client.send(
          appending(
            run,
            fresh.map((row) => logRow(row, null)),
          ),
        );
      const answers: (OperationRow | SluiceError)[] = [];
      for (const [i, row] of inserted.entries())
        answers.push(row ?? (await sameRequest(client, given[i]!).catch(refusalOnly)));
      return answers;
    },
    PATIENT,
  );
}

/** Writes the operation into the log of its run, where the coordinator reads it. */
export function logOperation(client: Transaction, row: OperationRow, approvedBy: string | null): void {
  client.send(appending(row.run, [logRow(row, approvedBy)]));
}

/** Writes the row of the operation, and none of the log. */
export async function insertUnlogged(
  client: Queryable,
  given: NewOperation,
): Promise<{ row: OperationRow; isNew: boolean }> {
  const row = await insertRequested(client, given);
  return row === undefined ? { row: await sameRequest(client, given), isNew: false } : { row, isNew: true };
}

function insertRequested(client: Queryable, given: NewOperation): Promise<OperationRow | undefined> {
  const { run, actor, roles, key, request } = given;
  return insertOperation(client, {
    run,
    actor,
    key,
    body: { ...request, roles },
    bodyHash: hashOf(run, request),
    outcome: null,
  });
}

function refusalOnly(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  throw error;
}

/** Whether this actor's key belongs to a request already. */
export async function isKnownKey(client: Queryable, actor: string, key: string): Promise<boolean> {
  const found = await client.query({
    name: 'known-key',
    text: 'select 1 from operations where actor = $1 and idempotency_key = $2',
    values: [actor, key],
  });
  return found.rowCount === 1;
}

async function sameRequest(client: Queryable, given: NewOperation): Promise<OperationRow> {
  const row = (await operationUnderKey(client, given.actor, given.key))!;
  if (row.bodyHash !== hashOf(given.run, given.request))
    throw new SluiceError(
      'idempotency_key_reused',
      `the key '${given.key}' belongs to operation ${row.id} (${row.verb} on ${row.run}), which was another request`,
      { facts: { key: given.key, operation: row.id, verb: row.verb } },
    );
  return row;
}

/** A coordinator that hangs gives up its lock after 5 s (protocol A10); an operator's request waits longer than that. */
const PATIENT = { retryForMs: 9_000 };

function hashOf(run: string, request: OperationRequest): string {
  return createHash('sha256').update(run).update(canonicalJson(request)).digest('base64url');
}

function logRow(row: OperationRow, approvedBy: string | null): LogRow {
  const { roles, ...request } = row.body;
  return rowOfRun('operation', { actor: row.actor, roles, approvedBy, request }, row.id);
}

/** Throws `unknown_operation`. */
export async function readOperation(client: Queryable, id: string): Promise<OperationRow> {
  const found = await client.query<OperationRow>({
    name: 'read-operation',
    text: `select ${OPERATION_COLUMNS} from operations where id = $1`,
    values: [id],
  });
  const row = found.rows[0];
  if (row === undefined)
    throw new SluiceError('unknown_operation', `there is no operation ${id}`, { facts: { operation: id } });
  return row;
}

/** The operation with this id, or the one that the actor asked for under this key. */
export async function operationOfKey(
  client: Queryable,
  actor: string,
  key: string,
): Promise<OperationRow | null> {
  const found = await client.query<OperationRow>({
    name: 'operation-of-key',
    text: `select ${OPERATION_COLUMNS} from operations where id = $2
      union all select ${OPERATION_COLUMNS} from operations where actor = $1 and idempotency_key = $2 limit 1`,
    values: [actor, key],
  });
  return found.rows[0] ?? null;
}

/** Newest first; `before` is the last row of the page before. */
export async function listOperations(
  client: Queryable,
  filter: { run?: string | undefined; state?: string | undefined },
  page: { before: { at: number; id: string } | null; limit: number },
): Promise<OperationRow[]> {
  const found = await client.query<OperationRow>(
    `select ${OPERATION_COLUMNS} from operations where ($1::text is null or run_id = $1) and ($2::text is null or state = $2)
       and ($3::bigint is null or (requested_ms, id) < ($3, $4)) order by requested_ms desc, id desc limit $5`,
    [filter.run ?? null, filter.state ?? null, page.before?.at ?? null, page.before?.id ?? null, page.limit],
  );
  return found.rows;
}

/** All operations of a request to several runs, the one that was answered first; the operation itself when it stands alone. */
export async function operationsTogether(client: Queryable, row: OperationRow): Promise<OperationRow[]> {
  if (row.together === null) return [row];
  const found = await client.query<OperationRow>(
    `select ${OPERATION_COLUMNS} from operations where together = $1 order by id = $1 desc, id`,
    [row.together],
  );
  return found.rows;
}

/** Marks operations as approved that wait for it; fewer rows than ids when one of them does not wait any more. */
export async function markApproved(
  client: Queryable,
  ids: readonly string[],
  approver: string,
): Promise<OperationRow[]> {
  const found = await client.query<OperationRow>(
    `update operations set state = 'requested', approved_by = $2, approved_ms = clock_ms()
     where id = any($1::text[]) and state = 'approval_required' and approved_by is null returning ${OPERATION_COLUMNS}`,
    [ids, approver],
  );
  return found.rows;
}

/** Nobody approves their own request. Throws `own_approval`. */
export function refuseOwn({ id, actor }: OperationRow, approver: string): void {
  if (actor === approver)
    throw new SluiceError('own_approval', `${approver} requested ${id} and cannot approve it`, {
      facts: { operation: id, actor },
    });
}

/**
 * The second person approves (protocol B4): the same request goes into the log again, with the approver's name. Throws `own_approval`,
 * `not_awaiting_approval`. A person who approves twice approves once.
 */
export async function approveOperation(
  pool: pg.Pool,
  id: string,
  approver: { name: string; reason: string },
): Promise<OperationRow> {
  const before = await readOperation(pool, id);
  refuseOwn(before, approver.name);
  return inTransaction(
    pool,
    async (client) => {
      sendLockCounters(client, [before.run]);
      const [row] = await markApproved(client, [id], approver.name);
      if (row === undefined) {
        const now = await readOperation(client, id);
        if (now.approvedBy === approver.name) return now;
        throw notAwaiting(now);
      }
      logOperation(client, row, approver.name);
      await auditJudgement(client, row, 'approve', approver);
      return row;
    },
    PATIENT,
  );
}

/** Ends an operation that waits for approval with the code `approval_refused`. The requester may withdraw it this way, too. */
export async function refuseOperation(
  pool: pg.Pool,
  id: string,
  by: { name: string; reason: string },
): Promise<OperationRow> {
  return inTransaction(
    pool,
    async (client) => {
      const outcome: OperationOutcome = {
        flows: [],
        code: 'approval_refused',
        detail: `refused by ${by.name}: ${by.reason}`,
      };
      const found = await client.query<OperationRow>(
        `update operations set state = 'refused', outcome = $2, decided_ms = clock_ms()
         where (id = $1 or together = (select together from operations where id = $1)) and state = 'approval_required'
         returning ${OPERATION_COLUMNS}`,
        [id, JSON.stringify(outcome)],
      );
      const asked = found.rows.find((row) => row.id === id);
      if (asked === undefined) throw notAwaiting(await readOperation(client, id));
      for (const row of found.rows) {
        await auditJudgement(client, row, 'refuse', by);
        await notify(client, 'sluice_operation', row.id);
      }
      return asked;
    },
    PATIENT,
  );
}

export async function auditJudgement(
  client: Queryable,
  row: OperationRow,
  verb: 'approve' | 'refuse',
  by: { name: string; reason: string },
): Promise<void> {
  await writeAudit(client, {
    actor: by.name,
    verb,
    run: row.run,
    operation: row.id,
    targets: row.body.flows,
    reason: by.reason,
    outcome: 'applied',
  });
}

export function notAwaiting(row: OperationRow): SluiceError {
  return new SluiceError('not_awaiting_approval', `operation ${row.id} is ${row.state}`, {
    facts: { operation: row.id, state: row.state, approvedBy: row.approvedBy },
  });
}

/** Keys live 30 days (protocol B1): afterwards the row stays, its key is free. Returns how many were freed. */
export async function freeOldKeys(client: Queryable, days = 30): Promise<number> {
  const freed = await client.query(
    `update operations set idempotency_key = 'freed:' || id
     where requested_ms < clock_ms() - $1::bigint * 86400000 and idempotency_key not like 'freed:%'`,
    [days],
  );
  return freed.rowCount ?? 0;
}
