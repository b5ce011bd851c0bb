/** Operations: listed, shown, and approved or refused by a second person (protocol B4). */

import {
  Judgement,
  Keyed,
  KeyParams,
  Operation,
  OperationPage,
  OperationParams,
  OperationsQuery,
} from '../../contract/operations.ts';
import type { Flow } from '../../graph/model.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import { authorise } from '../../services/operations/actor-scope.ts';
import { answerOf, toResponse, waitForOutcome } from '../../services/operations/request-operation.ts';
import type { Actor } from '../../store/operations/actors.ts';
import { readKeyed } from '../../store/operations/keys.ts';
import type { OperationRow } from '../../store/operations/operation-rows.ts';
import {
  approveOperation,
  listOperations,
  operationsTogether,
  readOperation,
  refuseOperation,
} from '../../store/operations/operations.ts';
import { approveTogether, type Part } from '../../store/operations/operations-together.ts';
import { requirePermission } from '../auth.ts';
import type { Api } from '../instance.ts';
import { AtId, page, positionOf } from '../paging.ts';
import { permissionOf } from './verbs.ts';

export function operationRoutes(app: Api, deps: ServiceDeps): void {
  app.route({
    method: 'GET',
    url: '/operations',
    config: { permission: 'read' },
    schema: { tags: ['operations'], querystring: OperationsQuery, response: { 200: OperationPage } },
    handler: async (request) => {
      const { limit, cursor, ...filter } = request.query;
      const before = positionOf(AtId, cursor);
      const rows = await listOperations(deps.pool, filter, { before, limit: limit + 1 });
      return page(rows, limit, toResponse, (row) => ({ at: row.requestedAt, id: row.id }));
    },
  });

  app.route({
    method: 'GET',
    url: '/operations/:operation',
    config: { permission: 'read' },
    schema: { tags: ['operations'], params: OperationParams, response: { 200: Operation } },
    handler: async (request) => toResponse(await readOperation(deps.pool, request.params.operation)),
  });

  app.route({
    method: 'GET',
    url: '/keys/:key',
    config: { permission: 'read' },
    schema: { tags: ['operations'], params: KeyParams, response: { 200: Keyed } },
    handler: async (request) => {
      const { key } = request.params;
      const { operation, ...others } = await readKeyed(deps.pool, request.actor!.name, key);
      return { key, operation: operation === null ? null : toResponse(operation), ...others };
    },
  });

  app.route({
    method: 'POST',
    url: '/operations/:operation/approve',
    config: { permission: 'confirm', verb: 'approve' },
    schema: {
      tags: ['operations'],
      params: OperationParams,
      body: Judgement,
      response: { 200: Operation, 202: Operation },
    },
    handler: async (request, reply) => {
      const actor = request.actor!;
      const asked = await readOperation(deps.pool, request.params.operation);
      await requireSameRight(deps, actor, asked);
      const approver = { name: actor.name, ...request.body };
      const rows =
        asked.together === null
          ? [await approveOperation(deps.pool, asked.id, approver)]
          : await approveTogether(deps.pool, asked, approver, (row) => partOf(deps, row));
      const outcomes = await Promise.all(rows.map((row) => waitForOutcome(deps, row)));
      const { status, operation } = answerOf(outcomes.find((row) => row.id === asked.id)!);
      return reply.status(status).header('location', `/api/v1/operations/${asked.id}`).send(operation);
    },
  });

  app.route({
    method: 'POST',
    url: '/operations/:operation/refuse',
    config: { permission: 'confirm', verb: 'refuse' },
    schema: { tags: ['operations'], params: OperationParams, body: Judgement, response: { 200: Operation } },
    handler: async (request) => {
      const actor = request.actor!;
      const asked = await readOperation(deps.pool, request.params.operation);
      await requireSameRight(deps, actor, asked);
      return toResponse(await refuseOperation(deps.pool, asked.id, { name: actor.name, ...request.body }));
    },
  });
}

async function partOf(deps: ServiceDeps, row: OperationRow): Promise<Part> {
  const { roles, ...request } = row.body;
  const context = await deps.contextOf(row.run);
  return {
    run: row.run,
    actor: row.actor,
    key: row.id,
    roles,
    request,
    context,
    graceMs: deps.graceMs,
  };
}

/** Throws unless the actor who judges a request may make it, in each of its runs. */
async function requireSameRight(deps: ServiceDeps, actor: Actor, asked: OperationRow): Promise<void> {
  for (const row of await operationsTogether(deps.pool, asked)) await requireRight(deps, actor, row);
}

async function requireRight(deps: ServiceDeps, actor: Actor, row: OperationRow): Promise<void> {
  requirePermission(actor, permissionOf(row.verb), undefined);
  const { version } = await deps.contextOf(row.run);
  const { flows, edges, plan } = row.body;
  const targets = [
    ...flows,
    ...edges.map((edge) => edge.to),
    ...(plan?.members ?? []).map((member) => member.flow),
  ];
  const found = targets
    .map((id) => version.flows.get(id))
    .filter((entry): entry is Flow => entry !== undefined);
  authorise(actor, row.verb, targets.length === 0 ? null : found);
}
