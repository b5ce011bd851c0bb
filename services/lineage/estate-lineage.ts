/** Lineage of a catalogue version: tables that are declared and tables that SQL programs use, taken together. Kept as long as the version is. */
import { setImmediate as immediately } from 'node:timers/promises';
import { unorderedWriters } from '../../graph/catalogue/unordered-writers.ts';
import {
  type FlowData,
  type Lineage,
  lineageOf,
  type TableKey,
  tableName,
} from '../../graph/impact/lineage.ts';
import {
  disagreements,
  type LineageFinding,
  missingDependencies,
} from '../../graph/impact/lineage-findings.ts';
import type { FlowTables } from '../../graph/impact/untouched.ts';
import type { Flow } from '../../graph/model.ts';
import type { CatalogueVersion } from '../../store/catalogue/catalogue.ts';
import { dataOf } from '../programs/flow-data.ts';
import { usedPrograms } from '../programs/program-check.ts';
import type { ProgramReader } from '../programs/program-reader.ts';
import type { SqlTables } from '../programs/sql-tables.ts';

export interface EstateLineage extends Lineage {
  readonly findings: readonly LineageFinding[];
  /** Flows of whose program not everything could be read: they may use more tables than is known. */
  readonly unread: ReadonlySet<string>;
}

/** Lineages of catalogue versions, each made once and kept as long as its version is. */
export class EstateLineages {
  readonly #programs: ProgramReader;
  readonly #kept = new WeakMap<CatalogueVersion, Promise<EstateLineage>>();

  constructor(programs: ProgramReader) {
    this.#programs = programs;
  }

  of(version: CatalogueVersion): Promise<EstateLineage> {
    const known = this.#kept.get(version) ?? build(version, this.#programs);
    this.#kept.set(version, known);
    known.catch(() => this.#kept.delete(version));
    return known;
  }
}

/** Number of flows processed before other requests get a turn. */
const TOGETHER = 50;

async function build(version: CatalogueVersion, reader: ProgramReader): Promise<EstateLineage> {
  const platforms = new Map(version.frame.connections.map(({ id, platform }) => [id, platform]));
  const programs = await tablesOfPrograms(version, reader);
  const flows: FlowData[] = [];
  const findings: LineageFinding[] = [];
  const unread = new Set<string>();
  for (const [i, flow] of [...version.flows.values()].entries()) {
    const used = programs.get(flow.id) ?? null;
    if (used === null ? flow.program?.type === 'sql' : used.unread !== null) unread.add(flow.id);
    if (used !== null) findings.push(...disagreements(flow.id, flow, used));
    flows.push(dataOf(flow, used, platforms));
    if (i % TOGETHER === 0) await immediately();
  }
  const lineage = lineageOf(flows);
  const upstreamOf = (id: string): readonly string[] =>
    (version.flows.get(id)?.after ?? []).map(({ from }) =>
      version.flows.has(from) ? from : `${from}.import`,
    );
  for (const [i, flow] of flows.entries()) {
    findings.push(...missingDependencies(lineage, flow, upstreamOf));
    if (i % TOGETHER === 0) await immediately();
  }
  for (const { table, first, second } of unorderedWriters([...version.flows.values()], flows))
    findings.push({
      flow: second,
      code: 'unordered_writers',
      side: 'writes',
      table: tableName(table),
      detail: first,
    });
  return { ...lineage, findings, unread };
}

const UNFINISHED: SqlTables = {
  reads: [],
  writes: [],
  unread: 'the parser did not finish within its limits',
};

/** Tables by flow; no entry for a flow without SQL or without its file. */
async function tablesOfPrograms(
  { flows, programs }: CatalogueVersion,
  reader: ProgramReader,
): Promise<ReadonlyMap<string, SqlTables>> {
  const files = [...programs].map(([path, text]) => ({ path, text }));
  const used = usedPrograms([...flows.values()], files);
  const facts = await reader.read(used.map(({ text }) => text));
  return new Map(
    used.flatMap(({ text, flows: users }) =>
      users.map(({ id }) => [id, facts.get(text)?.tables ?? UNFINISHED] as const),
    ),
  );
}

/** Declared tables and tables of the SQL; an empty list may be incomplete. Null: the flow moves no data. */
export function tablesIn(flow: Flow, { flows, unread }: EstateLineage): FlowTables | null {
  if (flow.runner !== 'agent') return null;
  const { reads, writes } = flows.get(flow.id)!;
  const known = (tables: readonly TableKey[]): readonly TableKey[] | null =>
    tables.length === 0 || unread.has(flow.id) ? null : tables;
  // A check writes nothing.
  return { reads: known(reads), writes: flow.kind === 'check' ? [] : known(writes) };
}
