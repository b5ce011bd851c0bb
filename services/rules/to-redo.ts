/** Reads the runs that newer data concerns, and says which of their flows have to be redone (protocol E6). */
import { comparePeriods } from '../../graph/calendar/calendar.ts';
import type { FlowTables } from '../../graph/impact/untouched.ts';
import { type Newer, type RunToWalk, redoWalk, type ToRedo } from '../../graph/rules/redo-walk.ts';
import { type DataTimes, readDataTimes } from '../../store/history/data-times.ts';
import { type RunContext, readRun } from '../../store/record/run-context.ts';
import { waitingFlows } from '../../store/record/subscriptions.ts';
import type { ServiceDeps } from '../deps.ts';
import { tablesIn } from '../lineage/estate-lineage.ts';
import type { LeftOut } from '../rerun/rerun-across.ts';

/** A flow of a run, and the moment of what is newer there, ms. */
export interface NewerFlow {
  readonly run: string;
  readonly flow: string;
  readonly at: number;
}

export interface NewerData {
  /** Flows that have finished again. */
  readonly results: readonly NewerFlow[];
  /** Flows that read a table which was corrected. */
  readonly corrected: readonly NewerFlow[];
}

export interface RedoPart {
  readonly context: RunContext;
  readonly times: DataTimes;
  readonly walk: RunToWalk;
  readonly redo: ToRedo;
}

export interface Redo {
  /** Runs with something to redo: hours, then days, then months, each by period. */
  readonly parts: readonly RedoPart[];
  /** Runs that have used, or may have used, the old data and stay as they are. */
  readonly left: readonly LeftOut[];
}

type Loaded = Omit<RedoPart, 'redo'>;

/** A snapshot of each run, and O(V + E) of them as often as runs above add something. */
export async function whatToRedo(deps: ServiceDeps, newer: NewerData): Promise<Redo> {
  const loaded = new Map<string, Loaded>();
  const left = new Map<string, LeftOut>();
  const load = async (run: string): Promise<void> => {
    if (loaded.has(run) || left.has(run)) return;
    const found = await openRun(deps, run);
    if ('code' in found) left.set(run, found);
    else loaded.set(run, found);
  };
  for (const { run } of [...newer.results, ...newer.corrected]) await load(run);
  const asked = new Set<string>();
  for (;;) {
    const walks = new Map([...loaded].map(([run, { walk }]) => [run, walk]));
    const verticesOf = (list: readonly NewerFlow[]): Newer[] =>
      list.flatMap(({ run, flow, at }) => {
        const v = loaded.get(run)?.context.index.get(flow);
        return v === undefined ? [] : [{ run, v, at }];
      });
    const redo = redoWalk(walks, verticesOf(newer.results), verticesOf(newer.corrected));
    const before = loaded.size + left.size;
    for (const [run, { context }] of [...loaded]) {
      const redone = (redo.get(run)?.redone ?? []).map((v) => context.graph.ids[v]!);
      const finished = newer.results.flatMap((item) => (item.run === run ? [item.flow] : []));
      const flows = [...redone, ...finished].filter((flow) => !asked.has(`${run} ${flow}`));
      if (flows.length === 0) continue;
      for (const flow of flows) asked.add(`${run} ${flow}`);
      for (const other of (await waitingFlows(deps.pool, run, flows)).keys()) await load(other);
    }
    if (loaded.size + left.size > before) continue;
    const parts = [...redo].map(([run, found]) => ({ ...loaded.get(run)!, redo: found }));
    return { parts: parts.sort(byCycle), left: [...left.values()] };
  }
}

const CYCLES = ['hour', 'day', 'month'] as const;

function byCycle({ context: { run: a } }: Loaded, { context: { run: b } }: Loaded): number {
  const order = CYCLES.indexOf(a.cycle) - CYCLES.indexOf(b.cycle);
  return order !== 0 ? order : comparePeriods(a.period, b.period) || (a.id < b.id ? -1 : 1);
}

async function openRun(deps: ServiceDeps, run: string): Promise<Loaded | LeftOut> {
  const { purpose, state, frozen } = await readRun(deps.pool, run);
  if (purpose === 'rehearsal') return { run, code: 'rehearsal' };
  if (state === 'closed') return { run, code: 'run_closed' };
  if (frozen !== null) return { run, code: 'run_frozen' };
  const context = await deps.contextOf(run);
  const [times, lineage] = await Promise.all([
    readDataTimes(deps.pool, context, deps.graceMs),
    deps.lineages.of(context.version),
  ]);
  const { graph, subscriptions } = context;
  const tables = new Map<number, FlowTables | null>();
  const tablesOf = (v: number): FlowTables | null => {
    const known = tables.get(v);
    if (known !== undefined) return known;
    const found = tablesIn(context.flow(graph.ids[v]!), lineage);
    tables.set(v, found);
    return found;
  };
  const { startedAt, stops } = times;
  return { context, times, walk: { run, graph, subscriptions, startedAt, stops, tablesOf } };
}
