/** The type of the Fastify instance that files of routes register on. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance, FastifyTypeProvider, RawServerDefault } from 'fastify';
import type { z } from 'zod';
import type { Infer } from '../contract/fields.ts';

/** Types of requests and answers come from their schemas, read-only: an answer is sent as it is, without copies. */
export interface Schemas extends FastifyTypeProvider {
  validator: this['schema'] extends z.ZodType ? Infer<this['schema']> : unknown;
  serializer: this['schema'] extends z.ZodType ? Infer<this['schema']> : unknown;
}

export type Api = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  Schemas
>;
