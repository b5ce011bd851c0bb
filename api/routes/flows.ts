/** Flows of a run: list with filters, detail, attempts, logs. */
import { z } from 'zod';
import { type Infer, PageQuery } from '../../contract/fields.ts';
import { AttemptPage, FlowDetail, FlowPage, FlowParams, FlowsQuery } from '../../contract/flows.ts';
import { RunParams } from '../../contract/runs.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import { flowOfRun, openContext, unknownRun } from '../../services/runs/find.ts';
import { flowDetail } from '../../services/runs/flow-detail.ts';
import { flagsOf, toFlowResponse } from '../../services/runs/flow-view.ts';
import { readAttempts, readFirstFlowStates } from '../../store/history/flows.ts';
import { readShownRun } from '../../store/history/runs.ts';
import type { RunContext } from '../../store/record/run-context.ts';
import type { Api } from '../instance.ts';
import { cursorOf, page, positionOf } from '../paging.ts';

type Query = Infer<typeof FlowsQuery>;

export function flowRoutes(app: Api, deps: ServiceDeps): void {
  app.route({
    method: 'GET',
    url: '/runs/:run/flows',
    config: { permission: 'read' },
    schema: { tags: ['flows'], params: RunParams, querystring: FlowsQuery, response: { 200: FlowPage } },
    handler: async (request) => {
      const context = await openContext(deps, request.params.run);
      return listFlows(deps, context, request.query);
    },
  });

  app.route({
    method: 'GET',
    url: '/runs/:run/flows/:flow',
    config: { permission: 'read' },
    schema: { tags: ['flows'], params: FlowParams, response: { 200: FlowDetail } },
    handler: async (request) => flowDetail(deps, request.params.run, request.params.flow),
  });

  app.route({
    method: 'GET',
    url: '/runs/:run/flows/:flow/attempts',
    config: { permission: 'read' },
    schema: {
      tags: ['flows'],
      params: FlowParams,
      querystring: z.strictObject(PageQuery),
      response: { 200: AttemptPage },
    },
    handler: async (request) => {
      const context = await openContext(deps, request.params.run);
      const flow = flowOfRun(context, request.params.flow);
      const { limit, cursor } = request.query;
      const after = positionOf(z.int().min(0), cursor) ?? 0;
      const rows = await readAttempts(deps.pool, context.run.id, flow.id, { after, limit: limit + 1 });
      return page(
        rows,
        limit,
        (row) => row,
        (row) => row.n,
      );
    },
  });
}

/** Flows in the order of the graph, upstream first. Filters by the catalogue come first, so that the record is asked about fewer flows. */
async function listFlows(
  deps: ServiceDeps,
  context: RunContext,
  query: Query,
): Promise<Infer<typeof FlowPage>> {
  const { graph } = context;
  const after = positionOf(z.string().max(200), query.cursor);
  const from = after === null ? 0 : (context.index.get(after) ?? -1) + 1;
  const matches = filterOf(context, query);
  // Without a filter on what the record holds, the flows of the page are known before it is asked.
  const byRecord = query.state !== undefined || query.flag !== undefined;
  const limit = byRecord ? graph.n : query.limit + 1;
  const asked: string[] = [];
  for (let v = from; v < graph.n && asked.length < limit; v++)
    if (matches(graph.ids[v]!)) asked.push(graph.ids[v]!);
  const rows = await readFirstFlowStates(deps.pool, context.run.id, asked, {
    states: query.state ?? null,
    keep: (row) => query.flag === undefined || query.flag.some((flag) => flagsOf(row).includes(flag)),
    limit: query.limit + 1,
  });
  // This process may still know a run that was archived meanwhile.
  if (rows.length === 0 && asked.length > 0 && (await readShownRun(deps.pool, context.run.id)) === null)
    throw await unknownRun(deps.pool, context.run.id);
  const kept = rows.slice(0, query.limit);
  return {
    items: kept.map((row) => toFlowResponse(context.flow(row.flow), row)),
    nextCursor: rows.length > query.limit ? cursorOf(kept.at(-1)!.flow) : null,
  };
}

function filterOf(context: RunContext, query: Query): (id: string) => boolean {
  const one = <T>(wanted: readonly T[] | undefined, value: T | undefined): boolean =>
    wanted === undefined || (value !== undefined && wanted.includes(value));
  const { kind, layer, procedure, platform } = query;
  const q = query.q?.toLowerCase();
  if ([kind, layer, procedure, platform, q].every((entry) => entry === undefined)) return () => true;
  return (id) => {
    const flow = context.flow(id);
    return (
      one(kind, flow.kind) &&
      one(layer, flow.layer) &&
      one(procedure, flow.procedure) &&
      one(platform, flow.platform) &&
      (q === undefined ||
        [id, flow.names.en, flow.names.zh, ...flow.aliases].some((name) => name.toLowerCase().includes(q)))
    );
  };
}
