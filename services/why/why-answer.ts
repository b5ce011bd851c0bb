/**
 * Why a flow has not run, also when the reason lies in another run: the walk continues in the graph and the record of that run
 * (docs/answers.md, protocol A11). Each run is read in a snapshot of its own.
 */
import { SluiceError } from '../../errors.ts';
import { absentFlow } from '../../graph/why/absent.ts';
import { type Cause, summaryOf, type WhyFlow, whyAsker } from '../../graph/why/why.ts';
import { findElsewhere } from '../../store/history/elsewhere.ts';
import { readWhyFacts } from '../../store/history/history.ts';
import type { RunContext } from '../../store/record/run-context.ts';
import { readClock } from '../../store/record/snapshot.ts';
import type { ServiceDeps } from '../deps.ts';
import { flowOfRun, unknownRun } from '../runs/find.ts';
import { suggestNames } from '../suggest-names.ts';
import { type UnopenedRun, unopenedRuns } from './unopened-runs.ts';

/** Maximum number of flows of other runs that one answer looks into; for the others it shows the edge to them. */
const FLOW_LIMIT = 40;

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

/** Replaces edges to other runs by the causes found in those runs. */
export async function withOtherRuns<T extends Pick<WhyFlow, 'causes' | 'causeCount'>>(
  deps: ServiceDeps,
  run: string,
  flow: string | null,
  answer: T,
  limit: number,
): Promise<T> {
  if (!answer.causes.some(isElsewhere)) return answer;
  const walk = new WalkOn(deps, limit);
  const causes = await walk.into(run, flow === null ? [] : [`${run}/${flow}`], answer.causes);
  causes.sort(
    (a, b) =>
      Number(b.key) - Number(a.key) ||
      (a.since ?? Number.POSITIVE_INFINITY) - (b.since ?? Number.POSITIVE_INFINITY) ||
      b.blocks - a.blocks,
  );
  const causeCount = causes.length + answer.causeCount - answer.causes.length;
  const text = flow === null ? {} : { text: summaryOf(flow, causes, causeCount) };
  return { ...answer, causes: causes.slice(0, limit), causeCount, ...text };
}

/** A flow of another run, which the walk can go into; its own earlier period is one. */
const isElsewhere = (cause: Cause): cause is Cause & { flow: string; by: string } =>
  (cause.code === 'other_run' || cause.code === 'backlog') && cause.flow !== null && cause.by !== null;

/** A run that others wait for, in one snapshot; or the reason why it is not there. */
type Asked = { readonly context: RunContext; readonly why: ReturnType<typeof whyAsker> } | UnopenedRun;

class WalkOn {
  readonly #deps: ServiceDeps;
  readonly #limit: number;
  /** Runs that causes named: the reason why it was not opened, or null when it is there. */
  readonly #runs = new Map<string, UnopenedRun | null>();
  /** Other runs, each read once: how their flows are asked. */
  readonly #askers = new Map<string, Promise<Asked>>();
  /** What was found for a flow of another run; each flow is looked into once. */
  readonly #known = new Map<string, Promise<readonly Cause[] | null>>();

  constructor(deps: ServiceDeps, limit: number) {
    this.#deps = deps;
    this.#limit = limit;
  }

  /** `way`: the flows, with their runs, on the path to this run; the walk ends where it would go round a loop of runs. */
  async into(run: string, way: readonly string[], causes: readonly Cause[]): Promise<Cause[]> {
    await this.#meet(causes);
    const found = new Map<string, Cause>();
    for (const cause of causes)
      for (const it of await this.#behind(cause, way)) {
        const key = JSON.stringify([it.run, it.flow, it.code, it.by]);
        const known = found.get(key);
        const shorter = known === undefined || it.chain.length < known.chain.length ? it : known;
        found.set(key, { ...shorter, blocks: Math.max(it.blocks, known?.blocks ?? 0) });
      }
    return [...found.values()].map((found) => (found.run === run ? found : withWaive(found)));
  }

  async #behind(cause: Cause, way: readonly string[]): Promise<readonly Cause[]> {
    if (!isElsewhere(cause)) return [cause];
    const place = `${cause.by}/${cause.flow}`;
    if (way.includes(place)) return [cause];
    let asked = this.#known.get(place);
    if (asked === undefined) {
      if (this.#known.size >= FLOW_LIMIT) return [cause];
      asked = this.#causesOf(cause.by, cause.flow, [...way, place]);
      this.#known.set(place, asked);
    }
    const causes = await asked;
    // It is done there, and this run is about to receive that.
    if (causes === null) return [cause];
    const before = cause.chain.slice(0, -1);
    return causes.map((other) => ({
      ...other,
      blocks: cause.blocks,
      chain: [...before, ...other.chain.map((id) => (id.includes('/') ? id : `${cause.by}/${id}`))],
    }));
  }

  /** Reads which of the runs that causes name exist, all at once: most of them were not opened yet. */
  async #meet(causes: readonly Cause[]): Promise<void> {
    const named = causes.flatMap((cause) => (isElsewhere(cause) ? [cause.by] : []));
    const unmet = [...new Set(named)].filter((run) => !this.#runs.has(run));
    if (unmet.length === 0) return;
    const unopened = await unopenedRuns(this.#deps, unmet);
    for (const run of unmet) this.#runs.set(run, unopened.get(run) ?? null);
  }

  async #causesOf(run: string, flow: string, way: readonly string[]): Promise<readonly Cause[] | null> {
    const unopened = this.#runs.get(run);
    if (unopened != null) return [ofFlow(unopened, flow)];
    const asking = this.#askers.get(run) ?? this.#read(run);
    this.#askers.set(run, asking);
    const asked = await asking;
    if ('cause' in asked) return [ofFlow(asked, flow)];
    const { context, why } = asked;
    const v = context.index.get(flow);
    if (v === undefined) return [(await whyAbsent(this.#deps, context, flow)).cause];
    const { causes } = why(v, this.#limit);
    if (causes.some((cause) => cause.code === 'already_ran')) return null;
    return this.into(run, way, causes);
  }

  async #read(run: string): Promise<Asked> {
    const found = await contextOrCause(this.#deps, run, null);
    if ('cause' in found) return found;
    const { context } = found;
    const { state, facts } = await readWhyFacts(this.#deps.pool, context, this.#deps);
    return { context, why: whyAsker({ graph: context.graph, s: state, facts }) };
  }
}

/** A flow that waits for another run can also go on without it. */
const withWaive = (cause: Cause): Cause => {
  const { remedy } = cause;
  if (remedy.verb === 'waive' || remedy.otherwise.includes('waive')) return cause;
  return { ...cause, remedy: { ...remedy, otherwise: [...remedy.otherwise, 'waive'] } };
};
