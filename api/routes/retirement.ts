/** What there is to know of a flow before it is retired. */

import { Retirement, RetirementParams } from '../../contract/retirement.ts';
import { retirementSheet } from '../../services/catalogue/retirement.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import type { Api } from '../instance.ts';

export function retirementRoutes(app: Api, deps: ServiceDeps): void {
  app.route({
    method: 'GET',
    url: '/flows/:flow/retirement',
    config: { permission: 'read' },
    schema: { tags: ['catalogue'], params: RetirementParams, response: { 200: Retirement } },
    handler: async (request) => retirementSheet(deps, request.params.flow),
  });
}
