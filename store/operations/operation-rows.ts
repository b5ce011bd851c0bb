/** The rows of `operations`, and the one way in which an operation becomes one. */
import { randomBytes } from 'node:crypto';
import { SluiceError } from '../../errors.ts';
import type { OperationOutcome, OperationRequest } from '../../graph/run/decisions.ts';
import type { Queryable } from '../schema/pool.ts';
import { writeAudit } from './audit.ts';

export interface OperationRow {
  readonly id: string;
  readonly run: string;
  readonly actor: string;
  readonly verb: string;
  /** The request, and the roles that the actor had then. */
  readonly body: OperationRequest & { readonly roles: readonly string[] };
  readonly bodyHash: string;
  readonly state: 'requested' | 'approval_required' | 'applied' | 'refused';
  readonly outcome: OperationOutcome | null;
  readonly requestedAt: number;
  readonly approvedBy: string | null;
  readonly approvedAt: number | null;
  readonly decidedAt: number | null;
  /** The operation that the requester got as the answer, when one request went to several runs and a second person decides. */
  readonly together: string | null;
}

export const OPERATION_COLUMNS = `id, run_id as run, actor, verb, body, body_hash as "bodyHash", state, outcome, requested_ms as "requestedAt",
  approved_by as "approvedBy", approved_ms as "approvedAt", decided_ms as "decidedAt", together`;

/** Sorts by time, cannot be guessed. */
export function newId(prefix: string): string {
  return `${prefix}-${Date.now().toString(36)}${randomBytes(5).toString('hex')}`;
}

/** Writes an operation: requested when it has no outcome yet, otherwise applied. Undefined when the actor's key has a row already. */
export async function insertOperation(
  client: Queryable,
  given: {
    readonly run: string;
    readonly actor: string;
    readonly key: string;
    readonly body: { readonly verb: string } & Readonly<Record<string, unknown>>;
    readonly bodyHash: string;
    readonly outcome: OperationOutcome | null;
  },
): Promise<OperationRow | undefined> {
  const inserted = await client.query<OperationRow>({
    name: 'insert-operation',
    text: `insert into operations (id, run_id, actor, idempotency_key, verb, body, body_hash, state, outcome, requested_ms, decided_ms)
      values ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_ms(), case when $8 = 'applied' then clock_ms() end)
      on conflict (actor, idempotency_key) do nothing returning ${OPERATION_COLUMNS}`,
    values: [
      newId('op'),
      given.run,
      given.actor,
      given.key,
      given.body.verb,
      JSON.stringify(given.body),
      given.bodyHash,
      given.outcome === null ? 'requested' : 'applied',
      given.outcome === null ? null : JSON.stringify(given.outcome),
    ],
  });
  return inserted.rows[0];
}

/** What `open` and `adopt` leave empty in their bodies: bodies of all operations have the same fields. */
const NO_REQUEST = {
  flows: [],
  edges: [],
  reason: '',
  evidence: null,
  partial: false,
  supersede: false,
  ran: null,
  plan: null,
};

/**
 * Writes an operation that is applied by the very transaction that logs it, and its audit row: no coordinator decides it. `facts` stand in
 * its body, `answer` in its outcome. Answers its id. Throws `idempotency_key_reused`.
 */
export async function writeApplied(
  client: Queryable,
  given: {
    readonly run: string;
    readonly actor: { readonly name: string; readonly roles: readonly string[] };
    readonly verb: 'open' | 'adopt';
    readonly key: string;
    readonly bodyHash: string;
    readonly reason?: string;
    readonly facts: object;
    readonly answer?: object;
    /** For the audit. */
    readonly detail: object;
  },
): Promise<string> {
  const { run, actor, verb, key, bodyHash, reason = '', facts, answer = {}, detail } = given;
  const row = await insertOperation(client, {
    run,
    actor: actor.name,
    key,
    body: { verb, ...NO_REQUEST, reason, roles: actor.roles, ...facts },
    bodyHash,
    outcome: { code: null, detail: null, flows: [], ...answer },
  });
  if (row === undefined) throw keyReused(key);
  await writeAudit(client, {
    actor: actor.name,
    verb,
    run,
    operation: row.id,
    reason,
    outcome: 'applied',
    detail,
  });
  return row.id;
}

export const keyReused = (key: string): SluiceError =>
  new SluiceError('idempotency_key_reused', `the key '${key}' belongs to another request`, {
    facts: { key },
  });

/** The operation that the actor asked for under this key. */
export async function operationUnderKey(
  client: Queryable,
  actor: string,
  key: string,
): Promise<OperationRow | null> {
  const found = await client.query<OperationRow>(
    `select ${OPERATION_COLUMNS} from operations where actor = $1 and idempotency_key = $2`,
    [actor, key],
  );
  return found.rows[0] ?? null;
}
