/**
 * Writes finished runs that were not carried out here: history for load, for tests and for recorded workflows. It is the only way into the
 * record beside the exchange and the agents' calls. Nothing of a finished run is decided any more, so it cannot break protocol A. It writes
 * what the engine would have left: results, attempts, the log with its cursor at the end, and decisions of people with their operations and
 * audit. It writes no exchanges: those of finished runs are deleted anyway (store/retention/retention.ts).
 */

import type pg from 'pg';
import { SluiceError } from '../../errors.ts';
import { runId } from '../../graph/calendar/calendar.ts';
import type { OperationOutcome, OperationRequest } from '../../graph/run/decisions.ts';
import { FLAG } from '../../graph/run/state.ts';
import type { Phase } from '../../graph/run/status.ts';
import { takingEpochs } from '../record/epochs.ts';
import { copyRows } from '../schema/copy-rows.ts';
import { inTransaction, type Queryable } from '../schema/pool.ts';
import type {
  EndedGeneration,
  PastAttempt,
  PastFlow,
  PastOperation,
  PastRelease,
  PastRun,
} from './past-run.ts';

/**
 * Writes one finished run with COPY, in one transaction: all of it or nothing (13,000 flows: 0.5 s). Throws `run_exists` when the run is
 * there. `actor` is who shall have opened it; `purpose` other than scheduled gets number 1.
 */
export async function writePastRun(
  pool: pg.Pool,
  run: PastRun,
  given: { catalogueVersion: number; actor: string },
): Promise<string> {
  const { cycle, period, purpose, openedAt, finishedAt } = run;
  const id = runId(cycle, period, purpose);
  const log = logOf(run);
  await inTransaction(
    pool,
    async (client) => {
      const inserted = await client.query(
        `insert into runs (id, cycle, period, purpose, number, catalogue_version, opened_by, opened_ms, finished_ms)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing`,
        [
          id,
          cycle,
          period,
          purpose,
          purpose === 'scheduled' ? 0 : 1,
          given.catalogueVersion,
          given.actor,
          openedAt,
          finishedAt,
        ],
      );
      if (inserted.rowCount === 0)
        throw new SluiceError('run_exists', `the run ${id} exists already`, { facts: { run: id } });
      await client.query(
        `insert into run_counters (run_id, log_seq, exchange, cursor, now_ms, version)
         values ($1, $2::bigint, $2::bigint / 50 + 1, $2::bigint, $3, $4)`,
        [id, log.length, finishedAt, given.catalogueVersion],
      );
      const taken = await client.query<{ last: number }>(takingEpochs(run.attempts.length));
      const epochOf = new Map(
        run.attempts.map((attempt, i) => [attempt, taken.rows[0]!.last - run.attempts.length + 1 + i]),
      );
      await copyFlows(client, id, run.flows);
      await copyAttempts(client, id, run.attempts, epochOf);
      await copyLog(client, id, log, epochOf);
      await copyGenerations(client, id, run.generations);
      await copyOperations(client, id, run.operations);
      await copyReleases(client, id, run.releases);
    },
    { guarded: false },
  );
  return id;
}

type LogItem = { readonly at: number } & (
  | { readonly attempt: PastAttempt }
  | { readonly operation: PastOperation }
);

/** Ends of attempts and people's requests in the order of time: the row's place is its seq. */
function logOf({ attempts, operations }: PastRun): LogItem[] {
  const items: LogItem[] = [
    ...attempts.map((attempt) => ({ at: attempt.endedAt, attempt })),
    ...operations.map((operation) => ({ at: operation.at, operation })),
  ];
  return items.sort((a, b) => a.at - b.at);
}

type Client = Queryable;

async function copyFlows(client: Client, run: string, flows: readonly PastFlow[]): Promise<void> {
  const columns = `run_id, flow_id, generation, attempt, result, phase, flags, used_budget, start_ms, deadline_ms,
    generation_ms, released_ms, result_ms`;
  await copyRows(client, `run_flows (${columns})`, flows, (entry) => [
    run,
    entry.flow,
    entry.generation,
    entry.attempt,
    entry.result,
    phaseOf(entry),
    flagsOf(entry),
    entry.usedRetries,
    entry.startAt,
    entry.deadlineAt,
    entry.generationAt,
    entry.releasedAt,
    entry.resultAt,
  ]);
}

/** Where it stood last. */
const phaseOf = ({ runner }: PastFlow): Phase => (runner === 'person' ? 'waiting_person' : 'waiting_agent');
const flagsOf = ({ runner, tainted, result }: PastFlow): number =>
  (tainted ? FLAG.TAINTED : 0) | (runner === 'person' && result === 'succeeded' ? FLAG.CONFIRMED : 0);

async function copyAttempts(
  client: Client,
  run: string,
  attempts: readonly PastAttempt[],
  epochOf: ReadonlyMap<PastAttempt, number>,
): Promise<void> {
  const columns = `epoch, run_id, flow_id, generation, attempt, agent, sent_ms, started_ms, ended_ms, outcome, failure_kind, message`;
  await copyRows(client, `attempts (${columns})`, attempts, (entry) => {
    const failed = entry.outcome === 'failed';
    return [
      epochOf.get(entry)!,
      run,
      entry.flow,
      entry.generation,
      entry.attempt,
      entry.agent,
      entry.sentAt,
      entry.startedAt,
      entry.endedAt,
      entry.outcome,
      failed ? 'program' : null,
      failed ? 'the program ended with 1' : null,
    ];
  });
}

async function copyLog(
  client: Client,
  run: string,
  log: readonly LogItem[],
  epochOf: ReadonlyMap<PastAttempt, number>,
): Promise<void> {
  const columns =
    'run_id, seq, kind, at_ms, flow_id, generation, attempt, epoch, outcome, operation_id, body';
  const seqOf = new Map(log.map((item, i) => [item, i + 1]));
  await copyRows(client, `run_log (${columns})`, log, (item) => {
    const seq = seqOf.get(item)!;
    if ('operation' in item) {
      const { id, actor } = item.operation;
      const body = { actor, roles: [], approvedBy: null, request: requestOf(item.operation) };
      return [run, seq, 'operation', item.at, null, null, null, null, null, id, JSON.stringify(body)];
    }
    const { flow, generation, attempt, outcome } = item.attempt;
    return [
      run,
      seq,
      'completion',
      item.at,
      flow,
      generation,
      attempt,
      epochOf.get(item.attempt)!,
      outcome === 'failed' ? 'failed:program' : outcome,
      null,
      null,
    ];
  });
}

async function copyGenerations(
  client: Client,
  run: string,
  ended: readonly EndedGeneration[],
): Promise<void> {
  const columns =
    'run_id, flow_id, generation, result, flags, generation_ms, released_ms, result_ms, ended_ms, operation_id';
  await copyRows(client, `flow_generations (${columns})`, ended, (entry) => [
    run,
    entry.flow,
    entry.generation,
    entry.result,
    0,
    entry.generationAt,
    entry.releasedAt,
    entry.resultAt,
    entry.endedAt,
    entry.operation,
  ]);
}

/** As `decide` gets it. */
function requestOf({ id, verb, flows, reason }: PastOperation): OperationRequest {
  const request = {
    verb,
    flows,
    edges: [],
    reason,
    evidence: null,
    partial: false,
    supersede: false,
    ran: null,
  };
  if (verb !== 'rerun') return { ...request, plan: null };
  const members = flows.map((flow) => ({ flow, generation: 1, result: 0, started: true }));
  const plan = { id: `plan-${id}`, graphVersion: '', members, roots: flows.slice(0, 1) };
  return { ...request, plan: { ...plan, running: 'supersede', keepWaives: false } };
}

async function copyOperations(
  client: Client,
  run: string,
  operations: readonly PastOperation[],
): Promise<void> {
  const columns = `id, run_id, actor, idempotency_key, verb, body, body_hash, state, outcome, requested_ms, decided_ms`;
  await copyRows(client, `operations (${columns})`, operations, (entry) => {
    const done = entry.flows.map((flow) => ({ flow, code: null, state: null }));
    const outcome: OperationOutcome = { flows: done, code: null, detail: null };
    const body = JSON.stringify({ ...requestOf(entry), roles: [] });
    // The key of a request as old as this is free again (protocol B1).
    return [
      entry.id,
      run,
      entry.actor,
      `freed:${entry.id}`,
      entry.verb,
      body,
      '',
      'applied',
      JSON.stringify(outcome),
      entry.at,
      entry.at + DECIDED_MS,
    ];
  });
  await copyRows(
    client,
    'audit (at_ms, actor, verb, run_id, operation_id, targets, reason, outcome)',
    operations,
    (entry) => [
      entry.at + DECIDED_MS,
      entry.actor,
      entry.verb,
      run,
      entry.id,
      `{${entry.flows.map((flow) => JSON.stringify(flow)).join(',')}}`,
      entry.reason,
      'applied',
    ],
  );
  await copyRows(
    client,
    'overrides (run_id, flow_id, kind, generation, operation_id, actor, reason, at_ms)',
    operations.filter((operation) => operation.verb !== 'rerun'),
    (entry) => [
      run,
      entry.flows[0]!,
      entry.verb,
      1,
      entry.id,
      entry.actor,
      entry.reason,
      entry.at + DECIDED_MS,
    ],
  );
}

/** From the request to the exchange that carries it out. */
export const DECIDED_MS = 20;

async function copyReleases(client: Client, run: string, releases: readonly PastRelease[]): Promise<void> {
  const columns = 'run_id, flow_id, upstream_run, upstream_flow, released_ms, tainted, told';
  await copyRows(client, `subscriptions (${columns})`, releases, (entry) => [
    run,
    entry.flow,
    entry.upstreamRun,
    entry.upstreamFlow,
    entry.at,
    entry.tainted ? 't' : 'f',
    entry.tainted ? 2 : 1,
  ]);
}
