/** From a verb's request to its one answer (protocol B1, B2, B3, B4): checked, logged, awaited; or previewed, without a row. */
import { randomUUID } from 'node:crypto';
import type { Operation, OperationPreview } from '../../contract/operations.ts';
import { ERRORS, type ErrorCode, SluiceError } from '../../errors.ts';
import { parseRunId } from '../../graph/calendar/calendar.ts';
import { preview } from '../../graph/decide.ts';
import type { Flow } from '../../graph/model.ts';
import type { EdgeName, Effect, OperationRequest, Verb } from '../../graph/run/decisions.ts';
import { FLAG, type RunState } from '../../graph/run/state.ts';
import { VERBS } from '../../graph/verbs/verbs.ts';
import { pausesInForce } from '../../store/agents/pauses.ts';
import type { Actor } from '../../store/operations/actors.ts';
import type { OperationRow } from '../../store/operations/operation-rows.ts';
import { isKnownKey, readOperation } from '../../store/operations/operations.ts';
import { type RunContext, readRun } from '../../store/record/run-context.ts';
import { readState } from '../../store/record/run-state.ts';
import type { ServiceDeps } from '../deps.ts';
import { flowOfRun, knownFlows, openContext } from '../runs/find.ts';
import { authorise } from './actor-scope.ts';

/** An edge as people name it: an upstream in another run by that run or by its period. */
export interface EdgeByName {
  readonly from: string;
  readonly to: string;
  readonly run?: string | undefined;
  readonly period?: string | undefined;
}

export interface VerbRequest {
  readonly run: string;
  readonly verb: Verb;
  readonly flows?: readonly string[];
  readonly edges?: readonly EdgeByName[];
  readonly reason: string;
  readonly evidence?: string | undefined;
  readonly partial?: boolean;
  readonly supersede?: boolean;
  readonly forceEnd?: boolean;
  readonly ran?: boolean | undefined;
  readonly plan?: OperationRequest['plan'];
}

/** Idempotency key of a request; without one, a key that no other request has. */
export const keyOf = (headers: { 'idempotency-key'?: string | undefined }, otherwise?: string): string =>
  headers['idempotency-key'] ?? otherwise ?? `own-${randomUUID()}`;

/**
 * Checks what can be checked before the log: throws `reason_required`, `evidence_required`, `unknown_*`, `out_of_scope`, `run_frozen`,
 * `already_paused`, `not_paused`, `not_closed`. A repeated request gets its first outcome, whatever has changed since (protocol B1).
 */
export async function prepare(
  deps: ServiceDeps,
  actor: Actor,
  asked: VerbRequest,
  known: Promise<boolean> | boolean = false,
): Promise<{ context: RunContext; request: OperationRequest }> {
  const rule = VERBS.get(asked.verb)!;
  const reason = asked.reason.trim();
  const evidence = asked.evidence?.trim() || null;
  // Read at the same time: an operator waits for all of them.
  const [context, repeated, refusal] = await Promise.all([
    openContext(deps, asked.run),
    known,
    refusalOfRun(deps, asked.run, asked.verb),
  ]);
  if (rule.needsReason && reason === '')
    throw new SluiceError('reason_required', `${asked.verb} needs a reason`, { facts: { verb: asked.verb } });
  if (rule.needsEvidence && evidence === null)
    throw new SluiceError('evidence_required', `${asked.verb} needs evidence`, {
      facts: { verb: asked.verb },
    });
  if (asked.verb === 'resolve' && asked.ran === undefined)
    throw new SluiceError(
      'invalid_request',
      'resolve needs "ran": true if the program ran, false if it did not',
      {
        facts: { errors: [{ in: 'body', pointer: '/ran', detail: 'required' }] },
      },
    );
  if (!repeated && refusal !== null) throw refusal;

  const flows = knownFlows(context, asked.flows ?? [], asked.partial === true);
  const edges = (asked.edges ?? []).flatMap((edge) => edgesMeant(context, edge));
  const targets = [
    ...flows,
    ...edges.map((edge) => edge.to),
    ...(asked.plan?.members ?? []).map((m) => m.flow),
  ];
  const found = targets
    .map((id) => context.version.flows.get(id))
    .filter((entry): entry is Flow => entry !== undefined);
  if (!repeated) authorise(actor, asked.verb, rule.target === 'run' ? null : found);
  return {
    context,
    request: {
      verb: asked.verb,
      flows,
      edges,
      reason,
      evidence,
      partial: asked.partial === true,
      supersede: asked.supersede === true,
      // Only where it was requested: otherwise older requests would have another hash.
      ...(asked.forceEnd === true ? { forceEnd: true } : {}),
      ran: asked.ran ?? null,
      plan: asked.plan ?? null,
    },
  };
}

/** Throws `unknown_edge` when the flow waits for no run of the given period. */
function edgesMeant(context: RunContext, { from, to: given, run, period }: EdgeByName): EdgeName[] {
  const to = flowOfRun(context, given).id;
  if (period === undefined) return [run === undefined ? { from, to } : { from, to, run }];
  const v = context.index.get(to)!;
  const waitsFor = context.subscriptions.list.filter((item) => item.v === v && item.from === from);
  const meant = waitsFor.filter(
    (entry) => parseRunId(entry.run)?.period === period && (run === undefined || entry.run === run),
  );
  if (meant.length === 0)
    throw new SluiceError('unknown_edge', `${to} does not wait for ${from} of ${period}`, {
      facts: { run: context.run.id, from, to, period, waitsFor: waitsFor.map((entry) => entry.run) },
    });
  return meant.map((entry) => ({ from, to, run: entry.run }));
}

/** Why the run refuses the verb; null: it does not. */
async function refusalOfRun(deps: ServiceDeps, id: string, verb: Verb): Promise<SluiceError | null> {
  const run = await readRun(deps.pool, id).catch((error: unknown) => {
    if (error instanceof SluiceError) return error;
    throw error;
  });
  if (run instanceof SluiceError) return run;
  const facts = { facts: { run: id } };
  if (run.frozen !== null) return new SluiceError('run_frozen', `${id}: ${run.frozen}`, facts);
  if (verb === 'reopen' && run.state === 'open') return new SluiceError('not_closed', `${id} is open`, facts);
  if (verb !== 'pause' && verb !== 'resume') return null;
  const paused = (await pausesInForce(deps.pool, `run:${id}`)) > 0;
  if (verb === 'pause' && paused) return new SluiceError('already_paused', `${id} is paused`, facts);
  if (verb === 'resume' && !paused) return new SluiceError('not_paused', `${id} is not paused`, facts);
  return null;
}

/** Logs the operation, waits for its outcome and returns its row, still `requested` if no outcome came in time (protocol B2). */
export async function requestOperation(
  deps: ServiceDeps,
  actor: Actor,
  asked: VerbRequest,
  key: string,
): Promise<OperationRow> {
  const { context, request } = await prepare(deps, actor, asked, isKnownKey(deps.pool, actor.name, key));
  const row = await deps.lanes.request({
    run: context.run.id,
    actor: actor.name,
    roles: actor.roles,
    key,
    request,
  });
  return waitForOutcome(deps, row);
}

/** Waits for the exchange that decides the operation, at most `operationWaitMs`: by NOTIFY, and by reading it twice a second. */
export async function waitForOutcome(deps: ServiceDeps, row: OperationRow): Promise<OperationRow> {
  const until = performance.now() + deps.operationWaitMs;
  let current = row;
  let wake = (): void => {};
  let heard = false;
  const off = deps.notifications.on('sluice_operation', (id) => {
    if (id !== row.id) return;
    heard = true;
    wake();
  });
  try {
    for (;;) {
      if (current.state !== 'requested') return current;
      const left = until - performance.now();
      if (left <= 0) return current;
      if (!heard)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, Math.min(500, left));
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      heard = false;
      current = await readOperation(deps.pool, row.id);
    }
  } finally {
    off();
  }
}

/** 200 when applied; 202 while it waits for the engine or for a second person. A refused operation is thrown as its problem. */
export function answerOf(row: OperationRow): { status: 200 | 202; operation: Operation } {
  if (row.state === 'refused') throw refusal(row);
  return { status: row.state === 'applied' ? 200 : 202, operation: toResponse(row) };
}

function refusal(row: OperationRow): SluiceError {
  const { code, detail, flows } = row.outcome!;
  const known: ErrorCode = code !== null && code in ERRORS ? (code as ErrorCode) : 'internal';
  const first = flows.find((flow) => flow.code !== null);
  return new SluiceError(known, detail ?? first?.detail ?? `${row.verb} was refused: ${code}`, {
    facts: { operation: row.id, run: row.run, verb: row.verb, flows },
    audited: true,
  });
}

export function toResponse(row: OperationRow): Operation {
  const { flows, edges, reason, evidence, partial, supersede, forceEnd = false, ran, plan } = row.body;
  return {
    id: row.id,
    run: row.run,
    verb: row.verb,
    actor: row.actor,
    state: row.state,
    request: {
      flows,
      edges,
      reason,
      evidence,
      partial,
      supersede,
      forceEnd,
      ran,
      plan: plan?.id ?? null,
    },
    outcome: row.outcome,
    requestedAt: row.requestedAt,
    approvedBy: row.approvedBy,
    approvedAt: row.approvedAt,
    decidedAt: row.decidedAt,
    together: row.together,
  };
}

/** Protocol B3: what would happen now, computed on a copy of the record; nothing is written. O(V + E). */
export async function previewOperation(
  deps: ServiceDeps,
  actor: Actor,
  asked: VerbRequest,
): Promise<OperationPreview> {
  const { context, request } = await prepare(deps, actor, asked);
  const state = await readState(deps.pool, context, deps.graceMs);
  const { name, roles } = actor;
  return previewRequest(context, state, request, { actor: name, roles, approvedBy: null });
}

/** What a request would do to a run in this state, asked by somebody with these roles. O(V + E). */
export function previewRequest(
  { graph, run }: RunContext,
  state: RunState,
  request: OperationRequest,
  by: { readonly actor: string; readonly roles: readonly string[]; readonly approvedBy: string | null },
): OperationPreview {
  const entry = {
    kind: 'operation' as const,
    seq: state.cursor + 1,
    at: state.now,
    operation: 'dry-run',
    ...by,
    request,
  };
  // What would happen anyway does not count as freed.
  const without = preview(graph, state, [], state.now).after;
  const { groups, after } = preview(graph, state, [entry], state.now);
  const outcome = groups
    .flatMap((group) => group.effects)
    .find((effect): effect is Extract<Effect, { t: 'outcome' }> => effect.t === 'outcome')!;
  const targets = new Set([...request.flows, ...(request.plan?.members ?? []).map((member) => member.flow)]);
  const freed: string[] = [];
  for (let v = 0; v < graph.n; v++) {
    if (targets.has(graph.ids[v]!)) continue;
    const turn = (s: typeof after): boolean =>
      s.released[v] !== 0 || s.result[v] !== 0 || (s.flags[v]! & FLAG.DISPATCHED) !== 0;
    if (turn(after) && !turn(without)) freed.push(graph.ids[v]!);
  }
  return {
    dryRun: true,
    run: run.id,
    verb: request.verb,
    state: outcome.state,
    outcome: outcome.outcome,
    freed,
  };
}
