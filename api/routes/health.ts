/** Whether this process lives, whether it can serve, and its numbers. */
import { z } from 'zod';
import { SluiceError } from '../../errors.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import { newestVersion } from '../../store/catalogue/catalogue.ts';
import type { Api } from '../instance.ts';
import type { Metrics } from '../metrics.ts';

export function healthRoutes(app: Api, deps: ServiceDeps, metrics: Metrics): void {
  app.route({
    method: 'GET',
    url: '/healthz',
    config: { permission: 'public' },
    schema: { tags: ['health'], response: { 200: z.object({ ok: z.literal(true) }) } },
    handler: async () => ({ ok: true as const }),
  });

  app.route({
    method: 'GET',
    url: '/readyz',
    config: { permission: 'public' },
    schema: {
      tags: ['health'],
      response: {
        200: z.object({
          ok: z.literal(true),
          catalogueVersion: z.int().nullable(),
          /** Why logs of attempts cannot be stored here; null: they can. */
          logsTrouble: z.string().nullable(),
        }),
      },
    },
    handler: async () => {
      try {
        const catalogueVersion = await newestVersion(deps.pool);
        return { ok: true as const, catalogueVersion, logsTrouble: deps.logs.trouble() };
      } catch (cause) {
        throw new SluiceError('not_ready', 'the database does not answer', {
          cause,
          facts: { missing: ['database'] },
        });
      }
    },
  });

  app.route({
    method: 'GET',
    url: '/metrics',
    config: { permission: 'read' },
    schema: { tags: ['health'], response: { 200: z.string() } },
    handler: async (_request, reply) => {
      const text = await metrics.render();
      return reply
        .header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
        .serializer(String)
        .send(text);
    },
  });

  app.route({
    method: 'GET',
    url: '/openapi.json',
    config: { permission: 'public' },
    schema: { hide: true },
    handler: async (_request, reply) =>
      reply
        .header('content-type', 'application/json; charset=utf-8')
        .serializer(JSON.stringify)
        .send(app.swagger()),
  });
}
