/** The walk of `why` over several runs, breadth first, so that the way to each cause is a shortest one. */
import type { Unmet } from '../run/unmet.ts';
import { stepsUp } from '../run/unmet-walk.ts';
import type { ChainTo } from './found-causes.ts';
import type { Situation } from './situation.ts';

interface WalkedRun {
  readonly id: string;
  readonly at: Situation;
  readonly unmet: Unmet;
}

interface Step {
  readonly run: WalkedRun;
  /** As in graph/run/unmet-walk.ts. */
  readonly node: number;
  readonly before: Step | null;
  readonly depth: number;
}

/** O(V + E) of all runs that are reached. `find`: the flow to which an edge leads; null: it is not there. */
export function chainsFrom(
  home: WalkedRun,
  targets: readonly number[],
  find: (edge: { readonly run: string; readonly flow: string }) => { run: WalkedRun; v: number } | null,
): ChainTo {
  const steps = new Map<string, (Step | undefined)[]>();
  const queue: Step[] = [];
  const reach = (run: WalkedRun, node: number, before: Step | null): void => {
    let known = steps.get(run.id);
    if (known === undefined) {
      known = [];
      steps.set(run.id, known);
    }
    if (known[node] !== undefined) return;
    const step = { run, node, before, depth: (before?.depth ?? 0) + 1 };
    known[node] = step;
    queue.push(step);
  };
  for (const v of targets) reach(home, v, null);
  for (let head = 0; head < queue.length; head++) {
    const step = queue[head]!;
    const { run, node } = step;
    const { graph, s } = run.at;
    stepsUp(graph, run.unmet, node, (to) => reach(run, to, step));
    // Only nodes that are flows wait for other runs.
    for (const i of run.unmet.foreign.get(node) ?? []) {
      const { run: other, from } = s.subscriptions.list[i]!;
      const found = find({ run: other, flow: from });
      if (found !== null) reach(found.run, found.v, step);
    }
  }
  const wayTo = (step: Step): string[] => {
    const way: string[] = [];
    for (let at: Step | null = step; at !== null; at = at.before) {
      const { graph } = at.run.at;
      const flow = graph.ids[at.node < graph.n ? at.node : at.node - graph.n]!;
      const id = at.run === home ? flow : `${at.run.id}/${flow}`;
      if (way.at(-1) !== id) way.push(id);
    }
    return way.reverse();
  };
  return ({ ends }) => {
    let best: { step: Step; last: string | null } | null = null;
    for (const { run, at, last } of ends)
      for (const v of at) {
        const step = steps.get(run)?.[v];
        if (step !== undefined && (best === null || step.depth < best.step.depth)) best = { step, last };
      }
    if (best === null) return [];
    const way = wayTo(best.step);
    return best.last === null ? way : [...way, best.last];
  };
}
