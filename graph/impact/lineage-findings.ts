/** Differences between declared tables, SQL and dependencies. Pure. */
import type { FlowData, Lineage, TableKey } from './lineage.ts';

export const LINEAGE_FINDINGS = {
  declared_not_used: 'a table is declared that the program does not touch',
  used_not_declared: 'the program touches a table that is not declared',
  not_readable: 'the program, or a part of it, cannot be read for its tables',
  no_dependency: 'a table is read whose producer is not waited for',
  unordered_writers:
    'a table is written for one period by another flow as well, and neither waits for the other',
} as const;
export type LineageFindingCode = keyof typeof LINEAGE_FINDINGS;

export interface LineageFinding {
  readonly flow: string;
  readonly code: LineageFindingCode;
  readonly side: 'reads' | 'writes' | null;
  readonly table: string | null;
  /** `not_readable`: why; `no_dependency`: the producer; `unordered_writers`: the other flow. */
  readonly detail: string | null;
}

interface Tables {
  readonly reads: readonly string[];
  readonly writes: readonly string[];
}

/** Findings about one flow with a SQL program; names in lower case. A flow may read what it writes without declaring it. */
export function disagreements(
  flow: string,
  declared: Tables,
  used: Tables & { readonly unread: string | null },
): LineageFinding[] {
  const found: LineageFinding[] = [];
  if (used.unread !== null)
    found.push({ flow, code: 'not_readable', side: null, table: null, detail: used.unread });
  for (const side of ['reads', 'writes'] as const) {
    const own = declared[side].map((table) => table.toLowerCase());
    for (const table of used[side])
      if (!own.includes(table) && !(side === 'reads' && used.writes.includes(table)))
        found.push({ flow, code: 'used_not_declared', side, table, detail: null });
    // A part of the SQL that could not be read may use it.
    if (used.unread === null)
      for (const table of own)
        if (!used[side].includes(table))
          found.push({ flow, code: 'declared_not_used', side, table, detail: null });
  }
  return found;
}

/**
 * Tables that a flow reads without waiting, directly or through others, for the flow that writes them. `upstreamOf`: ids that a flow waits for,
 * in all cycles. O(in-degree) when it waits for all of them directly, else O(V + E).
 */
export function missingDependencies(
  lineage: Lineage,
  { flow, reads }: FlowData,
  upstreamOf: (flow: string) => readonly string[],
): LineageFinding[] {
  const direct = new Set(upstreamOf(flow));
  const asked = reads.flatMap((table) =>
    producersOf(lineage, table, flow)
      .filter((producer) => !direct.has(producer))
      .map((producer) => ({ table, producer })),
  );
  if (asked.length === 0) return [];
  const above = new Set([flow]);
  for (const id of above) for (const up of upstreamOf(id)) above.add(up);
  return asked
    .filter(({ producer }) => !above.has(producer))
    .map(({ table, producer }) => ({
      flow,
      code: 'no_dependency' as const,
      side: 'reads' as const,
      table: table.slice(table.indexOf(' ') + 1),
      detail: producer,
    }));
}

const producersOf = ({ producers }: Lineage, table: TableKey, flow: string): readonly string[] =>
  (producers.get(table) ?? []).filter((id) => id !== flow);
