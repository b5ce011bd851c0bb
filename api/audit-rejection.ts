/** Requests of a known actor that were turned away at the door: audited like those that the run refused (protocol B1). */
import type { FastifyRequest } from 'fastify';
import type pg from 'pg';
import type { SluiceError } from '../errors.ts';
import { writeAudit } from '../store/operations/audit.ts';

export async function auditRejection(
  pool: pg.Pool,
  request: FastifyRequest,
  error: SluiceError,
): Promise<void> {
  const verb = request.is404 ? undefined : request.routeOptions.config.verb;
  if (verb === undefined || request.actor === null || error.audited || error.kind.status >= 500) return;
  const { run = null } = (request.params ?? {}) as { run?: string };
  const body = (typeof request.body === 'object' ? request.body : null) as Record<string, unknown> | null;
  await writeAudit(pool, {
    actor: request.actor.name,
    verb,
    run: run === null ? null : clean(run, 200),
    targets: targetsOf(body),
    reason: typeof body?.reason === 'string' ? clean(body.reason, 2_000) : '',
    outcome: 'rejected',
    code: error.code,
    detail: { detail: clean(error.message, 2_000) },
  });
}

/** Reads the targets from a body that no schema has accepted: only what is plainly text. */
function targetsOf(body: Record<string, unknown> | null): string[] {
  const flows = Array.isArray(body?.flows) ? body.flows : [];
  const edges = Array.isArray(body?.edges) ? body.edges : [];
  return [
    ...flows.filter((flow): flow is string => typeof flow === 'string'),
    ...edges.map((edge) => `${String(edge?.from)} -> ${String(edge?.to)}`),
  ]
    .slice(0, 100)
    .map((flow) => clean(flow, 300));
}

const clean = (value: string, max: number): string => value.slice(0, max).replaceAll('\0', '').toWellFormed();
