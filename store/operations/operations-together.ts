/**
 * One request to several runs (protocol E4): logged in all of them or in none. Preparing and committing are one
 * transaction that holds the counter rows of all runs, by id (protocol A10), and the outbox rows of all members, so nothing can change between the
 * check and the log rows, and a process that dies in it leaves nothing. docs/decisions/0006.
 */
import type pg from 'pg';
import { type ErrorCode, SluiceError } from '../../errors.ts';
import { preview } from '../../graph/decide.ts';
import type { OperationOutcome, RerunPlan } from '../../graph/run/decisions.ts';
import { restoreState } from '../../graph/run/restore.ts';
import { FLAG } from '../../graph/run/state.ts';
import { codeOf, type Result } from '../../graph/run/status.ts';
import { isOfAnother } from '../../graph/verbs/rerun.ts';
import type { RunContext } from '../record/run-context.ts';
import { lockOutbox } from '../record/run-flows.ts';
import { lockCounters } from '../record/run-log.ts';
import { readStored } from '../record/run-state.ts';
import { inTransaction, type Queryable, type Transaction } from '../schema/pool.ts';
import { writeAudit } from './audit.ts';
import type { OperationRow } from './operation-rows.ts';
import {
  auditJudgement,
  insertUnlogged,
  logOperation,
  markApproved,
  type NewOperation,
  notAwaiting,
  operationsTogether,
  readOperation,
  refuseOwn,
} from './operations.ts';

/** Longest wait for coordinators, ms: one that hangs gives up its lock after 5 s, and a busy one reads its log in far less. */
const PATIENCE_MS = 9_000;
/** Rest between two tries, ms. */
const AGAIN_MS = 25;

export interface Part extends NewOperation {
  /** The run as the request saw it. */
  readonly context: RunContext;
  readonly graceMs: number;
}

/** The coordinator of a run has not read all log rows about the members, so their states may still change. The message is the run. */
class NotAtRest extends Error {}

/**
 * Answers the operations in the order of the parts, the first being the one that was asked. A repeated key answers the first outcome.
 * Throws `idempotency_key_reused` when only some of the parts were requested under their keys before, `plan_stale` when a member has changed
 * since the plan was made, or, with a plan or without, when a coordinator is still not at rest after `PATIENCE_MS`; `run_closed`, `run_frozen`,
 * and what a run would refuse its part with.
 */
export async function requestTogether(
  pool: pg.Pool,
  parts: readonly Part[],
  alongside?: Alongside,
): Promise<OperationRow[]> {
  return atRest(pool, async (client) => {
    const rows = await prepareAndCommit(client, parts);
    await alongside?.(client, rows);
    return rows;
  });
}

/** What is written in the transaction of the log rows, too. When it throws nothing was requested. */
export type Alongside = (client: Transaction, rows: readonly OperationRow[]) => Promise<void>;

/** Tries again until the coordinators have read what concerns the members. Throws `plan_stale` after `PATIENCE_MS`. */
async function atRest<T>(pool: pg.Pool, work: (client: Transaction) => Promise<T>): Promise<T> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await inTransaction(pool, work, { retryForMs: PATIENCE_MS });
    } catch (error) {
      if (!(error instanceof NotAtRest)) throw error;
      if (performance.now() > until)
        throw new SluiceError(
          'plan_stale',
          `the coordinator of ${error.message} has not yet read all log rows that may change the flows of the request`,
          {
            facts: { run: error.message },
          },
        );
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

async function prepareAndCommit(client: Transaction, parts: readonly Part[]): Promise<OperationRow[]> {
  const sorted = byRun(parts);
  await lockCounters(
    client,
    sorted.map((entry) => entry.run),
  );
  const rows = new Map<string, OperationRow>();
  const fresh: { row: OperationRow; approval: OperationOutcome | null }[] = [];
  const repeated: { key: string; row: OperationRow }[] = [];
  for (const part of sorted) {
    // An agent may take a flow between this transaction and the exchange. Its attempt is then superseded, because no run may refuse its part any more.
    const request = part.request.plan === null ? { ...part.request, supersede: true } : part.request;
    const { row, isNew } = await insertUnlogged(client, { ...part, request });
    if (isNew) fresh.push({ row, approval: await verify(client, part, null) });
    else repeated.push({ key: part.key, row });
    rows.set(part.run, row);
  }
  // The parts of one request were logged together: a key that brings further parts is another request.
  if (fresh.length > 0 && repeated.length > 0) throw otherParts(repeated[0]!);
  if (fresh.some((entry) => entry.approval !== null)) {
    const first = rows.get(parts[0]!.run)!;
    for (const { row, approval } of fresh)
      rows.set(row.run, await markAwaitingApproval(client, row, first, approval));
  } else for (const { row } of fresh) logOperation(client, row, null);
  return parts.map((part) => rows.get(part.run)!);
}

function otherParts({ key, row }: { key: string; row: OperationRow }): SluiceError {
  return new SluiceError(
    'idempotency_key_reused',
    `the key '${key}' belongs to operation ${row.id} (${row.verb} on ${row.run}), a request without the other runs of this one`,
    { facts: { key, operation: row.id, verb: row.verb } },
  );
}

const byRun = <T extends { readonly run: string }>(list: readonly T[]): T[] =>
  [...list].sort((a, b) => (a.run < b.run ? -1 : 1));

/**
 * Notes that the operation waits for a second person: no run gets its part in its log before that person has agreed for all of them
 * (protocol B4). `first` is the operation that was asked, `approval` what this run would answer; null = only other runs need the person.
 */
async function markAwaitingApproval(
  client: Queryable,
  row: OperationRow,
  first: OperationRow,
  approval: OperationOutcome | null,
): Promise<OperationRow> {
  const flows = row.body.flows.map((flow) => ({ flow, state: null, code: null }));
  const outcome: OperationOutcome = approval ?? {
    flows,
    code: 'approval_required',
    detail: 'another run of the request needs a second person',
  };
  await client.query(
    `update operations set state = 'approval_required', outcome = $2, together = $3 where id = $1`,
    [row.id, JSON.stringify(outcome), first.id],
  );
  const { actor, reason, verb } = { ...row.body, actor: row.actor };
  await writeAudit(client, {
    actor,
    verb,
    run: row.run,
    operation: row.id,
    targets: row.body.flows,
    reason,
    outcome: 'approval_required',
  });
  return { ...row, state: 'approval_required', outcome, together: first.id };
}

/**
 * The second person approves a request to several runs: it goes into the logs of all of them, or into none when some run would not carry out
 * its part now. Throws `own_approval`, `not_awaiting_approval`, and what a run would refuse its part with; the request goes on waiting.
 */
export async function approveTogether(
  pool: pg.Pool,
  asked: OperationRow,
  approver: { name: string; reason: string },
  partOf: (row: OperationRow) => Promise<Part>,
): Promise<OperationRow[]> {
  refuseOwn(asked, approver.name);
  const before = await operationsTogether(pool, asked);
  const parts = new Map<string, Part>();
  for (const row of before) parts.set(row.run, await partOf(row));
  return atRest(pool, async (client) => {
    const runs = byRun(before);
    await lockCounters(
      client,
      runs.map((run) => run.run),
    );
    const rows = await markApproved(
      client,
      runs.map((run) => run.id),
      approver.name,
    );
    if (rows.length < runs.length) {
      const now = await readOperation(client, asked.id);
      if (now.approvedBy === approver.name) return operationsTogether(client, now);
      throw notAwaiting(now);
    }
    for (const row of byRun(rows)) {
      await verify(client, parts.get(row.run)!, approver.name);
      logOperation(client, row, approver.name);
      await auditJudgement(client, row, 'approve', approver);
    }
    return before.map((entry) => rows.find((row) => row.id === entry.id)!);
  });
}

/** What the run would answer instead of doing it: that a second person has to agree; null = it would do it. */
async function verify(
  client: Queryable,
  part: Part,
  approvedBy: string | null,
): Promise<OperationOutcome | null> {
  const { run, request } = part;
  const version = part.context.run.catalogueVersion;
  const members = request.plan?.members ?? [];
  const flows = request.plan === null ? request.flows : members.map((member) => member.flow);
  const found = await client.query<{
    state: string;
    frozen: string | null;
    version: number;
    unread: boolean;
  }>({
    name: 'verify-run',
    text: `select r.state, r.frozen, c.version, exists (
        select 1 from run_log l where l.run_id = c.run_id and l.seq > c.cursor
          and (l.kind = 'operation' or l.flow_id = any($2::text[]))) as unread
      from run_counters c join runs r on r.id = c.run_id where c.run_id = $1`,
    values: [run, flows],
  });
  const now = found.rows[0]!;
  if (now.state === 'closed')
    throw new SluiceError('run_closed', `the run ${run} is closed`, { facts: { run } });
  if (now.frozen !== null) throw new SluiceError('run_frozen', `${run}: ${now.frozen}`, { facts: { run } });
  if (now.unread) throw new NotAtRest(run);
  if (request.plan === null) {
    if (now.version !== version)
      throw new SluiceError('adopt_stale', `${run} moved to catalogue version ${now.version}`, {
        facts: { run },
      });
    await lockOutbox(client, run, flows);
    return previewPart(client, part, approvedBy);
  }
  const changed =
    now.version === version ? await changedMember(client, run, request.plan) : (flows[0] ?? run);
  if (changed !== null)
    throw new SluiceError('plan_stale', `${changed} of ${run} has changed since the plan was made`, {
      facts: { run, flow: changed },
    });
  return null;
}

/** What the run would answer now; with its rows locked it will. Throws what it would refuse with. */
async function previewPart(
  client: Queryable,
  { run, context, graceMs, request, actor, roles }: Part,
  approvedBy: string | null,
): Promise<OperationOutcome | null> {
  const state = restoreState(context.graph, await readStored(client, context, graceMs));
  const entry = {
    ...({ kind: 'operation', seq: state.cursor + 1, at: state.now, operation: 'preview' } as const),
    actor,
    roles,
    approvedBy,
    request,
  };
  const { groups } = preview(context.graph, state, [entry], state.now);
  const effect = groups.flatMap((group) => group.effects).find((item) => item.t === 'outcome');
  const { flows, code, detail } = effect!.outcome;
  if (effect!.state === 'applied') return null;
  if (effect!.state === 'approval_required') return effect!.outcome;
  throw new SluiceError(code as ErrorCode, `${run}: ${detail ?? code}`, { facts: { run, flows } });
}

/**
 * The first member that differs from the plan in its generation, its result, or whether it has started; that the run has no more; or that is
 * retired, about to be rerun, or of unknown outcome. null = there is none.
 */
async function changedMember(
  client: Queryable,
  run: string,
  { members, ...plan }: RerunPlan,
): Promise<string | null> {
  const flows = members.map((member) => member.flow);
  const found = await client.query<{
    flow: string;
    generation: number;
    result: Result | null;
    flags: number;
  }>({
    name: 'verify-members',
    text: 'select flow_id as flow, generation, result, flags from run_flows where run_id = $1 and flow_id = any($2::text[])',
    values: [run, flows],
  });
  const rows = new Map(found.rows.map((row) => [row.flow, row]));
  const claims = await lockOutbox(client, run, flows);
  const changed = members.find((member) => {
    const row = rows.get(member.flow);
    if (row === undefined) return true;
    const result = codeOf(row.result);
    const started = result === 0 && (claims.get(member.flow) ?? null) !== null;
    const undecided =
      (row.flags & FLAG.RETIRED) !== 0 || isOfAnother(row.flags, plan) || row.result === 'outcome_unknown';
    return (
      undecided ||
      row.generation !== member.generation ||
      result !== member.result ||
      started !== member.started
    );
  });
  return changed?.flow ?? null;
}
