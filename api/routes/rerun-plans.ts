/** Rerun by plan: make one, look at it, apply it. */

import { KeyHeader, Operation } from '../../contract/operations.ts';
import { Plan, PlanApply, PlanParams, PlanRequest } from '../../contract/rerun-plans.ts';
import { RunParams } from '../../contract/runs.ts';
import { SluiceError } from '../../errors.ts';
import { writtenInstant } from '../../services/catalogue/display-zone.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import { requestInRuns } from '../../services/operations/request-in-runs.ts';
import { answerOf, keyOf, requestOperation } from '../../services/operations/request-operation.ts';
import type { PlanImpact } from '../../services/rerun/rerun-impact.ts';
import { makePlan } from '../../services/rerun/rerun-plan.ts';
import { openContext } from '../../services/runs/find.ts';
import { isKnownKey } from '../../store/operations/operations.ts';
import { markApplied, readPlan } from '../../store/operations/rerun-plans.ts';
import type { Api } from '../instance.ts';

type Shown = Omit<Plan, 'id' | 'run' | 'actor' | 'hash' | 'createdAt' | 'expiresAt' | 'appliedBy'>;

/** Stands for the impact of a plan that was stored by an older version, which did not record it. */
const NOT_SAID: PlanImpact = {
  estimate: { ms: 0, endsAt: 0, path: [], origins: {}, persons: [] },
  overwrites: [],
  keysHit: [],
  deadlines: [],
  untouched: [],
  runAnyway: [],
};

export function rerunPlanRoutes(app: Api, deps: ServiceDeps): void {
  app.route({
    method: 'POST',
    url: '/runs/:run/rerun-plans',
    config: { permission: 'operate', verb: 'plan-rerun' },
    schema: { tags: ['rerun'], params: RunParams, body: PlanRequest, response: { 201: Plan } },
    handler: async (request, reply) => {
      const plan = await makePlan(deps, request.actor!, request.params.run, request.body);
      reply.status(201).header('location', `/api/v1/runs/${plan.run}/rerun-plans/${plan.id}`);
      return plan;
    },
  });

  app.route({
    method: 'GET',
    url: '/runs/:run/rerun-plans/:plan',
    config: { permission: 'read' },
    schema: { tags: ['rerun'], params: PlanParams, response: { 200: Plan } },
    handler: async (request) => {
      const { run } = await openContext(deps, request.params.run);
      const {
        shown,
        plan: _plan,
        together: _together,
        expired: _expired,
        ...rest
      } = await readPlan<Shown>(deps.pool, run.id, request.params.plan);
      const { estimate, correction = null } = shown as Partial<Shown>;
      return { ...shown, ...(estimate === undefined ? NOT_SAID : {}), correction, ...rest };
    },
  });

  app.route({
    method: 'POST',
    url: '/runs/:run/rerun-plans/:plan/apply',
    config: { permission: 'operate', verb: 'rerun' },
    schema: {
      tags: ['rerun'],
      params: PlanParams,
      headers: KeyHeader,
      body: PlanApply,
      response: { 200: Operation, 202: Operation },
    },
    handler: async (request, reply) => {
      const { run } = await openContext(deps, request.params.run);
      const actor = request.actor!;
      const stored = await readPlan<Shown>(deps.pool, run.id, request.params.plan);
      // A plan can be applied once: the same person applying it again asks for the same outcome.
      const key = keyOf(request.headers, `rerun-plan:${stored.id}`);
      // The caller that applied it may ask for the answer again (protocol B1); only a new application can come too late.
      const repeated = await isKnownKey(deps.pool, actor.name, key);
      if (stored.expired && !repeated)
        throw new SluiceError(
          'plan_expired',
          `the plan ${stored.id} expired at ${await writtenInstant(deps, stored.expiresAt)}`,
          {
            facts: { plan: stored.id, expiresAt: stored.expiresAt },
          },
        );
      const { plan, together } = stored;
      const { reason } = request.body;
      const row =
        together.length > 0
          ? await requestInRuns(
              deps,
              actor,
              together.map((part) => ({ ...part, verb: 'rerun', reason })),
              key,
            )
          : await requestOperation(deps, actor, { run: run.id, verb: 'rerun', plan, reason }, key);
      if (row.state === 'applied') await markApplied(deps.pool, stored.id, actor.name);
      const { status, operation } = answerOf(row);
      reply.status(status).header('location', `/api/v1/operations/${row.id}`);
      return operation;
    },
  });
}
