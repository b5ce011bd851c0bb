/** What never changes about a run while its catalogue version stays: its graph, definitions, and the instants fixed at its opening. */
import type pg from 'pg';
import { SluiceError } from '../../errors.ts';
import { mapPeriod, programPeriod } from '../../graph/calendar/calendar.ts';
import { type Given, givenParameters } from '../../graph/catalogue/parameters.ts';
import { rehearsalForm, twinsOf } from '../../graph/catalogue/rehearsal.ts';
import type { CompactGraph, Graph } from '../../graph/compiled/compact.ts';
import { AFTER_SCHEDULED, latestStarts } from '../../graph/compiled/latest-start.ts';
import type { Cycle, Flow, Purpose } from '../../graph/model.ts';
import { previousOf } from '../../graph/run/foreign-runs.ts';
import type { Contention, FlowInstants } from '../../graph/run/run-facts.ts';
import type { RunState } from '../../graph/run/state.ts';
import { type Subscription, type Subscriptions, subscriptionsOf } from '../../graph/run/subscriptions.ts';
import type { CatalogueVersion } from '../catalogue/catalogue.ts';
import { type Works, worksOf } from '../catalogue/work.ts';
import { readUsual } from './usual-times.ts';

export interface RunRow {
  readonly id: string;
  readonly cycle: Cycle;
  readonly period: string;
  readonly purpose: Purpose;
  readonly number: number;
  readonly catalogueVersion: number;
  readonly procedures: string[] | null;
  readonly state: 'open' | 'closed';
  readonly openedBy: string;
  readonly openedAt: number;
  readonly finishedAt: number | null;
  readonly frozen: string | null;
}

export const RUN_COLUMNS = `id, cycle, period, purpose, number, catalogue_version as "catalogueVersion", procedures, state,
  opened_by as "openedBy", opened_ms as "openedAt", finished_ms as "finishedAt", frozen`;

export interface RunContext extends Works {
  readonly run: RunRow;
  readonly version: CatalogueVersion;
  readonly compact: CompactGraph;
  readonly graph: Graph;
  readonly index: ReadonlyMap<string, number>;
  /** Edges to other runs (protocol A11), as they were resolved when the run was opened or adopted its version. */
  readonly subscriptions: Subscriptions;
  /** As fixed at the opening, by vertex, ms; 0 = none. */
  readonly deadlines: Float64Array;
  /** Protocol C10, with the durations that were expected when the run was first read; by vertex. */
  readonly latestStart: Float64Array;
  flow(id: string): Flow;
  /** What a flow's program is given. */
  givenOf(flow: Flow, generation: number): Map<string, Given>;
  /** Period of the flow's program, e.g. 202610 or 20261031 (protocol D2). */
  periodOf(flow: Flow): string;
  readonly kept: KeptOfRun;
}

/** The part of a run's state that only exchanges change, as of one of them. */
export interface Decided {
  readonly exchange: number;
  /** Without leases and moments. Never changed once it is here. */
  readonly state: RunState;
  readonly instants: FlowInstants;
}

/** What readers of a run keep from one answer to the next, each for itself; null: nothing yet. */
export interface KeptOfRun {
  /** Brought up to date by store/record/decided-state.ts. */
  decided: Decided | null;
  /** Runs that wait for flows of this one, by flow, as they were last read: store/record/subscriptions.ts. */
  subscribers: ReadonlyMap<string, readonly string[]> | null;
  /** Made once: store/agents/claim-side.ts. */
  contention: Contention | null;
}

export const nothingKept = (): KeptOfRun => ({ decided: null, subscribers: null, contention: null });

export async function readRun(pool: pg.Pool | pg.PoolClient, runId: string): Promise<RunRow> {
  const found = await pool.query<RunRow>({
    name: 'read-run',
    text: `select ${RUN_COLUMNS} from runs where id = $1`,
    values: [runId],
  });
  const run = found.rows[0];
  if (run === undefined)
    throw new SluiceError('unknown_run', `there is no run ${runId}`, { facts: { run: runId } });
  return run;
}

/** Reads contexts; `forget` when a run is known to have adopted another version (protocol D8). */
export interface ContextReader {
  (runId: string): Promise<RunContext>;
  forget(runId: string): void;
}

/** Time in ms for which a kept context is given without a look whether its run has adopted another version. */
const TRUSTED_MS = 1_000;

/** Keeps the most recently used ones. A run that adopted another version gets a new context, after `TRUSTED_MS` at the latest. */
export function contextReader(
  pool: pg.Pool,
  versionOf: (version: number) => Promise<CatalogueVersion>,
  keep = 64,
): ContextReader {
  const cache = new Map<string, { context: Promise<RunContext>; lookedAt: number }>();
  const read = async (runId: string): Promise<RunContext> => {
    let entry = cache.get(runId);
    if (entry !== undefined && performance.now() - entry.lookedAt > TRUSTED_MS) {
      entry.lookedAt = performance.now();
      if (await isOutdated(pool, await entry.context)) entry = undefined;
    }
    if (entry === undefined) {
      entry = { context: readContext(pool, versionOf, runId), lookedAt: performance.now() };
      entry.context.catch(() => cache.delete(runId));
    }
    cache.delete(runId);
    cache.set(runId, entry);
    if (cache.size > keep) cache.delete(cache.keys().next().value!);
    return entry.context;
  };
  return Object.assign(read, { forget: (runId: string) => void cache.delete(runId) });
}

async function isOutdated(pool: pg.Pool, { run }: RunContext): Promise<boolean> {
  const found = await pool.query<{ version: number }>({
    name: 'version-of-run',
    text: 'select version from run_counters where run_id = $1',
    values: [run.id],
  });
  return found.rows[0]?.version !== run.catalogueVersion;
}

async function readContext(
  pool: pg.Pool,
  versionOf: (version: number) => Promise<CatalogueVersion>,
  runId: string,
): Promise<RunContext> {
  const run = await readRun(pool, runId);
  const version = await versionOf(run.catalogueVersion);
  const { compact, graph, index } = version.graphOf(run.cycle);
  const deadlines = new Float64Array(graph.n);
  const rows = await pool.query<{ flow_id: string; deadline_ms: number }>(
    'select flow_id, deadline_ms from run_flows where run_id = $1 and deadline_ms <> 0',
    [runId],
  );
  for (const row of rows.rows) deadlines[index.get(row.flow_id) ?? 0] = row.deadline_ms;
  const isScheduled = run.purpose === 'scheduled';
  // Without a deadline nothing is to be reckoned backwards from one.
  const durations =
    rows.rows.length === 0 || !isScheduled
      ? new Float64Array(graph.n)
      : (await readUsual(pool, { run, version })).durations;
  // By mapping: an estate has a handful of them, and thousands of flows.
  const periods = new Map<string | number, string>();
  const periodOf = ({ period }: Flow): string => {
    const mapping = typeof period === 'object' ? period.offset : period;
    const known = periods.get(mapping);
    if (known !== undefined) return known;
    const found = programPeriod(mapPeriod(period, run.cycle, run.period)[0]!);
    periods.set(mapping, found);
    return found;
  };
  const givenOf = (flow: Flow, generation: number): Map<string, Given> => {
    const previous = programPeriod(previousOf(graph, index.get(flow.id)!, run));
    return givenParameters(flow, run, generation, previous);
  };
  return {
    ...worksOf(version.binds, givenOf, periodOf, executedBy(run, version)),
    givenOf,
    run,
    version,
    compact,
    graph,
    index,
    subscriptions:
      graph.foreign.length === 0 ? subscriptionsOf(graph.n, []) : await readSubscriptions(pool, runId, index),
    deadlines,
    latestStart: isScheduled
      ? latestStarts(graph, deadlines, durations)
      : new Float64Array(graph.n).fill(AFTER_SCHEDULED),
    flow(id) {
      const flow = version.flows.get(id);
      if (flow === undefined)
        throw new SluiceError('unknown_flow', `the run ${runId} has no flow ${id}`, {
          facts: { run: runId, flow: id },
        });
      return flow;
    },
    periodOf,
    kept: nothingKept(),
  };
}

/** A rehearsal carries programs out on the twins of their connections. */
function executedBy({ purpose }: RunRow, { frame }: CatalogueVersion): (flow: Flow) => Flow {
  if (purpose !== 'rehearsal') return (flow) => flow;
  const twins = twinsOf(frame.connections);
  return (flow) => {
    const form = rehearsalForm(flow, twins);
    return form?.kind === 'run' ? { ...flow, program: form.program } : flow;
  };
}

/** Subscriptions of a run as they were written at its opening. */
async function readSubscriptions(
  client: pg.Pool,
  run: string,
  index: ReadonlyMap<string, number>,
): Promise<Subscriptions> {
  const found = await client.query<{ flow: string; from: string; run: string }>({
    name: 'read-subscriptions',
    text: `select flow_id as flow, upstream_flow as from, upstream_run as run from subscriptions where run_id = $1`,
    values: [run],
  });
  const list = found.rows.flatMap(({ flow, from, run }): Subscription[] => {
    const v = index.get(flow);
    return v === undefined ? [] : [{ v, from, run }];
  });
  return subscriptionsOf(index.size, list);
}
