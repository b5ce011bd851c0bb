/** Graphs that come as files: those of the bench, `{name, tasks: [{id, deps}]}`, and recorded workflows, `{source, tasks: [{id, parents, runtimeSeconds}]}`. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { z } from 'zod';
import { SluiceError } from '../../errors.ts';

const BenchFile = z.object({
  name: z.string().min(1),
  tasks: z
    .array(
      z.object({
        id: z.string().min(1),
        deps: z.array(z.string()),
        runtimeSeconds: z.number().min(0).optional(),
      }),
    )
    .min(1),
});

const TraceFile = z.object({
  source: z.string().min(1),
  tasks: z
    .array(
      z.object({ id: z.string().min(1), parents: z.array(z.string()), runtimeSeconds: z.number().min(0) }),
    )
    .min(1),
});

export interface GraphTask {
  /** As in the file: not always an id that a catalogue takes. */
  readonly id: string;
  readonly deps: readonly string[];
  readonly runtimeSeconds?: number;
}

export interface GraphFile {
  /** Name of the graph; of a recorded workflow, the name of the file it was recorded in. */
  readonly name: string;
  /** In topological order: every upstream comes before what waits for it. */
  readonly tasks: readonly GraphTask[];
}

/** Reads either shape. Throws `usage` when the file is neither, names a task twice or one that is not there, or has a loop. */
export async function readGraphFile(path: string): Promise<GraphFile> {
  const text = await readFile(path, 'utf8').catch((cause: Error) => {
    throw new SluiceError('usage', `${path} cannot be read: ${cause.message}`, { cause });
  });
  return parseGraphFile(text, path);
}

/** The same for text at hand; `path` is what messages call it. */
export function parseGraphFile(text: string, path: string): GraphFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new SluiceError('usage', `${path} is not JSON: ${(cause as Error).message}`, { cause });
  }
  const shape = typeof value === 'object' && value !== null && 'source' in value ? TraceFile : BenchFile;
  const parsed = shape.safeParse(value);
  if (!parsed.success)
    throw new SluiceError('usage', `${path} is no graph: ${z.prettifyError(parsed.error)}`);
  const { data } = parsed;
  const name = 'source' in data ? basename(data.source).replace(/\.json$/, '') : data.name;
  const tasks = data.tasks.map(
    (task): GraphTask => ({
      id: task.id,
      deps: [...new Set('parents' in task ? task.parents : task.deps)],
      ...(task.runtimeSeconds === undefined ? {} : { runtimeSeconds: task.runtimeSeconds }),
    }),
  );
  return { name, tasks: inOrder(tasks, path) };
}

/** Topological order that keeps the file's own order wherever it may. O(V + E). */
function inOrder(tasks: readonly GraphTask[], path: string): GraphTask[] {
  const index = new Map(tasks.map(({ id }, i) => [id, i]));
  if (index.size !== tasks.length) {
    const twice = tasks.find(({ id }, i) => index.get(id) !== i)!;
    throw new SluiceError('usage', `${path} has the task '${twice.id}' twice`);
  }
  const waitsFor = tasks.map(({ id, deps }) =>
    deps.map((dep) => {
      const i = index.get(dep);
      if (i === undefined)
        throw new SluiceError('usage', `${path}: '${id}' waits for '${dep}', which is not there`);
      return i;
    }),
  );
  const downstream: number[][] = tasks.map(() => []);
  const open = waitsFor.map((deps, i) => {
    for (const dep of deps) downstream[dep]!.push(i);
    return deps.length;
  });
  const order: number[] = [];
  for (let i = 0; i < tasks.length; i++) if (open[i] === 0) order.push(i);
  for (let at = 0; at < order.length; at++)
    for (const next of downstream[order[at]!]!) if (--open[next]! === 0) order.push(next);
  if (order.length < tasks.length) {
    const stuck = tasks.find((_, i) => open[i]! > 0)!;
    throw new SluiceError('usage', `${path} has a loop; '${stuck.id}' is in it or waits for it`);
  }
  // A file that is in order already stays as it is.
  const ordered = waitsFor.every((deps, i) => deps.every((dep) => dep < i));
  return ordered ? [...tasks] : order.map((i) => tasks[i]!);
}
