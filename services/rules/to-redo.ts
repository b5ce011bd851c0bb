/** Reads the runs that newer data concerns, and says which of their flows have to be redone (protocol E6). */
import { comparePeriods } from '../../graph/calendar/calendar.ts';
import type { FlowTables } from '../../graph/impact/untouched.ts';
import { Cycle } from '../../graph/model.ts';
import { type Newer, type RunToWalk, redoWalk, type ToRedo } from '../../graph/rules/redo-walk.ts';
import { type DataTimes, readDataTimes } from '../../store/history/data-times.ts';
import { type RunContext, readRun } from '../../store/record/run-context.ts';
import { waitingFlows } from '../../store/record/subscriptions.ts';
import type { ServiceDeps } from '../deps.ts';
import { tablesIn } from '../lineage/estate-lineage.ts';
import { type LeftOut, leftOutOf } from '../rerun/rerun-across.ts';
import type { FoundMembers } from '../rerun/rerun-plan.ts';

/** A flow of a run, and the moment of what is newer there, ms; null: that of its result. */
export interface NewerFlow {
  readonly run: string;
  readonly flow: string;
  readonly at: number | null;
}

export interface NewerData {
  /** Flows that have finished again. */
  readonly results: readonly NewerFlow[];
  /** Flows that read a table which was corrected. */
  readonly corrected: readonly NewerFlow[];
}

/** A run that was opened for the walk. */
export interface OpenedRun {
  readonly context: RunContext;
  readonly walk: RunToWalk;
  /** By vertex, ms: when it succeeded; 0 = it has not. */
  readonly finishedAt: Float64Array;
}

export interface RedoOf<Opened> {
  /** Runs with something to redo: hours, then days, then months, each by period. */
  readonly parts: readonly (Opened & { readonly redo: ToRedo })[];
  /** Runs that have used, or may have used, the old data and stay as they are. */
  readonly left: readonly LeftOut[];
}

/** A run as it stands now. */
interface PresentRun extends OpenedRun {
  readonly times: DataTimes;
}
export type Redo = RedoOf<PresentRun>;
export type RedoPart = Redo['parts'][number];

export type RedoScope = 'stale' | 'downstream';

/** With `downstream` every edge counts. A snapshot of each run, and O(V + E) of them as often as runs above add something. */
export const whatToRedo = (deps: ServiceDeps, newer: NewerData, scope: RedoScope = 'stale'): Promise<Redo> =>
  walkRuns(deps, newer, (run) => presentRun(deps, run, scope));

/** The same for runs that `open` opens: as they stand, or as they stood. */
export async function walkRuns<Opened extends OpenedRun>(
  deps: Pick<ServiceDeps, 'pool'>,
  newer: NewerData,
  open: (run: string) => Promise<Opened | LeftOut>,
): Promise<RedoOf<Opened>> {
  const opened = new Map<string, Opened>();
  const left = new Map<string, LeftOut>();
  const load = async (run: string): Promise<void> => {
    if (opened.has(run) || left.has(run)) return;
    const found = await open(run);
    if ('code' in found) left.set(run, found);
    else opened.set(run, found);
  };
  for (const { run } of [...newer.results, ...newer.corrected]) await load(run);
  const asked = new Set<string>();
  for (;;) {
    const verticesOf = (list: readonly NewerFlow[]): Newer[] =>
      list.flatMap(({ run, flow, at }) => {
        const v = opened.get(run)?.context.index.get(flow);
        return v === undefined ? [] : [{ run, v, at: at ?? opened.get(run)!.finishedAt[v]! }];
      });
    const walks = new Map([...opened].map(([run, { walk }]) => [run, walk]));
    const redo = redoWalk(walks, verticesOf(newer.results), verticesOf(newer.corrected));
    const before = opened.size + left.size;
    for (const [run, { context }] of [...opened]) {
      const redone = (redo.get(run)?.redone ?? []).map((v) => context.graph.ids[v]!);
      const finished = newer.results.flatMap((item) => (item.run === run ? [item.flow] : []));
      const flows = [...redone, ...finished].filter((flow) => !asked.has(`${run} ${flow}`));
      if (flows.length === 0) continue;
      for (const flow of flows) asked.add(`${run} ${flow}`);
      for (const other of (await waitingFlows(deps.pool, run, flows)).keys()) await load(other);
    }
    if (opened.size + left.size > before) continue;
    const parts = [...redo].map(([run, found]) => ({ ...opened.get(run)!, redo: found }));
    return { parts: parts.sort(byCycle), left: [...left.values()] };
  }
}

function byCycle({ context: { run: a } }: OpenedRun, { context: { run: b } }: OpenedRun): number {
  const order = Cycle.options.indexOf(a.cycle) - Cycle.options.indexOf(b.cycle);
  return order !== 0 ? order : comparePeriods(a.period, b.period) || (a.id < b.id ? -1 : 1);
}

/** Members of the plan that redoes everything, each flow once; null: nothing is to be redone. */
export function membersOf(redo: Redo): Pick<FoundMembers, 'parts' | 'left' | 'roots'> | null {
  const parts = redo.parts.filter((part) => part.redo.redone.length > 0);
  if (parts.length === 0) return null;
  return {
    parts: parts.map(({ context, times, redo: { redone, waiting } }) => ({
      context,
      state: times.state,
      members: [...redone, ...waiting].sort((a, b) => a - b),
    })),
    left: redo.left,
    roots: parts[0]!.redo.redone,
  };
}

async function presentRun(deps: ServiceDeps, run: string, scope: RedoScope): Promise<PresentRun | LeftOut> {
  const left = leftOutOf(await readRun(deps.pool, run));
  if (left !== null) return left;
  const context = await deps.contextOf(run);
  const times = await readDataTimes(deps.pool, context, deps.graceMs);
  const { finishedAt } = times;
  return { context, times, finishedAt, walk: await walkable(deps, context, times, scope) };
}

/** With the scope `downstream` every edge counts, whatever data goes over it. */
const ANY_TABLES: FlowTables = { reads: null, writes: null };

/** A run for the walk: its graph and the tables of its catalogue version, with these times. */
export async function walkable(
  deps: Pick<ServiceDeps, 'lineages'>,
  context: RunContext,
  { startedAt, stops }: Pick<DataTimes, 'startedAt' | 'stops'>,
  scope: RedoScope,
): Promise<RunToWalk> {
  const { run, graph, subscriptions } = context;
  const lineage = await deps.lineages.of(context.version);
  const tables = new Map<number, FlowTables | null>();
  const tablesOf = (v: number): FlowTables | null => {
    const known = tables.get(v);
    if (known !== undefined) return known;
    const read = tablesIn(context.flow(graph.ids[v]!), lineage);
    const found = scope === 'stale' || read === null ? read : ANY_TABLES;
    tables.set(v, found);
    return found;
  };
  return { run: run.id, graph, subscriptions, startedAt, stops, tablesOf };
}
