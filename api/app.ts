/** The API put together: doors (authentication, problems, schemas) first, then one file of routes a resource. */
import { randomBytes } from 'node:crypto';
import swagger from '@fastify/swagger';
import Fastify, { type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import { jsonSchemaTransform, serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { Problem } from '../contract/problem.ts';
import { ERRORS, SluiceError } from '../errors.ts';
import { processLines } from '../logging.ts';
import type { ServiceDeps } from '../services/deps.ts';
import type { Actor } from '../store/operations/actors.ts';
import { auditRejection } from './audit-rejection.ts';
import { createAuthenticator, type Permission, requirePermission } from './auth.ts';
import type { Api, Schemas } from './instance.ts';
import { readJsonBodies, refuseBadQuery } from './json-body.ts';
import { createMetrics } from './metrics.ts';
import { PROBLEM_TYPE, problemOf, toSluiceError } from './problem.ts';
import { registerRoutes } from './routes/index.ts';
import { sendZone } from './zone-header.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Every route says what it demands; one that does not keeps the API from starting. */
    permission?: Permission;
    /** What the audit calls it; every route that changes something has one. */
    verb?: string;
  }
  interface FastifyRequest {
    /** null on public routes only. */
    actor: Actor | null;
  }
}

const FAILURE = {
  description: 'Any failure: `code` is one of docs/errors.md',
  content: { 'application/problem+json': { schema: Problem } },
};

export const PREFIX = '/api/v1';

/** Builds the API; `listen` is the caller's. Throws when a route declares no permission. */
export async function buildApp(deps: ServiceDeps): Promise<Api> {
  const app: Api = Fastify({
    logger: { level: deps.logLevel, redact: ['req.headers.authorization'], stream: processLines },
    // Two log lines for each request cost more than the request of an agent. Failures are logged; the rest is in the metrics.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomBytes(8).toString('hex'),
    requestIdHeader: false,
    bodyLimit: 1_048_576,
    routerOptions: { maxParamLength: 500 },
    // Open streams and long polls are ended by `preClose` handlers; kept-alive connections must not hold up the end.
    forceCloseConnections: 'idle',
    // A request that the parser or the router refuses is answered as a problem, too.
    frameworkErrors: (error, request, reply) => sendProblem(error, request, reply as FastifyReply),
    clientErrorHandler(_error, socket) {
      if (socket.writable) socket.end(rawProblem(randomBytes(8).toString('hex')));
    },
  }).withTypeProvider<Schemas>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.decorateRequest('actor', null);
  // Only JSON is read; anything else is answered with 415.
  app.removeContentTypeParser('text/plain');
  readJsonBodies(app);

  demandDeclarations(app);
  app.addHook('onRoute', (route) => {
    // The OpenAPI document says of every route how it fails.
    if (route.schema !== undefined && route.schema.hide !== true)
      route.schema.response = { ...(route.schema.response as object), default: FAILURE };
  });
  let closing = false;
  app.addHook('preClose', async () => {
    closing = true;
  });
  app.addHook('onSend', async (_request, reply) => {
    if (closing) reply.header('connection', 'close');
  });
  sendZone(app, deps);
  const authenticator = createAuthenticator(deps.pool, deps.notifications);
  app.addHook('onClose', async () => authenticator.close());
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-trace-id', request.id);
    refuseBadQuery(request);
    if (request.is404) return;
    const permission = request.routeOptions.config.permission;
    if (permission === 'public') return;
    if (permission === undefined)
      throw new Error(`no permission is declared for ${request.routeOptions.url}`);
    request.actor = await authenticator.authenticate(request.headers.authorization);
  });
  // After the body was read, so that the audit of a refusal can say what was asked for.
  app.addHook('preValidation', async (request) => {
    const permission = request.routeOptions.config.permission;
    if (request.is404 || permission === 'public') return;
    if (request.actor === null || permission === undefined) throw new Error('nobody was authenticated');
    requirePermission(request.actor, permission, (request.params as { agent?: string }).agent);
  });

  async function sendProblem(
    thrown: unknown,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const error = toSluiceError(thrown);
    const { status } = error.kind;
    if (status >= 500) request.log.error({ err: error.cause ?? error, code: error.code }, 'a request failed');
    else request.log.debug({ code: error.code, detail: error.message }, 'a request was refused');
    await auditRejection(deps.pool, request, error).catch((failed) =>
      request.log.error({ err: failed }, 'a rejected request could not be audited'),
    );
    if (error.code === 'unauthenticated') reply.header('www-authenticate', 'Bearer');
    if (error.kind.retryable) reply.header('retry-after', '1');
    return reply
      .status(status)
      .header('content-type', PROBLEM_TYPE)
      .serializer(JSON.stringify)
      .send(problemOf(error, request));
  }
  app.setErrorHandler(sendProblem);
  app.setNotFoundHandler((request, reply) => {
    const url = request.url.slice(0, 200);
    return sendProblem(
      new SluiceError('unknown_route', `there is no route ${request.method} ${url}`),
      request,
      reply,
    );
  });

  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Sluice',
        version: '1',
        description: 'Flows of a data warehouse: run, pass, rerun, explain.',
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
  });
  const metrics = createMetrics(app, deps);
  await app.register(async (scope) => registerRoutes(scope.withTypeProvider<Schemas>(), deps, metrics), {
    prefix: PREFIX,
  });
  await app.ready();
  return app;
}

/** Refuses to start with a route that declares no permission, or that changes something and has no name for the audit. */
export function demandDeclarations(app: Pick<Api, 'addHook'>): void {
  app.addHook('onRoute', (route) => {
    const methods = [route.method].flat();
    if (route.config?.permission === undefined)
      throw new Error(`${methods.join()} ${route.url} declares no permission`);
    const changes = methods.some((method) => !['GET', 'HEAD', 'OPTIONS'].includes(method));
    if (changes && route.config.permission !== 'agent' && route.config.verb === undefined)
      throw new Error(`${methods.join()} ${route.url} declares no verb for the audit`);
  });
}

/** For what is not even HTTP: the same shape, written by hand. */
function rawProblem(id: string): string {
  const error = new SluiceError('invalid_request', 'the request is not valid HTTP/1.1');
  const body = JSON.stringify(problemOf(error, { id, url: '', headers: {} }));
  const { status } = ERRORS.invalid_request;
  return `HTTP/1.1 ${status} Bad Request\r\nContent-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
}
