/** The opening of a run: one transaction (protocol A8). */
import type pg from 'pg';
import { SluiceError } from '../../errors.ts';
import { beforeText, beginningOf, isBefore } from '../../graph/calendar/beginning.ts';
import { parsePeriod, runId } from '../../graph/calendar/calendar.ts';
import { resolveMoment } from '../../graph/calendar/moment.ts';
import type { Graph } from '../../graph/compiled/compact.ts';
import type { Cycle, Purpose } from '../../graph/model.ts';
import { type Beside, besides, resolveForeign } from '../../graph/run/foreign-runs.ts';
import { derive, emptyState, FLAG, phaseOf, type RunState } from '../../graph/run/state.ts';
import { type CatalogueVersion, calendarsOf, newestVersion } from '../catalogue/catalogue.ts';
import { notRehearsed, refuseGaps } from '../catalogue/rehearsals.ts';
import { type RunRow, readRun } from '../record/run-context.ts';
import { subscribe } from '../record/subscriptions.ts';
import { notify } from '../schema/notify.ts';
import { inTransaction, type Queryable } from '../schema/pool.ts';
import { notifyOpened } from './external-events.ts';
import { nextRunNumber } from './run-numbers.ts';

export interface OpenRunDeps {
  readonly pool: pg.Pool;
  readonly versionOf: (version: number) => Promise<CatalogueVersion>;
}

export interface OpenRequest {
  readonly cycle: Cycle;
  readonly period: string;
  readonly purpose: Purpose;
  /** null: all; otherwise flows of other procedures wait for a trigger. */
  readonly procedures: readonly string[] | null;
  /** Other runs of the same backfill, opened or about to be: edges to their periods mean them (decision 0006). */
  readonly beside?: readonly Beside[];
  /** The flows that a backfill is for. The others are not triggered, and what they would have delivered is taken as it is. */
  readonly flows?: readonly string[] | null;
  /** The number that all runs of a backfill share. Default: the next free one. */
  readonly number?: number;
  /** True for a backfill that was asked for from before the beginning. Rehearsals need not ask. */
  readonly beforeBeginning?: boolean;
}

/**
 * Opens a run of the newest catalogue version. `within` belongs to the same transaction. Throws `invalid_period`, `no_catalogue`, `no_flows`,
 * `before_beginning`, `no_rehearsal_twin`, `unknown_procedure`, and `run_exists` with the run's id when the scheduled run of the period exists.
 */
export async function openRun(
  { pool, versionOf }: OpenRunDeps,
  request: OpenRequest,
  actor: string,
  within: (client: Queryable, run: string) => Promise<void> = async () => {},
): Promise<RunRow> {
  const { cycle, period, purpose } = request;
  parsePeriod(cycle, period);
  const version = await newestVersion(pool);
  if (version === null) throw new SluiceError('no_catalogue', 'no catalogue was applied yet');
  const catalogue = await versionOf(version);
  const { graph } = catalogue.graphOf(cycle);
  if (graph.n === 0)
    throw new SluiceError('no_flows', `catalogue version ${version} has no ${cycle} flows`, {
      facts: { cycle },
    });
  const begins = beginningOf(catalogue.frame, cycle);
  if (purpose !== 'rehearsal' && request.beforeBeginning !== true && isBefore(period, begins))
    throw new SluiceError('before_beginning', `${runId(cycle, period)}: ${beforeText(cycle, begins!).en}`, {
      facts: { cycle, period, begins },
    });
  if (purpose === 'rehearsal') refuseGaps(catalogue, cycle, request.procedures);
  const known = new Set(catalogue.frame.procedures.map((p) => p.id));
  const unknown = (request.procedures ?? []).filter((p) => !known.has(p));
  if (unknown.length > 0)
    throw new SluiceError('unknown_procedure', `the catalogue has no procedure ${unknown.join(', ')}`, {
      facts: { procedures: unknown },
    });

  const id = await inTransaction(
    pool,
    async (client) => {
      const number =
        purpose === 'scheduled'
          ? 0
          : (request.number ?? (await nextRunNumber(client, purpose, [{ cycle, period }])));
      const id = runId(cycle, period, purpose, number);
      const inserted = await client.query<{ opened_ms: number }>(
        `insert into runs (id, cycle, period, purpose, number, catalogue_version, procedures, opened_by, opened_ms)
         select $1, $2, $3, $4, $5, $6, $7, $8, clock_ms() where not exists (select 1 from archived_runs where run_id = $1)
         on conflict do nothing returning opened_ms`,
        [id, cycle, period, purpose, number, version, request.procedures, actor],
      );
      const openedAt = inserted.rows[0]?.opened_ms;
      if (openedAt === undefined)
        throw new SluiceError('run_exists', `the run ${id} exists already`, { facts: { run: id } });
      const calendarOf = calendarsOf(catalogue);
      const columns: [string[], string[], number[], number[], number[]] = [[], [], [], [], []];
      const included = request.flows == null ? undefined : new Set(request.flows);
      const standing = { cycle, period, beside: besides(request.beside ?? []) };
      const subscriptions = resolveForeign(graph, standing);
      const s = emptyState(graph, { openedAt, now: openedAt, graceMs: 0, subscriptions });
      const wanted = request.procedures === null ? null : new Set(request.procedures);
      const leftOut = purpose === 'rehearsal' ? notRehearsed(catalogue, cycle) : new Set<string>();
      const instantOf = (moment: string, calendar: string | null): number =>
        resolveMoment(moment, { cycle, period, calendar: calendarOf(calendar), openedAtMs: openedAt });
      for (let v = 0; v < graph.n; v++) {
        const attrs = graph.attrOf(v);
        const out = wanted !== null && (attrs.procedure === null || !wanted.has(attrs.procedure));
        if (out || included?.has(graph.ids[v]!) === false) s.flags[v] = FLAG.EXCLUDED;
        if (leftOut.has(graph.ids[v]!)) s.flags[v]! |= FLAG.SKIP | FLAG.NOT_REHEARSED;
        if (attrs.startAt !== null) s.start[v] = instantOf(attrs.startAt, attrs.calendar);
      }
      const waived = included === undefined ? [] : setAside(graph, s, included);
      derive(graph, s);
      for (let v = 0; v < graph.n; v++) {
        const attrs = graph.attrOf(v);
        columns[0].push(graph.ids[v]!);
        columns[1].push(phaseOf(graph, s, v));
        columns[2].push(s.flags[v]!);
        columns[3].push(s.start[v]!);
        columns[4].push(attrs.deadline === null ? 0 : instantOf(attrs.deadline, attrs.calendar));
      }
      await client.query(
        `insert into run_flows (run_id, flow_id, phase, flags, start_ms, deadline_ms, generation_ms)
         select $1, flow_id, phase, flags, start_ms, deadline_ms, $7
         from unnest($2::text[], $3::text[], $4::int[], $5::bigint[], $6::bigint[]) as x (flow_id, phase, flags, start_ms, deadline_ms)`,
        [id, ...columns, openedAt],
      );
      await client.query('insert into run_counters (run_id, now_ms, version) values ($1, $2, $3)', [
        id,
        openedAt,
        version,
      ]);
      if (waived.length > 0)
        await client.query(
          `insert into overrides (run_id, flow_id, kind, edge_from, generation, actor, reason, at_ms)
           select $1, x.flow_id, 'waive', x.edge_from, 1, $4, 'not part of the backfill', $5
           from unnest($2::text[], $3::text[]) as x (flow_id, edge_from)`,
          [id, waived.map((entry) => entry.to), waived.map((entry) => entry.from), actor, openedAt],
        );
      if (leftOut.size > 0)
        await client.query(
          `insert into overrides (run_id, flow_id, kind, generation, actor, reason, at_ms)
           select $1, flow_id, 'skip', 1, $3, 'rehearsal: skip', $4 from unnest($2::text[]) as x (flow_id)`,
          [id, [...leftOut], actor, openedAt],
        );
      await within(client, id);
      await notifyOpened(client, { id, cycle, period }, graph);
      // Last: it holds the counter rows of other runs (protocol A11).
      await subscribe(client, id, graph.ids, subscriptions);
      await notify(client, 'sluice_log', id);
      return id;
    },
    { guarded: false },
  );
  return readRun(pool, id);
}

/** Edges into the flows of a backfill from flows outside it are waived: their results are there, and nobody redoes them. */
function setAside(graph: Graph, s: RunState, included: ReadonlySet<string>): { from: string; to: string }[] {
  const edges: { from: string; to: string }[] = [];
  for (let v = 0; v < graph.n; v++) {
    if (!included.has(graph.ids[v]!)) continue;
    for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++) {
      const from = graph.ids[graph.up[e]!]!;
      if (included.has(from)) continue;
      s.waived[e] = 1;
      edges.push({ from, to: graph.ids[v]! });
    }
  }
  return edges;
}
