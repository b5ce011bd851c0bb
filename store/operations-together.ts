/**
 * One request to several runs (protocol E, plans across runs): logged in all of them or in none. Preparing and committing are one
 * transaction that holds the counter rows of all runs, by id (A10), and the outbox rows of all members, so nothing can change between the
 * check and the log rows, and whoever dies in it leaves nothing. docs/decisions/0006.
 */
import type pg from 'pg';
import { type ErrorCode, SluiceError } from '../errors.ts';
import { foresee } from '../graph/decide.ts';
import type { RerunMember } from '../graph/decisions.ts';
import { restoreState } from '../graph/restore.ts';
import { FLAG } from '../graph/state.ts';
import { codeOf, type Result } from '../graph/status.ts';
import { insertOperation, type NewOperation, type OperationRow } from './operations.ts';
import { inTransaction, type Queryable, type Transaction } from './pool.ts';
import type { RunContext } from './run-context.ts';
import { lockOutbox } from './run-flows.ts';
import { lockCounters } from './run-log.ts';
import { readStored } from './run-state.ts';

/** A frozen coordinator gives up its lock after 5 s, and a busy one has read its log in far less. */
const PATIENCE_MS = 9_000;
const AGAIN_MS = 25;

export interface Part extends NewOperation {
  /** As the request was made for. */
  readonly context: RunContext;
  readonly graceMs: number;
}

/** The log of a run has rows about members that its coordinator has not read: what they make of them is not known yet. */
class NotAtRest extends Error {}

/**
 * Answers the operations in the order of the parts, the first being the one that was asked. A repeated key answers the first outcome.
 * Throws `plan_stale` when a member is not as the plan has it, `run_closed`, `run_frozen`, and what a run would refuse its part with.
 */
export async function requestTogether(pool: pg.Pool, parts: readonly Part[]): Promise<OperationRow[]> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await inTransaction(pool, (client) => prepareAndCommit(client, parts), {
        retryForMs: PATIENCE_MS,
      });
    } catch (error) {
      if (!(error instanceof NotAtRest)) throw error;
      if (performance.now() > until)
        throw new SluiceError(
          'plan_stale',
          `${error.message} has results of members that are not taken in yet`,
          {
            facts: { run: error.message },
          },
        );
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

async function prepareAndCommit(client: Transaction, parts: readonly Part[]): Promise<OperationRow[]> {
  const sorted = [...parts].sort((a, b) => (a.run < b.run ? -1 : 1));
  await lockCounters(
    client,
    sorted.map((it) => it.run),
  );
  const rows = new Map<string, OperationRow>();
  for (const part of sorted) {
    // A flow that an agent takes between this and the exchange is superseded: nobody refuses any more.
    const request = part.request.plan === null ? { ...part.request, supersede: true } : part.request;
    const { row, isNew } = await insertOperation(client, { ...part, request });
    if (isNew) await verify(client, part);
    rows.set(part.run, row);
  }
  return parts.map((it) => rows.get(it.run)!);
}

async function verify(client: Queryable, part: Part): Promise<void> {
  const { run, request } = part;
  const version = part.context.run.catalogueVersion;
  const members = request.plan?.members ?? [];
  const flows = request.plan === null ? request.flows : members.map((it) => it.flow);
  const found = await client.query<{
    state: string;
    frozen: string | null;
    version: number;
    unread: boolean;
  }>({
    name: 'verify-run',
    text: `select r.state, r.frozen, c.version, exists (
        select 1 from run_log l where l.run_id = c.run_id and l.seq > c.cursor and l.seq < c.log_seq
          and (l.kind = 'operation' or l.flow_id = any($2::text[]))) as unread
      from run_counters c join runs r on r.id = c.run_id where c.run_id = $1`,
    values: [run, flows],
  });
  const it = found.rows[0]!;
  if (it.state === 'closed')
    throw new SluiceError('run_closed', `the run ${run} is closed`, { facts: { run } });
  if (it.frozen !== null) throw new SluiceError('run_frozen', `${run}: ${it.frozen}`, { facts: { run } });
  if (it.unread) throw new NotAtRest(run);
  if (request.plan === null) {
    if (it.version !== version)
      throw new SluiceError('adopt_stale', `${run} moved to catalogue version ${it.version}`, {
        facts: { run },
      });
    await lockOutbox(client, run, flows);
    await foreseen(client, part);
    return;
  }
  const changed = it.version === version ? await changedMember(client, run, members) : (flows[0] ?? run);
  if (changed !== null)
    throw new SluiceError('plan_stale', `${changed} of ${run} is not as the plan has it`, {
      facts: { run, flow: changed },
    });
}

/** What the run would answer now; with its rows locked it will. Throws what it would refuse with. */
async function foreseen(
  client: Queryable,
  { run, context, graceMs, request, actor, roles }: Part,
): Promise<void> {
  const state = restoreState(context.graph, await readStored(client, context, graceMs));
  const entry = {
    ...({ kind: 'operation', seq: state.cursor + 1, at: state.now, operation: 'foreseen' } as const),
    ...{ actor, roles, approvedBy: null, request },
  };
  const { groups } = foresee(context.graph, state, [entry], state.now);
  const effect = groups.flatMap((group) => group.effects).find((it) => it.t === 'outcome');
  const { flows, code, detail } = effect!.outcome;
  if (effect!.state === 'applied') return;
  if (effect!.state === 'approval_required')
    throw new SluiceError('role_required', `${run}: ${detail}; for a second person ask run by run`, {
      facts: { run, flows },
    });
  throw new SluiceError(code as ErrorCode, `${run}: ${detail ?? code}`, { facts: { run, flows } });
}

/** The first member that is another generation, has another result, or has started, or not, since the plan was made. */
async function changedMember(
  client: Queryable,
  run: string,
  members: readonly RerunMember[],
): Promise<string | null> {
  const flows = members.map((it) => it.flow);
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
      (row.flags & (FLAG.RETIRED | FLAG.RERUN_PENDING)) !== 0 || row.result === 'outcome_unknown';
    return (
      undecided ||
      row.generation !== member.generation ||
      result !== member.result ||
      started !== member.started
    );
  });
  return changed?.flow ?? null;
}
