/** Lineage: which flows write a table and which read it, from table to flow and back (Q03, Q08). Pure. */

/** A table on a platform, or the files between the two flows of a distribution. Names are compared in lower case. */
export type TableKey = string;

/** Key of a table on a platform, equal for all spellings of its name. */
export const tableKey = (platform: string | null | undefined, table: string): TableKey =>
  `${platform ?? ''} ${table.toLowerCase()}`;

/** Without its platform. */
export const tableName = (key: TableKey): string => key.slice(key.indexOf(' ') + 1);

export interface FlowData {
  readonly flow: string;
  readonly reads: readonly TableKey[];
  readonly writes: readonly TableKey[];
}

export interface Lineage {
  readonly flows: ReadonlyMap<string, FlowData>;
  readonly producers: ReadonlyMap<TableKey, readonly string[]>;
  readonly readers: ReadonlyMap<TableKey, readonly string[]>;
}

/** O(number of reads and writes). */
export function lineageOf(flows: readonly FlowData[]): Lineage {
  const producers = new Map<TableKey, string[]>();
  const readers = new Map<TableKey, string[]>();
  const note = (map: Map<TableKey, string[]>, table: TableKey, flow: string): void => {
    const list = map.get(table);
    if (list === undefined) map.set(table, [flow]);
    else list.push(flow);
  };
  for (const { flow, reads, writes } of flows) {
    for (const table of reads) note(readers, table, flow);
    for (const table of writes) note(producers, table, flow);
  }
  return { flows: new Map(flows.map((flow) => [flow.flow, flow])), producers, readers };
}

/** What lineage leads through: a flow or a table. */
export type LineageNode =
  | { readonly kind: 'flow'; readonly id: string }
  | { readonly kind: 'table'; readonly id: TableKey };

export interface Step {
  readonly node: LineageNode;
  /** Number of steps from the start; a step leads from a flow to a table or from a table to a flow. */
  readonly depth: number;
  /** Index in the list of the step that leads to it; null = it is the start. */
  readonly from: number | null;
}

/**
 * Everything that a table or flow is made of (`up`), or that is made of it (`down`), nearest first, at most `maxDepth` steps away. Each node
 * once, over a shortest way. O(number of reads and writes).
 */
export function follow(
  lineage: Lineage,
  start: LineageNode,
  direction: 'up' | 'down',
  maxDepth = Number.POSITIVE_INFINITY,
): Step[] {
  const keyOf = ({ kind, id }: LineageNode): string => `${kind} ${id}`;
  const seen = new Set([keyOf(start)]);
  const steps: Step[] = [{ node: start, depth: 0, from: null }];
  for (let i = 0; i < steps.length; i++) {
    const { node, depth } = steps[i]!;
    if (depth >= maxDepth) continue;
    for (const next of neighbours(lineage, node, direction)) {
      if (seen.has(keyOf(next))) continue;
      seen.add(keyOf(next));
      steps.push({ node: next, depth: depth + 1, from: i });
    }
  }
  return steps;
}

/** The nodes one step further in the direction. */
function neighbours(
  { flows, producers, readers }: Lineage,
  node: LineageNode,
  direction: 'up' | 'down',
): LineageNode[] {
  if (node.kind === 'table') {
    const ids = (direction === 'up' ? producers : readers).get(node.id) ?? [];
    return ids.map((id) => ({ kind: 'flow', id }));
  }
  const data = flows.get(node.id);
  const tables = (direction === 'up' ? data?.reads : data?.writes) ?? [];
  return tables.map((id) => ({ kind: 'table', id }));
}

/** Whether `to` reads a table that `from` writes, so that an edge between them carries data. */
export function handsOver({ flows }: Lineage, from: string, to: string): boolean {
  const writes = flows.get(from)?.writes;
  const reads = flows.get(to)?.reads;
  return writes !== undefined && reads !== undefined && writes.some((table) => reads.includes(table));
}
