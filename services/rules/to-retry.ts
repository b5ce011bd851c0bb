/** Which of the flows that failed are still failed, and may be run once more (protocol F2, `on: cause`). */
import { SluiceError } from '../../errors.ts';
import { FLAG, has, type RunState } from '../../graph/run/state.ts';
import { codeOf } from '../../graph/run/status.ts';
import { type RunContext, readRun } from '../../store/record/run-context.ts';
import { readState } from '../../store/record/run-state.ts';
import type { ActRow } from '../../store/rules/acts.ts';
import type { ServiceDeps } from '../deps.ts';
import { type LeftOut, leftOutOf } from '../rerun/rerun-across.ts';
import { readRoot } from './root.ts';

export interface FailedFlow {
  readonly act: ActRow;
  readonly v: number;
  readonly flow: string;
  readonly key: boolean;
}

export interface RunToRetry {
  readonly context: RunContext;
  readonly state: RunState;
  readonly failed: readonly FailedFlow[];
}

export interface ToRetry {
  readonly runs: readonly RunToRetry[];
  /** A person has done something about them, or their run has left the record. */
  readonly gone: readonly ActRow[];
  /** Of runs that stay as they are. */
  readonly left: readonly { readonly acts: readonly ActRow[]; readonly run: LeftOut }[];
}

/** A snapshot of each run. */
export async function toRetry(deps: ServiceDeps, acts: readonly ActRow[]): Promise<ToRetry> {
  const runs: RunToRetry[] = [];
  const gone: ActRow[] = [];
  const left: { acts: ActRow[]; run: LeftOut }[] = [];
  for (const [run, list] of Map.groupBy(acts, (act) => act.run!)) {
    const opened = await openRun(deps, run);
    if (opened === null) gone.push(...list);
    else if ('code' in opened) left.push({ acts: list, run: opened });
    else {
      const failed = list.flatMap((act) => failedFlow(opened, act) ?? []);
      const found = new Set(failed.map(({ act }) => act));
      gone.push(...list.filter((act) => !found.has(act)));
      if (failed.length > 0) runs.push({ ...opened, failed });
    }
  }
  return { runs, gone, left };
}

/** Null: the run has left the record. */
async function openRun(
  deps: ServiceDeps,
  run: string,
): Promise<Pick<RunToRetry, 'context' | 'state'> | LeftOut | null> {
  try {
    const left = leftOutOf(await readRun(deps.pool, run));
    if (left !== null) return left;
    const context = await deps.contextOf(run);
    return { context, state: await readState(deps.pool, context, deps.graceMs) };
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'unknown_run') return null;
    throw error;
  }
}

function failedFlow(
  { context, state }: Pick<RunToRetry, 'context' | 'state'>,
  act: ActRow,
): FailedFlow | null {
  const flow = act.flow!;
  const v = context.index.get(flow);
  if (v === undefined || has(state, v, FLAG.RETIRED)) return null;
  const isSame = state.generation[v] === readRoot(act).generation && state.result[v] === codeOf('failed');
  return isSame ? { act, v, flow, key: context.graph.attrOf(v).key } : null;
}
