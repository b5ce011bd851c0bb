/** The final cause of many flows at once, for lists: one pass over each run (graph/why/why-run.ts). */
import { whyAsker } from '../../../graph/why/why.ts';
import { type WhyLine, whyRun } from '../../../graph/why/why-run.ts';
import { readWhyFacts } from '../../../store/history/history.ts';
import type { ServiceDeps } from '../../deps.ts';
import { othersOf } from '../../why/why-answer.ts';
import type { ScopedRun } from '../scope.ts';

export type Reading = Awaited<ReturnType<typeof readWhyFacts>>;

/** The state and facts of a run, and for each open flow the number of its final causes and the first of them. */
export async function readCauses(
  deps: ServiceDeps,
  run: ScopedRun,
): Promise<{
  reading: Reading;
  first: ReadonlyMap<string, WhyLine>;
  why: ReturnType<typeof whyAsker>;
  /** With the causes in other runs. */
  whyAcross: () => Promise<ReturnType<typeof whyAsker>>;
}> {
  const reading = await readWhyFacts(deps.pool, run, deps);
  const { flows } = whyRun(run.graph, reading.state, reading.facts, { limit: 0 });
  const asked = { graph: run.graph, s: reading.state, facts: reading.facts };
  let across: Promise<ReturnType<typeof whyAsker>> | null = null;
  return {
    reading,
    first: new Map(flows.map((line) => [line.flow, line])),
    why: whyAsker(asked),
    whyAcross: () => {
      across ??= othersOf(deps, asked).then((others) => whyAsker(asked, others));
      return across;
    },
  };
}

/** The causes of runs; those of a run are read when they are first asked for. */
export function causesOf(deps: ServiceDeps): (run: ScopedRun) => ReturnType<typeof readCauses> {
  const known = new Map<string, ReturnType<typeof readCauses>>();
  return (run) => {
    const found = known.get(run.run.id) ?? readCauses(deps, run);
    known.set(run.run.id, found);
    return found;
  };
}
