/** Every verb for flows and edges: `POST /runs/:run/<verb>`, made from the table of graph/verbs/verbs.ts. */
import type { FastifyReply } from 'fastify';
import {
  EdgeRequest,
  FlowRequest,
  KeyHeader,
  Operation,
  OperationPreview,
} from '../../contract/operations.ts';
import { RunParams } from '../../contract/runs.ts';
import { VerbList } from '../../contract/verbs.ts';
import { SluiceError } from '../../errors.ts';
import { EDGE_VERBS, FLOW_VERBS, VERBS } from '../../graph/verbs/verbs.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import { requestInRuns } from '../../services/operations/request-in-runs.ts';
import {
  answerOf,
  keyOf,
  previewOperation,
  requestOperation,
  type VerbRequest,
} from '../../services/operations/request-operation.ts';
import type { Actor } from '../../store/operations/actors.ts';
import type { Permission } from '../auth.ts';
import type { Api } from '../instance.ts';

/** A holder of the role of a gate says what the gate waits for; the run itself checks which role (protocol E). */
export function permissionOf(verb: string): Permission {
  return verb === 'confirm' || verb === 'reject' || verb === 'withdraw' ? 'confirm' : 'operate';
}

const common = {
  params: RunParams,
  headers: KeyHeader,
  response: { 200: Operation.or(OperationPreview), 202: Operation },
};

export function verbRoutes(app: Api, deps: ServiceDeps): void {
  for (const verb of FLOW_VERBS)
    app.route({
      method: 'POST',
      url: `/runs/:run/${verb}`,
      config: { permission: permissionOf(verb), verb },
      schema: { tags: ['verbs'], ...common, body: FlowRequest },
      handler: (request, reply) => {
        const { otherRuns, ...body } = request.body;
        const asked = { ...body, run: request.params.run, verb };
        return otherRuns.length === 0
          ? carryOut(deps, request.actor!, asked, request, reply)
          : inAllRuns(deps, request.actor!, asked, otherRuns, request, reply);
      },
    });

  for (const verb of EDGE_VERBS)
    app.route({
      method: 'POST',
      url: `/runs/:run/${verb}`,
      config: { permission: 'operate', verb },
      schema: { tags: ['verbs'], ...common, body: EdgeRequest },
      handler: (request, reply) =>
        carryOut(deps, request.actor!, { ...request.body, run: request.params.run, verb }, request, reply),
    });

  app.route({
    method: 'GET',
    url: '/verbs',
    config: { permission: 'read' },
    schema: { tags: ['verbs'], response: { 200: VerbList } },
    handler: async () => ({
      items: [...VERBS.values()],
    }),
  });
}

/** The verb on flows of several runs: in all of them or in none. Force-pass only; throws `invalid_request` for the others. */
async function inAllRuns(
  deps: ServiceDeps,
  actor: Actor,
  asked: VerbRequest & { readonly dryRun: boolean },
  others: readonly { readonly run: string; readonly flows: readonly string[] }[],
  request: { readonly headers: { 'idempotency-key'?: string | undefined } },
  reply: FastifyReply,
): Promise<Operation | OperationPreview> {
  const requests = [asked, ...others.map((other) => ({ ...asked, ...other }))];
  const wrong =
    asked.verb !== 'force-pass' ||
    asked.partial === true ||
    new Set(requests.map((one) => one.run)).size < requests.length;
  if (wrong)
    throw new SluiceError('invalid_request', 'otherRuns is for force-pass without partial, each run once', {
      facts: { errors: [{ in: 'body', pointer: '/otherRuns', detail: 'not possible here' }] },
    });
  if (asked.dryRun) {
    const answers = [];
    for (const one of requests) answers.push(await previewOperation(deps, actor, one));
    return answers.find((answer) => answer.state !== 'applied') ?? answers[0]!;
  }
  const row = await requestInRuns(deps, actor, requests, keyOf(request.headers));
  const { status, operation } = answerOf(row);
  reply.status(status).header('location', `/api/v1/operations/${row.id}`);
  return operation;
}

/** One call of a verb, from the body to the answer: foreseen with `dryRun`, otherwise logged and awaited. */
export async function carryOut(
  deps: ServiceDeps,
  actor: Actor,
  asked: VerbRequest & { readonly dryRun?: boolean },
  request: { readonly headers: { 'idempotency-key'?: string | undefined } },
  reply: FastifyReply,
  otherKey?: string,
): Promise<Operation | OperationPreview> {
  if (asked.dryRun === true) return previewOperation(deps, actor, asked);
  const row = await requestOperation(deps, actor, asked, keyOf(request.headers, otherKey));
  const { status, operation } = answerOf(row);
  reply.status(status).header('location', `/api/v1/operations/${row.id}`);
  return operation;
}
