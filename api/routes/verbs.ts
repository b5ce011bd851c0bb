/** Every verb for flows and edges: `POST /runs/:run/<verb>`, made from the table of graph/verbs/verbs.ts. */
import type { FastifyReply } from 'fastify';
import type { Infer } from '../../contract/fields.ts';
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
import type { OperationRow } from '../../store/operations/operation-rows.ts';
import type { Permission } from '../auth.ts';
import type { Api } from '../instance.ts';

/** The right that a verb needs here. For confirm, reject and withdraw the run itself checks that the actor has the role of the gate (protocol E1). */
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
          ? inOneRun(deps, callOf(request, reply), asked)
          : inAllRuns(deps, callOf(request, reply), asked, otherRuns);
      },
    });

  for (const verb of EDGE_VERBS)
    app.route({
      method: 'POST',
      url: `/runs/:run/${verb}`,
      config: { permission: 'operate', verb },
      schema: { tags: ['verbs'], ...common, body: EdgeRequest },
      handler: (request, reply) =>
        inOneRun(deps, callOf(request, reply), { ...request.body, run: request.params.run, verb }),
    });

  app.route({
    method: 'GET',
    url: '/verbs',
    config: { permission: 'read' },
    schema: { tags: ['verbs'], response: { 200: VerbList } },
    handler: async () => ({ items: [...VERBS.values()] }),
  });
}

/** A call: who asks, under which idempotency key, and the reply that gets the answer. */
interface Call {
  readonly actor: Actor;
  readonly key: string;
  readonly reply: FastifyReply;
}

const callOf = (
  { actor, headers }: { readonly actor: Actor | null; readonly headers: Infer<typeof KeyHeader> },
  reply: FastifyReply,
): Call => ({ actor: actor!, key: keyOf(headers), reply });

type Asked = VerbRequest & { readonly dryRun: boolean };

/** The verb on flows or edges of one run: previewed with `dryRun`, otherwise logged and awaited. */
async function inOneRun(
  deps: ServiceDeps,
  { actor, key, reply }: Call,
  asked: Asked,
): Promise<Operation | OperationPreview> {
  if (asked.dryRun) return previewOperation(deps, actor, asked);
  return answered(await requestOperation(deps, actor, asked, key), reply);
}

/** The verb on flows of several runs: in all of them or in none. Force-pass only; throws `invalid_request` for the others. */
async function inAllRuns(
  deps: ServiceDeps,
  { actor, key, reply }: Call,
  asked: Asked,
  others: readonly { readonly run: string; readonly flows: readonly string[] }[],
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
  return answered(await requestInRuns(deps, actor, requests, key), reply);
}

function answered(row: OperationRow, reply: FastifyReply): Operation {
  const { status, operation } = answerOf(row);
  reply.status(status).header('location', `/api/v1/operations/${row.id}`);
  return operation;
}
