/** The audit: one row for each request that was applied, refused or rejected (protocol B1). Never updated. */
import type { Queryable } from '../schema/pool.ts';

export interface NewAudit {
  readonly actor: string;
  readonly verb: string;
  readonly run: string | null;
  readonly operation?: string | null;
  readonly targets?: readonly string[];
  readonly reason?: string;
  /** `rejected`: at the door, before it became an operation. */
  readonly outcome: 'applied' | 'refused' | 'rejected' | 'approval_required';
  readonly code?: string | null;
  readonly detail?: unknown;
}

export interface AuditRow {
  readonly id: number;
  readonly at: number;
  readonly actor: string;
  readonly verb: string;
  readonly run: string | null;
  readonly operation: string | null;
  readonly targets: readonly string[];
  readonly reason: string;
  readonly outcome: string;
  readonly code: string | null;
  readonly detail: unknown;
}

export async function writeAudit(client: Queryable, row: NewAudit): Promise<void> {
  await client.query(
    `insert into audit (at_ms, actor, verb, run_id, operation_id, targets, reason, outcome, code, detail)
     values (clock_ms(), $1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      row.actor,
      row.verb,
      row.run,
      row.operation ?? null,
      row.targets ?? [],
      row.reason ?? '',
      row.outcome,
      row.code ?? null,
      row.detail === undefined ? null : JSON.stringify(row.detail),
    ],
  );
}

export interface AuditFilter {
  readonly run?: string | undefined;
  readonly actor?: string | undefined;
  readonly verb?: string | undefined;
  readonly outcome?: string | undefined;
  /** A flow, or `from -> to`. */
  readonly target?: string | undefined;
  readonly operation?: string | undefined;
}

/** Newest first; `before` is the id of the last row of the page before. */
export async function listAudit(
  client: Queryable,
  filter: AuditFilter,
  page: { before: number | null; limit: number },
): Promise<AuditRow[]> {
  const found = await client.query<AuditRow>(
    `select id, at_ms as at, actor, verb, run_id as run, operation_id as operation, targets, reason, outcome, code, detail from audit
     where ($1::text is null or run_id = $1) and ($2::text is null or actor = $2) and ($3::text is null or verb = $3)
       and ($4::text is null or outcome = $4) and ($5::text is null or $5 = any(targets)) and ($6::text is null or operation_id = $6)
       and ($7::bigint is null or id < $7)
     order by id desc limit $8`,
    [
      filter.run ?? null,
      filter.actor ?? null,
      filter.verb ?? null,
      filter.outcome ?? null,
      filter.target ?? null,
      filter.operation ?? null,
      page.before,
      page.limit,
    ],
  );
  return found.rows;
}
