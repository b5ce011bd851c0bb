/** The parts of a rerun plan in other runs (protocol E4, A11), found from run to run. */

import { membersBelow } from '../../graph/impact/rerun-across.ts';
import type { RerunPlan } from '../../graph/run/decisions.ts';
import { hasStarted } from '../../graph/run/settle.ts';
import type { RunState } from '../../graph/run/state.ts';
import { memberOf } from '../../graph/verbs/rerun.ts';
import { type RunContext, type RunRow, readRun } from '../../store/record/run-context.ts';
import { readState } from '../../store/record/run-state.ts';
import { waitingFlows } from '../../store/record/subscriptions.ts';
import type { ServiceDeps } from '../deps.ts';

export interface PlanPart {
  readonly context: RunContext;
  readonly state: RunState;
  /** In topological order. */
  readonly members: readonly number[];
}

/** A run that waits for redone flows and is left as it is: what started there becomes stale. */
export interface LeftOut {
  readonly run: string;
  readonly code: 'rehearsal' | 'run_closed' | 'run_frozen';
}

export interface Found {
  /** The requested run first; other runs may have added members to it. */
  readonly parts: readonly PlanPart[];
  readonly left: readonly LeftOut[];
}

/**
 * Finds the flows of all runs that have used old results of members, directly or through other flows. O(V + E) for each run, as often as its
 * members become more.
 */
export async function partsOf(deps: ServiceDeps, asked: PlanPart): Promise<Found> {
  const parts = new Map<string, PlanPart>([[asked.context.run.id, asked]]);
  const left = new Map<string, LeftOut>();
  const queue: { run: string; flows: readonly string[] }[] = [
    { run: asked.context.run.id, flows: asked.members.map((v) => asked.context.graph.ids[v]!) },
  ];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    for (const [run, flows] of await waitingFlows(deps.pool, next.run, next.flows)) {
      if (left.has(run)) continue;
      const known = parts.get(run) ?? (await openPart(deps, run));
      if ('code' in known) {
        left.set(run, known);
        continue;
      }
      const { context, state } = known;
      const users = flows.flatMap((flow) => context.index.get(flow) ?? []);
      const before = new Set(known.members);
      const more = membersBelow(context.graph, state, users).filter((v) => !before.has(v));
      if (more.length === 0) continue;
      const members = [...before, ...more].sort((a, b) => a - b);
      parts.set(run, { context, state, members });
      queue.push({ run, flows: more.map((v) => context.graph.ids[v]!) });
    }
  }
  return { parts: [...parts.values()], left: [...left.values()] };
}

/** Why a run is left as it is; null: its flows can be rerun. */
export function leftOutOf({
  id,
  purpose,
  state,
  frozen,
}: Pick<RunRow, 'id' | 'purpose' | 'state' | 'frozen'>): LeftOut | null {
  // A rehearsal is not rerun with the others, because nobody needs its results. People open another one.
  if (purpose === 'rehearsal') return { run: id, code: 'rehearsal' };
  if (state === 'closed') return { run: id, code: 'run_closed' };
  if (frozen !== null) return { run: id, code: 'run_frozen' };
  return null;
}

async function openPart(deps: ServiceDeps, run: string): Promise<PlanPart | LeftOut> {
  const left = leftOutOf(await readRun(deps.pool, run));
  if (left !== null) return left;
  const context = await deps.contextOf(run);
  return { context, state: await readState(deps.pool, context, deps.graceMs), members: [] };
}

/** Each run with its members, and with the upstream flows in other runs whose old results no longer count. */
export function plansFor(parts: readonly PlanPart[], asked: RerunPlan): { run: string; plan: RerunPlan }[] {
  const redone = new Set(
    parts.flatMap(({ context, state, members }) =>
      members.filter((v) => hasStarted(state, v)).map((v) => `${context.run.id} ${context.graph.ids[v]}`),
    ),
  );
  return parts.map(({ context, state, members }, i) => {
    const { graph, run, subscriptions } = context;
    const awaited = new Map(
      subscriptions.list
        .filter((item) => redone.has(`${item.run} ${item.from}`))
        .map((item) => [`${item.run} ${item.from}`, { from: item.from, run: item.run }]),
    );
    return {
      run: run.id,
      plan: {
        ...asked,
        graphVersion: graph.version,
        members: members.map((v) => memberOf(graph, state, v)),
        roots: i === 0 ? asked.roots : [],
        agreed: { awaits: [...awaited.values()] },
      },
    };
  });
}
