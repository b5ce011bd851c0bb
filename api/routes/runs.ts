/** Runs: opened, listed, shown; paused, resumed, closed and reopened through the log. */

import { KeyHeader, Operation, OperationPreview, RunRequest } from '../../contract/operations.ts';
import { OpenRun, type Run, RunDetail, RunPage, RunParams, RunsQuery } from '../../contract/runs.ts';
import { SluiceError } from '../../errors.ts';
import { STATES } from '../../graph/run/status.ts';
import { RUN_VERBS } from '../../graph/verbs/verbs.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import { authorise } from '../../services/operations/actor-scope.ts';
import { openOnce } from '../../services/operations/open-once.ts';
import {
  answerOf,
  keyOf,
  previewOperation,
  requestOperation,
} from '../../services/operations/request-operation.ts';
import { openContext, unknownRun } from '../../services/runs/find.ts';
import { countFlows } from '../../store/history/flows.ts';
import { type ListedRun, listRuns, readShownRun } from '../../store/history/runs.ts';
import { writeAudit } from '../../store/operations/audit.ts';
import { setFrozen } from '../../store/record/run-progress.ts';
import { inTransaction } from '../../store/schema/pool.ts';
import type { Api } from '../instance.ts';
import { AtId, page, positionOf } from '../paging.ts';

export function runRoutes(app: Api, deps: ServiceDeps): void {
  app.route({
    method: 'POST',
    url: '/runs',
    config: { permission: 'operate', verb: 'open' },
    schema: { tags: ['runs'], headers: KeyHeader, body: OpenRun, response: { 202: RunDetail } },
    handler: async (request, reply) => {
      authorise(request.actor!, 'open', null);
      const id = await openOnce(deps, request.actor!, {
        asked: request.body,
        key: request.headers['idempotency-key'],
      });
      return reply
        .status(202)
        .header('location', `/api/v1/runs/${id}`)
        .send(await detailOf(deps, id));
    },
  });

  app.route({
    method: 'GET',
    url: '/runs',
    config: { permission: 'read' },
    schema: { tags: ['runs'], querystring: RunsQuery, response: { 200: RunPage } },
    handler: async (request) => {
      const { limit, cursor, ...filter } = request.query;
      const before = positionOf(AtId, cursor);
      const rows = await listRuns(deps.pool, filter, { before, limit: limit + 1 });
      return page(rows, limit, toRunResponse, (row) => ({ at: row.openedAt, id: row.id }));
    },
  });

  app.route({
    method: 'GET',
    url: '/runs/:run',
    config: { permission: 'read' },
    schema: { tags: ['runs'], params: RunParams, response: { 200: RunDetail } },
    handler: async (request) => detailOf(deps, request.params.run),
  });

  for (const verb of RUN_VERBS)
    app.route({
      method: 'POST',
      url: `/runs/:run/${verb}`,
      config: { permission: 'operate', verb },
      schema: {
        tags: ['runs'],
        params: RunParams,
        headers: KeyHeader,
        body: RunRequest,
        response: { 200: Operation.or(OperationPreview), 202: Operation },
      },
      handler: async (request, reply) => {
        const asked = { ...request.body, run: request.params.run, verb };
        if (request.body.dryRun) return previewOperation(deps, request.actor!, asked);
        const row = await requestOperation(deps, request.actor!, asked, keyOf(request.headers));
        const { status, operation } = answerOf(row);
        return reply.status(status).header('location', `/api/v1/operations/${row.id}`).send(operation);
      },
    });

  app.route({
    method: 'POST',
    url: '/runs/:run/reload',
    config: { permission: 'maintain', verb: 'reload' },
    schema: { tags: ['runs'], params: RunParams, body: RunRequest, response: { 202: RunDetail } },
    handler: async (request, reply) => {
      const { run } = await openContext(deps, request.params.run);
      if (request.body.reason.trim() === '')
        throw new SluiceError('reason_required', 'reload needs a reason', { facts: { verb: 'reload' } });
      authorise(request.actor!, 'reload', null);
      if (!request.body.dryRun) await reloadRun(deps, run.id, request.actor!.name, request.body.reason);
      return reply.status(202).send(await detailOf(deps, run.id));
    },
  });
}

/** Lifts the freeze, then asks the coordinator to begin again from the record (protocol A9). */
async function reloadRun(deps: ServiceDeps, run: string, actor: string, reason: string): Promise<void> {
  await inTransaction(deps.pool, async (client) => {
    await setFrozen(client, run, null);
    await writeAudit(client, { actor, verb: 'reload', run, reason, outcome: 'applied' });
  });
  await deps.reload(run);
}

/** One run with the numbers of its flows. Throws `unknown_run`. */
export async function detailOf(deps: ServiceDeps, id: string): Promise<RunDetail> {
  const [run, counts] = await Promise.all([readShownRun(deps.pool, id), countFlows(deps.pool, id)]);
  if (run === null) throw await unknownRun(deps.pool, id);
  return {
    ...toRunResponse(run),
    flows: counts.flows,
    counts: Object.fromEntries(
      STATES.map((state) => [state, counts.states.get(state) ?? 0]),
    ) as RunDetail['counts'],
    tainted: counts.tainted,
    stale: counts.stale,
    held: counts.held,
    now: run.now,
    log: { seq: run.seq, cursor: run.cursor, exchange: run.exchange },
  };
}

function toRunResponse(row: ListedRun): Run {
  return {
    id: row.id,
    cycle: row.cycle,
    period: row.period,
    purpose: row.purpose,
    number: row.number,
    catalogueVersion: row.catalogueVersion,
    procedures: row.procedures,
    state: row.state,
    paused: row.paused,
    openedBy: row.openedBy,
    openedAt: row.openedAt,
    finishedAt: row.finishedAt,
    closedAt: row.closedAt,
    frozen: row.frozen,
  };
}
