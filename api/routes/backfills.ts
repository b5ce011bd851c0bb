/** Backfills: previewed, started, watched, cancelled. Their runs are opened by the workers, one after the other or a few at a time. */

import {
  type Backfill,
  BackfillDetail,
  BackfillPage,
  BackfillParams,
  BackfillPreview,
  BackfillsQuery,
  CancelBackfill,
  OpenBackfill,
} from '../../contract/backfills.ts';
import { KeyHeader } from '../../contract/operations.ts';
import { SluiceError, unknown } from '../../errors.ts';
import { beforeText, beginningOf, isBefore } from '../../graph/calendar/beginning.ts';
import { runId } from '../../graph/calendar/calendar.ts';
import type { Graph } from '../../graph/compiled/compact.ts';
import { type BackfillPlan, dependants, planBackfill } from '../../graph/impact/backfill.ts';
import { ownRuns, type PlannedRun, withDependants } from '../../graph/impact/backfill-dependants.ts';
import { Cycle } from '../../graph/model.ts';
import { requireConfirmed } from '../../services/catalogue/far-period.ts';
import { versionOf } from '../../services/catalogue/newest-catalogue.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import { authorise } from '../../services/operations/actor-scope.ts';
import { bodyHash } from '../../services/operations/body-hash.ts';
import { keyOf } from '../../services/operations/request-operation.ts';
import { suggestNames } from '../../services/suggest-names.ts';
import type { CatalogueVersion } from '../../store/catalogue/catalogue.ts';
import type { Actor } from '../../store/operations/actors.ts';
import {
  type BackfillRow,
  type BackfillRun,
  cancelBackfill,
  createBackfill,
  listBackfills,
  readBackfill,
  readBackfillRuns,
} from '../../store/schedules/backfills.ts';
import { nextRunNumber } from '../../store/schedules/run-numbers.ts';
import { flowsRun, scheduledPeriods } from '../../store/schedules/scheduled-past.ts';
import { scheduledRuns } from '../../store/schedules/scheduled-runs.ts';
import type { Api } from '../instance.ts';
import { AtId, page, positionOf } from '../paging.ts';

const tags = ['backfills'];

export function backfillRoutes(app: Api, deps: ServiceDeps): void {
  app.route({
    method: 'POST',
    url: '/backfills',
    config: { permission: 'operate', verb: 'backfill' },
    schema: {
      tags,
      headers: KeyHeader,
      body: OpenBackfill,
      response: { 200: BackfillPreview, 202: BackfillDetail },
    },
    handler: async (request, reply) => {
      const actor = request.actor!;
      const { dryRun, reason, ...asked } = request.body;
      const { version, graph } = await graphOf(deps, asked.cycle);
      const roots = asked.flows === undefined ? null : named(version, graph, asked.flows);
      const plan = planBackfill(graph, {
        ...asked,
        flows: roots,
        order: asked.order ?? null,
        concurrency: asked.concurrency ?? null,
      });
      const touched = plan.flows?.map((flow) => version.flows.get(flow)!) ?? null;
      authorise(actor, 'backfill', touched);
      await requireConfirmed(deps, { cycle: asked.cycle, period: asked.to, far: asked.far });
      const begins = beginningOf(version.frame, asked.cycle);
      if (!asked.beforeBeginning && isBefore(asked.from, begins))
        throw new SluiceError('before_beginning', `${asked.from}: ${beforeText(asked.cycle, begins!).en}`, {
          facts: { cycle: asked.cycle, period: asked.from, begins },
        });
      const runs = asked.dependants
        ? await dependantsOf(deps, actor, { version, asked, plan })
        : ownRuns(asked, plan);
      if (dryRun)
        return reply.status(200).send(await previewOf(deps, { version, asked: request.body, plan }, runs));
      if (reason.trim() === '')
        throw new SluiceError('reason_required', 'a backfill needs a reason', {
          facts: { verb: 'backfill' },
        });
      const key = keyOf(request.headers);
      const row = await createBackfill(
        deps.pool,
        {
          ...asked,
          actor: actor.name,
          key,
          bodyHash: bodyHash({ verb: 'backfill', asked: hashed(asked), reason }),
          roots: asked.flows ?? null,
          reason: reason.trim(),
        },
        plan,
        runs,
      );
      return reply
        .status(202)
        .header('location', `/api/v1/backfills/${row.id}`)
        .send(await detail(deps, row));
    },
  });

  app.route({
    method: 'GET',
    url: '/backfills',
    config: { permission: 'read' },
    schema: { tags, querystring: BackfillsQuery, response: { 200: BackfillPage } },
    handler: async (request) => {
      const { limit, cursor, state } = request.query;
      const before = positionOf(AtId, cursor);
      const rows = await listBackfills(deps.pool, state, { before, limit: limit + 1 });
      const runs = await readBackfillRuns(
        deps.pool,
        rows.map((row) => row.id),
      );
      return page(
        rows,
        limit,
        (row) => toResponse(row, runs.get(row.id)!),
        (row) => ({ at: row.openedAt, id: row.id }),
      );
    },
  });

  app.route({
    method: 'GET',
    url: '/backfills/:backfill',
    config: { permission: 'read' },
    schema: { tags, params: BackfillParams, response: { 200: BackfillDetail } },
    handler: async (request) => detail(deps, await readBackfill(deps.pool, request.params.backfill)),
  });

  app.route({
    method: 'POST',
    url: '/backfills/:backfill/cancel',
    config: { permission: 'operate', verb: 'cancel-backfill' },
    schema: { tags, params: BackfillParams, body: CancelBackfill, response: { 200: BackfillDetail } },
    handler: async (request) => {
      const { backfill } = request.params;
      const reason = request.body.reason.trim();
      if (reason === '')
        throw new SluiceError('reason_required', 'cancel needs a reason', { facts: { verb: 'cancel' } });
      authorise(request.actor!, 'cancel-backfill', null);
      await cancelBackfill(deps.pool, backfill, { actor: request.actor!.name, reason });
      return detail(deps, await readBackfill(deps.pool, backfill));
    },
  });
}

/** What the hash of a request covers. `everyPeriod` only when it is set: keys from before it existed then still mean the same request. */
function hashed({ everyPeriod, ...asked }: Omit<OpenBackfill, 'reason' | 'dryRun'>): object {
  return everyPeriod ? { ...asked, everyPeriod } : asked;
}

/** Throws `no_catalogue`, `no_flows`. */
async function graphOf(
  deps: ServiceDeps,
  cycle: Cycle,
): Promise<{ version: CatalogueVersion; graph: Graph }> {
  const version = await versionOf(deps);
  const { graph } = version.graphOf(cycle);
  if (graph.n > 0) return { version, graph };
  throw new SluiceError('no_flows', `catalogue version ${version.version} has no ${cycle} flows`, {
    facts: { cycle },
  });
}

/** Flows by id or former name; the name of a distribution means both its halves. Throws `unknown_flow`. */
function named(version: CatalogueVersion, graph: Graph, given: readonly string[]): string[] {
  const ids = new Set(graph.ids);
  const aliases = new Map(
    [...version.flows.values()].flatMap((flow) => flow.aliases.map((alias) => [alias, flow.id])),
  );
  return given.flatMap((name) => {
    if (ids.has(name)) return [name];
    if (ids.has(`${name}.import`)) return [`${name}.export`, `${name}.import`];
    const id = aliases.get(name);
    if (id !== undefined && ids.has(id)) return [id];
    throw unknown(
      'unknown_flow',
      `the ${graph.cycle} runs have no flow ${name}`,
      { flow: name },
      suggestNames(name, ids),
    );
  });
}

/** A backfill as it was asked for, and its plan. */
interface Planned<Asked> {
  readonly version: CatalogueVersion;
  readonly asked: Asked;
  readonly plan: BackfillPlan;
}

/**
 * The plan's runs, and runs of other cycles for the flows that have used the results. All these flows have to be in the actor's scope. Throws
 * `invalid_request`, `out_of_scope`.
 */
async function dependantsOf(
  { pool }: ServiceDeps,
  actor: Actor,
  { version, asked, plan }: Planned<Pick<OpenBackfill, 'cycle' | 'downstream'>>,
): Promise<PlannedRun[]> {
  const graphs = new Map(Cycle.options.map((cycle) => [cycle, version.graphOf(cycle).graph]));
  const periods = await scheduledPeriods(pool);
  // First as if every flow had run: the record is then read only for the flows that may matter.
  const candidates = withDependants(graphs, asked, plan, {
    periods: (entry) => periods[entry],
    hasRun: () => true,
  });
  const ran = await flowsRun(pool, candidates);
  const runs = withDependants(graphs, asked, plan, {
    periods: (entry) => periods[entry],
    hasRun: (cycle, period, flow) => ran.get(runId(cycle, period))?.has(flow) === true,
  });
  const more = new Set(runs.flatMap((run) => run.flows ?? []));
  authorise(
    actor,
    'backfill',
    [...more].map((flow) => version.flows.get(flow)!),
  );
  return runs;
}

async function previewOf(
  { pool }: ServiceDeps,
  { version, asked, plan }: Planned<OpenBackfill>,
  runs: readonly PlannedRun[],
): Promise<BackfillPreview> {
  const { cycle, from, to, downstream } = asked;
  const number = await nextRunNumber(pool, 'backfill', runs);
  const there = new Set(
    await scheduledRuns(
      pool,
      runs.map((run) => [run.cycle, run.period] as const),
    ),
  );
  const redone = new Set(runs.flatMap((run) => (run.dependant ? (run.flows ?? []) : [])));
  const others = Cycle.options
    .filter((option) => option !== cycle)
    .map((option) => version.graphOf(option).graph);
  return {
    dryRun: true,
    cycle,
    from,
    to,
    downstream,
    flows: asked.flows ?? null,
    withDependants: asked.dependants,
    beforeBeginning: asked.beforeBeginning,
    everyPeriod: asked.everyPeriod,
    order: plan.descending ? 'descending' : 'ascending',
    concurrency: plan.concurrency,
    includes: plan.flows,
    leftOut: plan.leftOut,
    chained: plan.chained,
    runs: runs.map(({ cycle, period, flows, dependant }) => ({
      cycle,
      period,
      dependant,
      run: runId(cycle, period, 'backfill', number),
      scheduled: there.has(runId(cycle, period)) ? runId(cycle, period) : null,
      includes: flows,
    })),
    dependants: dependants(others, cycle, plan.flows === null ? null : new Set(plan.flows)).filter(
      ({ flow }) => !redone.has(flow),
    ),
  };
}

async function detail({ pool }: ServiceDeps, row: BackfillRow): Promise<BackfillDetail> {
  const runs = (await readBackfillRuns(pool, [row.id])).get(row.id)!;
  return {
    ...toResponse(row, runs),
    includes: row.flows,
    runs: runs.map(({ flows, ...run }) => ({ ...run, includes: flows })),
  };
}

function toResponse(row: BackfillRow, runs: readonly BackfillRun[]): Backfill {
  const count = (...states: readonly BackfillRun['state'][]): number =>
    runs.filter((run) => states.includes(run.state)).length;
  return {
    id: row.id,
    cycle: row.cycle,
    from: row.from,
    to: row.to,
    downstream: row.downstream,
    flows: row.roots,
    withDependants: row.dependants,
    beforeBeginning: row.beforeBeginning,
    everyPeriod: row.everyPeriod,
    order: row.descending ? 'descending' : 'ascending',
    concurrency: row.concurrency,
    actor: row.actor,
    reason: row.reason,
    state: row.state,
    trouble: row.trouble,
    openedAt: row.openedAt,
    endedAt: row.endedAt,
    endedBy: row.endedBy,
    progress: {
      runs: runs.length,
      pending: count('pending'),
      open: count('open'),
      finished: count('finished', 'closed'),
      failing: runs.filter((run) => run.failed > 0).length,
    },
  };
}
