/** Every verb for flows and edges: `POST /runs/:run/<verb>`, made from the table of graph/verbs.ts. */
import type { FastifyReply } from 'fastify';
import { EDGE_VERBS, FLOW_VERBS, VERBS } from '../../graph/verbs.ts';
import type { Actor } from '../../store/actors.ts';
import { answerOf, ask, foreseeWish, keyOf, type Wish } from '../ask.ts';
import type { Permission } from '../auth.ts';
import type { Api, ApiDeps } from '../deps.ts';
import { EdgeRequest, FlowRequest, Foreseen, KeyHeader, Operation } from '../schemas/operations.ts';
import { RunParams } from '../schemas/runs.ts';
import { VerbList } from '../schemas/verbs.ts';

/** Whoever holds the role of a gate says what it waits for; the run itself checks which role (protocol E). */
export function permissionOf(verb: string): Permission {
  return verb === 'confirm' || verb === 'reject' || verb === 'withdraw' ? 'confirm' : 'operate';
}

const common = {
  params: RunParams,
  headers: KeyHeader,
  response: { 200: Operation.or(Foreseen), 202: Operation },
};

export function verbRoutes(app: Api, deps: ApiDeps): void {
  for (const verb of FLOW_VERBS)
    app.route({
      method: 'POST',
      url: `/runs/:run/${verb}`,
      config: { permission: permissionOf(verb), verb },
      schema: { tags: ['verbs'], ...common, body: FlowRequest },
      handler: (request, reply) =>
        carryOut(deps, request.actor!, { ...request.body, run: request.params.run, verb }, request, reply),
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
      items: [...VERBS.values()].map((rule) => ({
        ...rule,
        allowedIn: [...rule.allowedIn],
        withSupersede: [...rule.withSupersede],
      })),
    }),
  });
}

/** One call of a verb, from the body to the answer: foreseen with `dryRun`, otherwise logged and awaited. */
export async function carryOut(
  deps: ApiDeps,
  actor: Actor,
  wish: Wish & { readonly dryRun?: boolean },
  request: { readonly headers: { 'idempotency-key'?: string | undefined } },
  reply: FastifyReply,
  otherKey?: string,
): Promise<Operation | Foreseen> {
  if (wish.dryRun === true) return foreseeWish(deps, actor, wish);
  const row = await ask(deps, actor, wish, keyOf(request.headers, otherKey));
  const { status, operation } = answerOf(row);
  reply.status(status).header('location', `/api/v1/operations/${row.id}`);
  return operation;
}
