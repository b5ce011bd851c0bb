/** The works of a run's flows (protocol C6): names fixed by the catalogue version, values and periods by the run. */
import { createHash } from 'node:crypto';
import type { Given } from '../../graph/catalogue/parameters.ts';
import { conditionOf, isFenced, lockKeys, workForm } from '../../graph/catalogue/program.ts';
import type { Flow } from '../../graph/model.ts';
import { parameterNames } from '../../sql/statements.ts';

export interface Work {
  /** sha256 in hex. */
  readonly key: string;
  readonly readable: string;
  readonly connection: string;
}

/** Flow id -> names that the text of its fenced program binds, sorted. */
export type Binds = Readonly<Record<string, readonly string[]>>;

/** Reads every program once. O(length of the texts). */
export function bindsOf(
  flows: Iterable<Flow>,
  textOf: (path: string) => string | undefined,
): Record<string, readonly string[]> {
  const byFile = new Map<string, readonly string[]>();
  const binds: Record<string, readonly string[]> = {};
  for (const flow of flows) {
    if (!isFenced(flow)) continue;
    const { program } = flow;
    if (program?.type !== 'sql') {
      binds[flow.id] = parameterNames(conditionOf(flow) ?? '');
      continue;
    }
    let names = byFile.get(program.file);
    if (names === undefined) {
      names = parameterNames(textOf(`programs/${program.file}`) ?? '');
      byFile.set(program.file, names);
    }
    binds[flow.id] = names;
  }
  return binds;
}

export interface Works {
  /** Null: its program is not fenced. */
  workOf(flow: Flow): Work | null;
  /** Everything that an attempt of the flow holds while its lease is open. */
  locksOf(flow: Flow): string[];
}

/** Each work is made when it is first asked for. `executed`: the flow with the program that the run carries out, on its connections. */
export function worksOf(
  binds: Binds,
  givenOf: (flow: Flow, generation: number) => ReadonlyMap<string, Given>,
  periodOf: (flow: Flow) => string,
  executed: (flow: Flow) => Flow,
): Works {
  const known = new Map<string, Work>();
  const workOf = (flow: Flow): Work | null => {
    if (!isFenced(flow)) return null;
    const found = known.get(flow.id);
    if (found !== undefined) return found;
    const form = workForm(executed(flow), periodOf(flow), binds[flow.id] ?? [], givenOf(flow, 1));
    if (form === null) return null;
    const { canonical, readable, connection } = form;
    const work = { key: createHash('sha256').update(canonical).digest('hex'), readable, connection };
    known.set(flow.id, work);
    return work;
  };
  return { workOf, locksOf: (flow) => lockKeys(flow, periodOf(flow), workOf(flow)) };
}
