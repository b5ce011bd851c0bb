/** Corrections of tables: reported once for each key, listed, and shown with what has to be redone because of them. */
import {
  CorrectionAnswer,
  CorrectionPage,
  CorrectionParams,
  CorrectionPlanRequest,
  CorrectionsQuery,
  ReportCorrection,
} from '../../contract/corrections.ts';
import { KeyHeader } from '../../contract/operations.ts';
import { Plan } from '../../contract/rerun-plans.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import { keyOf } from '../../services/operations/request-operation.ts';
import { meaningOf, planCorrection, reportCorrection, toResponse } from '../../services/rules/corrections.ts';
import { listCorrections, readCorrection } from '../../store/rules/corrections.ts';
import type { Api } from '../instance.ts';
import { AtId, page, positionOf } from '../paging.ts';

const tags = ['corrections'];

export function correctionRoutes(app: Api, deps: ServiceDeps): void {
  app.route({
    method: 'POST',
    url: '/corrections',
    config: { permission: 'operate', verb: 'correct' },
    schema: { tags, headers: KeyHeader, body: ReportCorrection, response: { 200: CorrectionAnswer } },
    handler: (request) => reportCorrection(deps, request.actor!, request.body, keyOf(request.headers)),
  });

  app.route({
    method: 'GET',
    url: '/corrections',
    config: { permission: 'read' },
    schema: { tags, querystring: CorrectionsQuery, response: { 200: CorrectionPage } },
    handler: async (request) => {
      const { limit, cursor, ...filter } = request.query;
      const before = positionOf(AtId, cursor);
      const rows = await listCorrections(deps.pool, filter, { before, limit: limit + 1 });
      return page(rows, limit, toResponse, ({ at, id }) => ({ at, id }));
    },
  });

  app.route({
    method: 'GET',
    url: '/corrections/:correction',
    config: { permission: 'read' },
    schema: { tags, params: CorrectionParams, response: { 200: CorrectionAnswer } },
    handler: async (request) => meaningOf(deps, await readCorrection(deps.pool, request.params.correction)),
  });

  app.route({
    method: 'POST',
    url: '/corrections/:correction/rerun-plans',
    config: { permission: 'operate', verb: 'plan-rerun' },
    schema: { tags, params: CorrectionParams, body: CorrectionPlanRequest, response: { 201: Plan } },
    handler: async (request, reply) => {
      const plan = await planCorrection(deps, request.actor!, request.params.correction, request.body);
      reply.status(201).header('location', `/api/v1/runs/${plan.run}/rerun-plans/${plan.id}`);
      return plan;
    },
  });
}
