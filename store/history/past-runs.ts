/**
 * Runs that were not carried out here, written whole: the history of an estate for load and tests, and recorded workflows. The only way
 * into the record beside the exchange and the agents' calls, and only for runs that are finished: nothing in it is decided, so nothing of
 * protocol A can be broken by it. What the engine would have left is left: results, attempts, the log read to its end, decisions of
 * people with their operations and audit. Exchanges are not: those of a finished run go away anyway (store/retention/retention.ts).
 */
import type pg from 'pg';
import { SluiceError } from '../../errors.ts';
import { runId } from '../../graph/calendar/calendar.ts';
import type { Cycle, Purpose } from '../../graph/model.ts';
import type { OperationOutcome, OperationRequest } from '../../graph/run/decisions.ts';
import { FLAG } from '../../graph/run/state.ts';
import type { Phase, Result } from '../../graph/run/status.ts';
import { takingEpochs } from '../record/epochs.ts';
import { copyRows } from '../schema/copy-rows.ts';
import { inTransaction, type Queryable } from '../schema/pool.ts';

/** Instants are ms since 1970; 0 = none where a flow has none. */
export interface PastFlow {
  readonly flow: string;
  readonly runner: 'agent' | 'person' | 'engine';
  readonly generation: number;
  readonly attempt: number;
  readonly result: Result;
  readonly tainted: boolean;
  /** Failed programs that were tried again. */
  readonly usedRetries: number;
  readonly startAt: number;
  readonly deadlineAt: number;
  readonly generationAt: number;
  readonly releasedAt: number;
  readonly resultAt: number;
}

export interface PastAttempt {
  readonly flow: string;
  readonly generation: number;
  readonly attempt: number;
  readonly agent: string;
  readonly sentAt: number;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly outcome: 'succeeded' | 'failed';
}

/** A superseded generation. */
export interface EndedGeneration {
  readonly flow: string;
  readonly generation: number;
  readonly result: Result;
  readonly generationAt: number;
  readonly releasedAt: number;
  readonly resultAt: number;
  readonly endedAt: number;
  readonly operation: string;
}

export interface PastOperation {
  readonly id: string;
  readonly actor: string;
  readonly verb: 'force-pass' | 'confirm' | 'rerun';
  readonly flows: readonly string[];
  readonly reason: string;
  readonly at: number;
}

/** An edge to another run that was met. */
export interface PastRelease {
  readonly flow: string;
  readonly upstreamRun: string;
  readonly upstreamFlow: string;
  readonly at: number;
  readonly tainted: boolean;
}

export interface PastRun {
  readonly cycle: Cycle;
  readonly period: string;
  readonly purpose: Purpose;
  readonly openedAt: number;
  readonly finishedAt: number;
  readonly flows: readonly PastFlow[];
  /** In the order in which they were sent. */
  readonly attempts: readonly PastAttempt[];
  readonly generations: readonly EndedGeneration[];
  readonly operations: readonly PastOperation[];
  readonly releases: readonly PastRelease[];
}

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
        throw new SluiceError('run_exists', `the run ${id} was opened before`, { facts: { run: id } });
      await client.query(
        `insert into run_counters (run_id, log_seq, exchange, cursor, now_ms, version)
         values ($1, $2::bigint, $2::bigint / 50 + 1, $2::bigint, $3, $4)`,
        [id, log.length, finishedAt, given.catalogueVersion],
      );
      const taken = await client.query<{ last: number }>(takingEpochs(run.attempts.length));
      const epochOf = new Map(
        run.attempts.map((it, i) => [it, taken.rows[0]!.last - run.attempts.length + 1 + i]),
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
  await copyRows(client, `run_flows (${columns})`, flows, (it) => [
    run,
    it.flow,
    it.generation,
    it.attempt,
    it.result,
    phaseOf(it),
    flagsOf(it),
    it.usedRetries,
    it.startAt,
    it.deadlineAt,
    it.generationAt,
    it.releasedAt,
    it.resultAt,
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
  await copyRows(client, `attempts (${columns})`, attempts, (it) => {
    const failed = it.outcome === 'failed';
    return [
      epochOf.get(it)!,
      run,
      it.flow,
      it.generation,
      it.attempt,
      it.agent,
      it.sentAt,
      it.startedAt,
      it.endedAt,
      it.outcome,
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
  await copyRows(client, `flow_generations (${columns})`, ended, (it) => [
    run,
    it.flow,
    it.generation,
    it.result,
    0,
    it.generationAt,
    it.releasedAt,
    it.resultAt,
    it.endedAt,
    it.operation,
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
  await copyRows(client, `operations (${columns})`, operations, (it) => {
    const done = it.flows.map((flow) => ({ flow, code: null, state: null }));
    const outcome: OperationOutcome = { flows: done, code: null, detail: null };
    const body = JSON.stringify({ ...requestOf(it), roles: [] });
    // The key of a request as old as this is free again (B1).
    return [
      it.id,
      run,
      it.actor,
      `freed:${it.id}`,
      it.verb,
      body,
      '',
      'applied',
      JSON.stringify(outcome),
      it.at,
      it.at + DECIDED_MS,
    ];
  });
  await copyRows(
    client,
    'audit (at_ms, actor, verb, run_id, operation_id, targets, reason, outcome)',
    operations,
    (it) => [
      it.at + DECIDED_MS,
      it.actor,
      it.verb,
      run,
      it.id,
      `{${it.flows.map((flow) => JSON.stringify(flow)).join(',')}}`,
      it.reason,
      'applied',
    ],
  );
  await copyRows(
    client,
    'overrides (run_id, flow_id, kind, generation, operation_id, actor, reason, at_ms)',
    operations.filter((it) => it.verb !== 'rerun'),
    (it) => [run, it.flows[0]!, it.verb, 1, it.id, it.actor, it.reason, it.at + DECIDED_MS],
  );
}

/** From the request to the exchange that carries it out. */
export const DECIDED_MS = 20;

async function copyReleases(client: Client, run: string, releases: readonly PastRelease[]): Promise<void> {
  const columns = 'run_id, flow_id, upstream_run, upstream_flow, released_ms, tainted, told';
  await copyRows(client, `subscriptions (${columns})`, releases, (it) => [
    run,
    it.flow,
    it.upstreamRun,
    it.upstreamFlow,
    it.at,
    it.tainted ? 't' : 'f',
    it.tainted ? 2 : 1,
  ]);
}
