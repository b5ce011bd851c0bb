/**
 * Why a flow has not run, also when the reason lies in another run: the walk continues in the graph and the record of that run
 * (docs/answers.md, protocol A11). Each run is read in a snapshot of its own.
 */
import { SluiceError } from '../../errors.ts';
import { absentFlow } from '../../graph/why/absent.ts';
import { Across } from '../../graph/why/across.ts';
import type { Cause } from '../../graph/why/cause.ts';
import type { AskedRun } from '../../graph/why/why.ts';
import { findElsewhere } from '../../store/history/elsewhere.ts';
import { readWhyFacts } from '../../store/history/history.ts';
import { runsNotOpened } from '../../store/history/runs.ts';
import type { RunContext } from '../../store/record/run-context.ts';
import { readClock } from '../../store/record/snapshot.ts';
import type { ServiceDeps } from '../deps.ts';
import { flowOfRun, unknownRun } from '../runs/find.ts';
import { suggestNames } from '../suggest-names.ts';
import { type UnopenedRun, unopenedRuns } from './unopened-runs.ts';

/** How many runs one answer reads at a time, so that other requests find connections. */
const TOGETHER = 4;

/** The vertex by id, by former name, or by the name of a distribution, which means its import; -1: the run has none. */
export function vertexOf(context: RunContext, given: string): number {
  const half = context.index.get(`${given}.import`);
  if (half !== undefined && !context.index.has(given)) return half;
  try {
    return context.index.get(flowOfRun(context, given).id)!;
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'unknown_flow') return -1;
    throw error;
  }
}

/** The run, or the cause why it was not opened. Throws `unknown_run` for an id that no run can have. */
export async function contextOrCause(
  deps: ServiceDeps,
  run: string,
  flow: string | null,
): Promise<{ context: RunContext } | { cause: Cause; now: number }> {
  try {
    return { context: await deps.contextOf(run) };
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'unknown_run') throw error;
    const unopened = (await unopenedRuns(deps, [run])).get(run);
    if (unopened === undefined) throw await unknownRun(deps.pool, run);
    return { cause: ofFlow(unopened, flow), now: unopened.now };
  }
}

const ofFlow = ({ cause }: UnopenedRun, flow: string | null): Cause =>
  flow === null ? cause : { ...cause, chain: [flow] };

/** The cause for a flow that the run does not contain, with suggested names. */
export async function whyAbsent(
  deps: ServiceDeps,
  context: RunContext,
  given: string,
): Promise<{ cause: Cause; now: number; near: string[] }> {
  const now = await readClock(deps.pool);
  const meant = suggestNames(given, context.graph.ids);
  const found = (await findElsewhere(deps.pool, context, given)) ?? { in: 'nowhere', near: meant };
  return { cause: absentFlow(context.run.id, given, found, now), now, near: meant };
}

/** A run for questions about it, with the runs around it when some of its flows wait for those. */
export interface RunWithOthers {
  readonly asked: AskedRun;
  /** Null: no flow of it waits for another run. */
  readonly others: Across | null;
}

/** For one flow, or for several (null). A snapshot of the run and of each run that stands behind an unmet edge, directly or through other runs. */
export async function readWithOthers(
  deps: ServiceDeps,
  context: RunContext,
  flow: number | null = null,
): Promise<RunWithOthers> {
  const asked = await readAsked(deps, context);
  return { asked, others: await othersOf(deps, asked, flow) };
}

/** `flow`: the only one that is asked about; null: several are. */
export async function othersOf(
  deps: ServiceDeps,
  asked: AskedRun,
  flow: number | null = null,
): Promise<Across | null> {
  if (!asked.s.foreignMet.includes(0)) return null;
  const across = new Across(asked);
  if (flow !== null && !across.isCrossedFrom(flow)) {
    // Only a run that is there can lead back to this one.
    const neighbours = across.neighbours();
    if ((await runsNotOpened(deps.pool, neighbours)).length === neighbours.length) return across;
  }
  for (;;) {
    const { runs, flows } = across.needed();
    if (runs.length === 0 && flows.length === 0) return across;
    // Most of the runs that flows wait for were not opened yet.
    const unopened = runs.length === 0 ? new Map<string, UnopenedRun>() : await unopenedRuns(deps, runs);
    const opened = runs.filter((run) => !unopened.has(run));
    for (const [run, { cause }] of unopened) across.give(run, cause);
    for (let i = 0; i < opened.length; i += TOGETHER)
      await Promise.all(
        opened.slice(i, i + TOGETHER).map(async (run) => across.give(run, await readRunOrCause(deps, run))),
      );
    for (const needed of flows) {
      const context = await deps.contextOf(needed.run);
      across.giveAbsent(needed, (await whyAbsent(deps, context, needed.flow)).cause);
    }
  }
}

async function readAsked(deps: ServiceDeps, context: RunContext): Promise<AskedRun> {
  const { state, facts } = await readWhyFacts(deps.pool, context, deps);
  return { graph: context.graph, s: state, facts };
}

async function readRunOrCause(deps: ServiceDeps, run: string): Promise<AskedRun | Cause> {
  const found = await contextOrCause(deps, run, null);
  return 'cause' in found ? found.cause : readAsked(deps, found.context);
}
