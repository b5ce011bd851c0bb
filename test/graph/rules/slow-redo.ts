/** What has to be redone, found by applying the definition until nothing changes: test/graph/rules/redo-walk.test.ts holds the walk to it. */

/** A flow of a run. Null tables: not known. */
export interface SlowFlow {
  readonly id: string;
  readonly kind: 'job' | 'gate';
  readonly asks: boolean;
  readonly reads: readonly string[] | null;
  readonly writes: readonly string[] | null;
  readonly after: readonly string[];
  /** `flow@run`. */
  readonly foreign: readonly string[];
  /** 0 = not started. */
  readonly startedAt: number;
  readonly stops: boolean;
  /** The moment of a result that is news, or of a correction of a table that it reads; 0 = none. */
  readonly finishedAt: number;
  readonly correctedAt: number;
}

export interface SlowRun {
  readonly run: string;
  readonly flows: readonly SlowFlow[];
}

/** `flow@run` of those that are redone, and of those that have to wait. */
export function slowRedo(runs: readonly SlowRun[]): { redone: Set<string>; waiting: Set<string> } {
  const redone = new Set<string>();
  const name = (flow: SlowFlow, run: SlowRun): string => `${flow.id}@${run.run}`;
  /** How new what a flow has written is, or will be. */
  const newness = (flow: SlowFlow, run: SlowRun): number => {
    if (flow.stops) return 0;
    return redone.has(name(flow, run)) ? Number.POSITIVE_INFINITY : flow.finishedAt;
  };
  const meets = (writes: SlowFlow['writes'], reads: SlowFlow['reads']): boolean =>
    writes === null || reads === null || writes.some((table) => reads.includes(table));

  /** How new the newest input of a flow is. */
  function newestInput(flow: SlowFlow, run: SlowRun): number {
    const direct = upstreams(run, flow);
    const inputs = [flow.correctedAt];
    if (flow.kind === 'gate') {
      const isRedone = (n: number): boolean => n === Number.POSITIVE_INFINITY;
      for (const u of direct) inputs.push(isRedone(newness(u, run)) ? newness(u, run) : 0);
    } else {
      for (const u of direct)
        if (u.kind === 'job' && (u.writes === null || flow.reads === null)) inputs.push(newness(u, run));
      for (const u of above(run, flow)) {
        const knows = u.kind === 'job' && u.writes !== null && flow.reads !== null;
        if (knows && meets(u.writes, flow.reads)) inputs.push(newness(u, run));
      }
    }
    for (const text of flow.foreign) {
      const [id, of] = text.split('@') as [string, string];
      const other = runs.find((item) => item.run === of);
      const u = other?.flows.find((item) => item.id === id);
      if (other === undefined || u === undefined || u.kind === 'gate') continue;
      const n = newness(u, other);
      if (flow.kind === 'gate' ? n === Number.POSITIVE_INFINITY : meets(u.writes, flow.reads)) inputs.push(n);
    }
    return Math.max(...inputs);
  }

  for (let before = -1; before !== redone.size; ) {
    before = redone.size;
    for (const run of runs)
      for (const flow of run.flows) {
        if (flow.stops || flow.startedAt === 0 || (flow.kind === 'gate' && !flow.asks)) continue;
        const newest = newestInput(flow, run);
        if (flow.kind === 'gate' ? newest === Number.POSITIVE_INFINITY : newest > flow.startedAt)
          redone.add(name(flow, run));
      }
  }
  const waiting = new Set<string>();
  for (const run of runs)
    for (const flow of run.flows)
      if (
        flow.kind === 'job' &&
        !flow.stops &&
        flow.startedAt === 0 &&
        newestInput(flow, run) === Number.POSITIVE_INFINITY
      )
        waiting.add(name(flow, run));
  return { redone, waiting };
}

/** Directly above, without the edges inside a loop. */
function upstreams(run: SlowRun, flow: SlowFlow): SlowFlow[] {
  return flow.after.flatMap((id) => {
    const u = run.flows.find((other) => other.id === id);
    return u === undefined || (reaches(run, flow, u) && reaches(run, u, flow)) ? [] : [u];
  });
}

/** Whether `to` can be reached from `from`, over whatever edges. */
function reaches(run: SlowRun, from: SlowFlow, to: SlowFlow, seen = new Set<string>()): boolean {
  return to.after.some((id) => {
    if (id === from.id) return true;
    const u = run.flows.find((other) => other.id === id);
    if (u === undefined || seen.has(id)) return false;
    seen.add(id);
    return reaches(run, from, u, seen);
  });
}

/** Everything from which data can come: above, and nothing between that stops it. */
function above(run: SlowRun, flow: SlowFlow, seen = new Set<SlowFlow>()): Set<SlowFlow> {
  for (const u of upstreams(run, flow)) {
    if (seen.has(u) || u.stops) continue;
    seen.add(u);
    above(run, u, seen);
  }
  return seen;
}
