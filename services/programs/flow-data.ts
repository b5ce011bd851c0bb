/** Tables of one flow, by what it declares and what its SQL says. */
import { type FlowData, type TableKey, tableKey } from '../../graph/impact/lineage.ts';
import type { Flow } from '../../graph/model.ts';
import type { SqlTables } from './sql-tables.ts';

const STAGING = `${tableKey(null, '')}staging of `;
/** The staging table between the halves of a distribution, as a table of no platform. */
export const stagingOf = (distribution: string): TableKey => `${STAGING}${distribution}`;
export const isStaging = (table: TableKey): boolean => table.startsWith(STAGING);

export function dataOf(flow: Flow, used: SqlTables | null, platforms: ReadonlyMap<string, string>): FlowData {
  const { program } = flow;
  const on = (platform: string | undefined, tables: readonly string[]): TableKey[] =>
    tables.map((table) => tableKey(platform, table));
  const connection = program?.type === 'sql' ? program.connection : undefined;
  const platform = platforms.get(connection ?? '') ?? flow.platform;
  const reads = on(
    program?.type === 'export' ? platforms.get(program.from.connection) : platform,
    flow.reads,
  );
  const writes = on(platform, flow.writes);
  if (program?.type === 'export') writes.push(stagingOf(program.distribution));
  if (program?.type === 'import') reads.push(stagingOf(program.distribution));
  reads.push(...on(platform, used?.reads ?? []));
  writes.push(...on(platform, used?.writes ?? []));
  return { flow: flow.id, reads: [...new Set(reads)], writes: [...new Set(writes)] };
}
