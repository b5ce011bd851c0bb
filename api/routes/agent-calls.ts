/** The calls of agents: `POST /agents/:agent/<call>`. They carry lists, and an agent calls for itself only (protocol C1). */
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import {
  ClaimAnswer,
  ClaimRequest,
  CompleteAnswer,
  CompleteRequest,
  CorrectionsAnswer,
  CorrectionsRequest,
  HeartbeatAnswer,
  HeartbeatRequest,
  HelloAnswer,
  HelloRequest,
  LeaveAnswer,
  LeaveRequest,
  LogsAnswer,
  LogsRequest,
  StartedAnswer,
  StartedRequest,
} from '../../contract/agent.ts';
import { GivenId } from '../../contract/fields.ts';
import { SluiceError } from '../../errors.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import { reportFromPlatform } from '../../services/rules/corrections.ts';
import type { Actor } from '../../store/operations/actors.ts';
import type { Api } from '../instance.ts';

/** Maximum size of a call, bytes: a thousand results with long messages of 4,000 characters fit, and a megabyte of log in base64. */
const BODY_LIMIT = 16 * 1024 * 1024;

export function agentCallRoutes(app: Api, deps: ServiceDeps): void {
  const { agentCalls: calls } = deps;
  const params = z.object({ agent: GivenId });
  const common = { method: 'POST', config: { permission: 'agent' }, bodyLimit: BODY_LIMIT } as const;
  const tags = ['agents'];

  app.route({
    ...common,
    url: '/agents/:agent/hello',
    schema: { tags, params, body: HelloRequest, response: { 200: HelloAnswer } },
    handler: (request) => {
      requirePlatform(request.actor!, request.body.platform);
      return calls.hello(request.params.agent, request.body);
    },
  });
  app.route({
    ...common,
    url: '/agents/:agent/claim',
    schema: { tags, params, body: ClaimRequest, response: { 200: ClaimAnswer } },
    handler: (request, reply) => {
      requirePlatform(request.actor!, request.body.platform);
      return calls.claim(request.params.agent, request.body, hungUp(reply));
    },
  });
  app.route({
    ...common,
    url: '/agents/:agent/started',
    schema: { tags, params, body: StartedRequest, response: { 200: StartedAnswer } },
    handler: (request) => calls.started(request.params.agent, request.body),
  });
  app.route({
    ...common,
    url: '/agents/:agent/heartbeat',
    schema: { tags, params, body: HeartbeatRequest, response: { 200: HeartbeatAnswer } },
    handler: (request) => calls.heartbeat(request.params.agent, request.body),
  });
  app.route({
    ...common,
    url: '/agents/:agent/complete',
    schema: { tags, params, body: CompleteRequest, response: { 200: CompleteAnswer } },
    handler: (request) => calls.complete(request.params.agent, request.body),
  });
  app.route({
    ...common,
    url: '/agents/:agent/logs',
    schema: { tags, params, body: LogsRequest, response: { 200: LogsAnswer } },
    handler: (request) => calls.logs(request.params.agent, request.body),
  });
  app.route({
    ...common,
    url: '/agents/:agent/corrections',
    schema: { tags, params, body: CorrectionsRequest, response: { 200: CorrectionsAnswer } },
    handler: (request) => reportFromPlatform(deps, request.actor!, request.body.corrections),
  });
  app.route({
    ...common,
    url: '/agents/:agent/leave',
    schema: { tags, params, body: LeaveRequest, response: { 200: LeaveAnswer } },
    handler: async (request) => {
      await calls.leave(request.params.agent, request.body);
      return {};
    },
  });
  app.addHook('preClose', async () => calls.close());
}

/** A signal that is aborted when the connection ends before the answer is sent. */
function hungUp(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort();
  });
  return gone.signal;
}

/** Throws `out_of_scope` when the scope of the agent names platforms, and not this one. */
function requirePlatform(actor: Actor, platform: string): void {
  const { platforms } = actor.scope;
  if (platforms.length === 0 || platforms.includes(platform)) return;
  throw new SluiceError('out_of_scope', `${actor.name} is not an agent of the platform ${platform}`, {
    facts: { actor: actor.name, platform, platforms },
  });
}
