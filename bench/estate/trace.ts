/** Recorded workflows as finished runs: each task after its parents, for as long as it was measured. */
import type { PastAttempt, PastFlow, PastRun } from '../../store/history/past-run.ts';
import { idsOf, PLATFORM } from '../load/graph-catalogue.ts';
import type { GraphFile } from '../load/graph-file.ts';
import { daysUntil, openingOf } from './moments.ts';

/**
 * The day runs of a recorded workflow, one for each of `days` days up to `last`. Tasks start as soon as their parents have ended: what the
 * recorded makespan has beyond that, queueing and overhead of another engine, is not in the file.
 */
export function* tracedRun(
  graph: GraphFile,
  { last, days }: { last: string; days: number },
): Generator<PastRun> {
  const ids = idsOf(graph);
  for (const period of daysUntil(last, days)) {
    const openedAt = openingOf('day', period);
    const endOf = new Map<string, number>();
    const flows: PastFlow[] = [];
    const attempts: PastAttempt[] = [];
    for (const { id, deps, runtimeSeconds = 0 } of graph.tasks) {
      const flow = ids.get(id)!;
      const releasedAt = deps.reduce((latest, dep) => Math.max(latest, endOf.get(dep)!), openedAt);
      const endedAt = releasedAt + Math.round(runtimeSeconds * 1000);
      endOf.set(id, endedAt);
      const one = { flow, generation: 1, attempt: 1 };
      attempts.push({
        ...one,
        agent: `${PLATFORM}-1`,
        sentAt: releasedAt,
        startedAt: releasedAt,
        endedAt,
        outcome: 'succeeded',
      });
      flows.push({
        ...one,
        runner: 'agent',
        result: 'succeeded',
        tainted: false,
        usedRetries: 0,
        startAt: 0,
        deadlineAt: 0,
        generationAt: openedAt,
        releasedAt,
        resultAt: endedAt,
      });
    }
    yield {
      cycle: 'day',
      period,
      purpose: 'scheduled',
      openedAt,
      finishedAt: Math.max(openedAt, ...endOf.values()),
      flows,
      attempts: attempts.sort((a, b) => a.sentAt - b.sentAt),
      generations: [],
      operations: [],
      releases: [],
    };
  }
}
