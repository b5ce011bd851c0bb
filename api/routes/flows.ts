/** Flows of a run: list with filters, detail, attempts, logs. */
import { z } from 'zod';
import { readAttempts, readFlowStates } from '../../store/flows.ts';
import type { RunContext } from '../../store/run-context.ts';
import { readShownRun } from '../../store/runs.ts';
import type { Api, ApiDeps } from '../deps.ts';
import { flowOfRun, openContext, unknownRun } from '../find.ts';
import { flowDetail } from '../flow-detail.ts';
import { flagsOf, shownFlow } from '../flow-view.ts';
import { cursorOf, page, positionOf } from '../paging.ts';
import { PageQuery } from '../schemas/fields.ts';
import { AttemptPage, FlowDetail, FlowPage, FlowParams, FlowsQuery } from '../schemas/flows.ts';
import { RunParams } from '../schemas/runs.ts';

type Query = z.infer<typeof FlowsQuery>;

export function flowRoutes(app: Api, deps: ApiDeps): void {
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

/** In the order of the graph, upstream first. What the catalogue knows filters before the record is asked. */
async function listFlows(
  deps: ApiDeps,
  context: RunContext,
  query: Query,
): Promise<z.infer<typeof FlowPage>> {
  const { graph } = context;
  const after = positionOf(z.string().max(200), query.cursor);
  const from = after === null ? 0 : (context.index.get(after) ?? -1) + 1;
  const matches = filterOf(context, query);
  const candidates = graph.ids.slice(from).filter(matches);
  const byRecord = query.state !== undefined || query.flag !== undefined;
  // Without a filter on the record the page is known before it is asked.
  const asked = byRecord ? candidates : candidates.slice(0, query.limit + 1);
  const rows = await readFlowStates(deps.pool, context.run.id, asked, query.state ?? null);
  // A run that this process still knows may have gone into the archive.
  if (rows.length === 0 && asked.length > 0 && (await readShownRun(deps.pool, context.run.id)) === null)
    throw await unknownRun(deps.pool, context.run.id);
  const found = new Map(
    rows
      .filter((row) => query.flag === undefined || query.flag.some((flag) => flagsOf(row).includes(flag)))
      .map((row) => [row.flow, row]),
  );
  const ids = asked.filter((id) => found.has(id));
  const kept = ids.slice(0, query.limit);
  return {
    items: kept.map((id) => shownFlow(context.flow(id), found.get(id)!)),
    nextCursor: ids.length > query.limit ? cursorOf(kept.at(-1)) : null,
  };
}

function filterOf(context: RunContext, query: Query): (id: string) => boolean {
  const one = <T>(wanted: readonly T[] | undefined, value: T | undefined): boolean =>
    wanted === undefined || (value !== undefined && wanted.includes(value));
  const q = query.q?.toLowerCase();
  return (id) => {
    const flow = context.flow(id);
    return (
      one(query.kind, flow.kind) &&
      one(query.layer, flow.layer) &&
      one(query.procedure, flow.procedure) &&
      one(query.platform, flow.platform) &&
      (q === undefined ||
        [id, flow.names.en, flow.names.zh, ...flow.aliases].some((name) => name.toLowerCase().includes(q)))
    );
  };
}
