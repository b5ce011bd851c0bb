/** A graph as a catalogue: one day flow a task, its program a noop (inside the agent) or a shell command (a real process). */
import type { GraphFile } from './graph-file.ts';

export const PLATFORM = 'bench';

export interface ProgramOptions {
  /** `shell` starts `true` under the wrapper: what an engine costs when something is really executed. */
  readonly program: 'noop' | 'shell';
  /** Recorded run times are divided by it; without recorded times a noop takes none. */
  readonly speedup: number;
}

/** File name -> text, as `sluice catalogue check` takes it. Ids of tasks that are no ids of flows become `t<number>`. */
export function catalogueOf(graph: GraphFile, { program, speedup }: ProgramOptions): Record<string, string> {
  const ids = idsOf(graph);
  const flows = graph.tasks.map((task) => ({
    id: ids.get(task.id),
    kind: 'job',
    cycle: 'day',
    names: { en: task.id, zh: task.id },
    platform: PLATFORM,
    program:
      program === 'shell'
        ? { type: 'shell', command: ['true'] }
        : { type: 'noop', ms: Math.round(((task.runtimeSeconds ?? 0) * 1000) / speedup) },
    after: task.deps.map((dep) => ids.get(dep)),
  }));
  return { 'bench.yaml': `flows:\n${flows.map((flow) => `  - ${JSON.stringify(flow)}\n`).join('')}` };
}

/** Task -> flow id. */
export function idsOf({ tasks }: GraphFile): Map<string, string> {
  const fit = tasks.every(({ id }) => /^[A-Za-z][A-Za-z0-9_.-]{0,119}$/.test(id));
  return new Map(tasks.map(({ id }, i) => [id, fit ? id : `t${i}`]));
}
