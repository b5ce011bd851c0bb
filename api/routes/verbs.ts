/** Every verb for flows and edges: `POST /runs/:run/<verb>`, made from the table of graph/verbs/verbs.ts. */
import type { FastifyReply } from 'fastify';
import { EdgeRequest, FlowRequest, Foreseen, KeyHeader, Operation } from '../../contract/operations.ts';
import { RunParams } from '../../contract/runs.ts';
import { VerbList } from '../../contract/verbs.ts';
import { SluiceError } from '../../errors.ts';
import { EDGE_VERBS, FLOW_VERBS, VERBS } from '../../graph/verbs/verbs.ts';
import type { ApiDeps } from '../../services/deps.ts';
import { answerOf, ask, foreseeWish, keyOf, type Wish } from '../../services/operations/ask.ts';
import { askTogether } from '../../services/operations/ask-together.ts';
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
  response: { 200: Operation.or(Foreseen), 202: Operation },
};

export function verbRoutes(app: Api, deps: ApiDeps): void {
  for (const verb of FLOW_VERBS)
    app.route({
      method: 'POST',
      url: `/runs/:run/${verb}`,
      config: { permission: permissionOf(verb), verb },
      schema: { tags: ['verbs'], ...common, body: FlowRequest },
      handler: (request, reply) => {
        const { otherRuns, ...body } = request.body;
        const wish = { ...body, run: request.params.run, verb };
        return otherRuns.length === 0
          ? carryOut(deps, request.actor!, wish, request, reply)
          : inAllRuns(deps, request.actor!, wish, otherRuns, request, reply);
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
  deps: ApiDeps,
  actor: Actor,
  wish: Wish & { readonly dryRun: boolean },
  others: readonly { readonly run: string; readonly flows: readonly string[] }[],
  request: { readonly headers: { 'idempotency-key'?: string | undefined } },
  reply: FastifyReply,
): Promise<Operation | Foreseen> {
  const wishes = [wish, ...others.map((other) => ({ ...wish, ...other }))];
  const wrong =
    wish.verb !== 'force-pass' ||
    wish.partial === true ||
    new Set(wishes.map((wish) => wish.run)).size < wishes.length;
  if (wrong)
    throw new SluiceError('invalid_request', 'otherRuns is for force-pass without partial, each run once', {
      facts: { errors: [{ in: 'body', pointer: '/otherRuns', detail: 'not possible here' }] },
    });
  if (wish.dryRun) {
    const answers = [];
    for (const it of wishes) answers.push(await foreseeWish(deps, actor, it));
    return answers.find((answer) => answer.state !== 'applied') ?? answers[0]!;
  }
  const row = await askTogether(deps, actor, wishes, keyOf(request.headers));
  const { status, operation } = answerOf(row);
  reply.status(status).header('location', `/api/v1/operations/${row.id}`);
  return operation;
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
