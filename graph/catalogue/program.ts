/** The name of a flow's program, the work that it does, and the locks that it takes without declaring them (protocol C6, C9). */
import type { Flow } from '../model.ts';
import type { Given, Value } from './parameters.ts';

/** The name of a program for people; also its key on fences of older versions. */
export function programName(flow: Pick<Flow, 'id' | 'program'>): string {
  const { program } = flow;
  switch (program?.type) {
    case 'sql':
      return program.file.replace(/^.*\//, '').replace(/\.sql$/, '');
    case 'export':
    case 'import':
      return `${program.distribution}.${program.type}`;
    default:
      return flow.id;
  }
}

/** Whether a program runs with a fence: SQL and copies do, except checks, which have no effect. */
export function isFenced(flow: Pick<Flow, 'kind' | 'program'>): boolean {
  const { kind, program } = flow;
  return (
    (program?.type === 'sql' && kind !== 'check') || program?.type === 'export' || program?.type === 'import'
  );
}

/** The text of a program that may name parameters; null = it has none, or it is in a file of the catalogue. */
export const conditionOf = ({ program }: Pick<Flow, 'program'>): string | null =>
  program?.type === 'export' ? (program.where ?? null) : null;

/** Flows whose works have the same `canonical` form do the same work. `readable` is for people. */
export interface WorkForm {
  readonly canonical: string;
  readonly readable: string;
  /** The connection that it writes to; the same work on two connections is two works. */
  readonly connection: string;
}

/**
 * The work of a fenced program (protocol C6): its path or distribution half, the parameters that its text binds (`binds`) with name, type and
 * value, and the period. Values that identify this run, flow or generation are left out.
 */
export function workForm(
  flow: Flow,
  period: string,
  binds: readonly string[],
  given: ReadonlyMap<string, Given>,
): WorkForm | null {
  const { program } = flow;
  if (!isFenced(flow) || program === undefined) return null;
  const [path, connection] = placeOf(flow);
  const parameters: [name: string, type: string, value?: Value][] = [];
  const listed: string[] = [];
  for (const name of [...binds].sort()) {
    const found = given.get(name);
    if (found === undefined) continue;
    const type = typeof found.value;
    if (found.own) parameters.push([name, type]);
    else {
      parameters.push([name, type, found.value]);
      if (!(name === 'period' && found.value === period)) listed.push(`${name}=${found.value}`);
    }
  }
  return {
    canonical: JSON.stringify([path, parameters, period]),
    readable: cut(`${path} ${period}${listed.length === 0 ? '' : ` (${listed.join(', ')})`}`),
    connection,
  };
}

const READABLE_CHARACTERS = 200;
const cut = (text: string): string =>
  text.length > READABLE_CHARACTERS ? `${text.slice(0, READABLE_CHARACTERS - 1)}…` : text;

function placeOf({ program, platform }: Flow): [path: string, connection: string] {
  switch (program?.type) {
    case 'sql':
      return [program.file, program.connection ?? platform ?? ''];
    case 'export':
    case 'import':
      return [`${program.distribution}.${program.type}`, program.to.connection];
    default:
      return ['', ''];
  }
}

/** Keys of the locks that an attempt holds while its lease is open. A `noop` has no effect, so it holds none. */
export function lockKeys(
  flow: Flow,
  period: string,
  work: { readonly key: string; readonly connection: string } | null,
): string[] {
  const named = flow.locks.map((lock) => `lock:${lock}`);
  if (work !== null) return [`work:${work.key}@${work.connection}`, ...named];
  if (flow.program?.type === 'shell' && flow.kind !== 'check')
    return [`program:${flow.id}:${period}`, ...named];
  return named;
}
