/** All routes, one file a resource. */
import type { ServiceDeps } from '../../services/deps.ts';
import type { Api } from '../instance.ts';
import type { Metrics } from '../metrics.ts';
import { adoptRoutes } from './adopt.ts';
import { agentCallRoutes } from './agent-calls.ts';
import { agentRoutes } from './agents.ts';
import { answerRoutes } from './answers.ts';
import { backfillRoutes } from './backfills.ts';
import { catalogueRoutes } from './catalogue.ts';
import { eventRoutes } from './events.ts';
import { externalEventRoutes } from './external-events.ts';
import { flowRoutes } from './flows.ts';
import { healthRoutes } from './health.ts';
import { lineageRoutes } from './lineage.ts';
import { logRoutes } from './logs.ts';
import { operationRoutes } from './operations.ts';
import { queryRoutes } from './queries.ts';
import { recordRoutes } from './records.ts';
import { rerunPlanRoutes } from './rerun-plans.ts';
import { retentionRoutes } from './retention.ts';
import { retirementRoutes } from './retirement.ts';
import { runRoutes } from './runs.ts';
import { scheduleRoutes } from './schedules.ts';
import { verbRoutes } from './verbs.ts';

export function registerRoutes(app: Api, deps: ServiceDeps, metrics: Metrics): void {
  healthRoutes(app, deps, metrics);
  runRoutes(app, deps);
  adoptRoutes(app, deps);
  flowRoutes(app, deps);
  verbRoutes(app, deps);
  operationRoutes(app, deps);
  rerunPlanRoutes(app, deps);
  answerRoutes(app, deps);
  queryRoutes(app, deps);
  logRoutes(app, deps);
  eventRoutes(app, deps);
  agentRoutes(app, deps);
  catalogueRoutes(app, deps);
  retirementRoutes(app, deps);
  lineageRoutes(app, deps);
  recordRoutes(app, deps);
  retentionRoutes(app, deps);
  scheduleRoutes(app, deps);
  backfillRoutes(app, deps);
  externalEventRoutes(app, deps);
  agentCallRoutes(app, deps);
}
