/** What flows say about tables and parameters, held against the text of their programs. */
import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { flowOf, programsFolder, programText, shipped } from './shipped.ts';

const withSql = shipped.flows.flatMap((flow) =>
  flow.program?.type === 'sql' ? [{ flow, sql: stripped(programText(flow.program.file)) }] : [],
);

/** Text without comments and quoted strings, in which only names of tables are left. */
function stripped(text: string): string {
  return text.replaceAll(/--.*$/gm, '').replaceAll(/'[^']*'/g, "''");
}

const matches = (text: string, pattern: RegExp): string[] => [
  ...new Set([...text.matchAll(pattern)].map((match) => match[1]!)),
];

/** Flows that run before `id` in every run. */
function ancestors(id: string, found = new Set<string>()): Set<string> {
  for (const { from } of flowOf(id).after) {
    if (found.has(from)) continue;
    found.add(from);
    ancestors(from, found);
  }
  return found;
}

describe('programs of the month start', () => {
  test('every file is the program of exactly one flow', () => {
    const files = shipped.flows.flatMap((flow) => (flow.program?.type === 'sql' ? [flow.program.file] : []));
    expect(files.sort()).toEqual(readdirSync(programsFolder).sort());
  });

  test.each(withSql)('$flow.id names the tables that its program reads and writes', ({ flow, sql }) => {
    const writes = matches(sql, /\b(?:insert into|delete from) (\w+\.\w+)/g);
    const reads = matches(sql, /\b(?:from|join) (\w+\.\w+)/g).filter(
      (table) => !writes.includes(table) && !/^(sluice|information_schema)\./.test(table),
    );
    expect([...flow.writes].sort()).toEqual(writes.sort());
    expect([...flow.reads].sort()).toEqual(reads.sort());
  });

  test.each(withSql)('$flow.id declares the parameters that its program uses', ({ flow, sql }) => {
    const used = matches(sql, /(?<!:):([a-z_]+)/g).filter(
      (name) => !['period', 'run', 'generation'].includes(name),
    );
    expect(Object.keys(flow.parameters).sort()).toEqual(used.sort());
  });

  test('a job replaces the rows of its period in the one table it writes, and leaves statistics of them', () => {
    for (const { flow, sql } of withSql.filter((entry) => entry.flow.kind === 'job')) {
      expect(flow.writes, flow.id).toHaveLength(1);
      const statements = sql
        .split(/;\s*$/m)
        .map((part) => part.trim())
        .filter((entry) => entry !== '');
      expect(statements[0], flow.id).toMatch(/^select sluice_require\(/);
      expect(statements.at(-3), flow.id).toMatch(/^delete from \S+ where (.* and )?(month|day) = :period$/);
      expect(statements.at(-2), flow.id).toMatch(/^insert into/);
      expect(statements.at(-1), flow.id).toBe(`analyze ${flow.writes[0]}`);
      expect(sql, flow.id).not.toMatch(/\b(commit|rollback|create|drop|truncate)\b/i);
    }
  });

  test('no two flows write the same table, except the distribution and the task it stands in for', () => {
    const writers = Map.groupBy(
      shipped.flows.flatMap((flow) => flow.writes.map((table) => ({ table, id: flow.id }))),
      ({ table }) => table,
    );
    const shared = [...writers.values()].filter((list) => list.length > 1);
    expect(shared.map((list) => list.map(({ id }) => id).sort())).toEqual([
      ['P06.S3.DistributionComplete.import', 'P06.S4.ForcePassMppTasks'],
    ]);
  });

  test('a flow that reads a table waits for the flow that writes it', () => {
    for (const reader of shipped.flows) {
      const before = ancestors(reader.id);
      for (const table of reader.reads) {
        const writers = shipped.flows.filter((flow) => flow.writes.includes(table) && flow.id !== reader.id);
        for (const writer of writers)
          expect(before, `${reader.id} reads ${table} of ${writer.id}`).toContain(writer.id);
      }
    }
  });
});
