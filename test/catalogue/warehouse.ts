/** A small sample warehouse for tests, and the shipped flows carried out on it by the real platforms. */
import pg from 'pg';
import { prepareSample } from '../../catalogue/sample/prepare.ts';
import type { Ending, ProgramSpec } from '../../contract/agent.ts';
import { firstDay, lastDay, mappedCycle, programPeriods } from '../../graph/calendar/calendar.ts';
import { createExportPlatform } from '../../platforms/copy/export.ts';
import { createImportPlatform } from '../../platforms/copy/import.ts';
import type { Platform } from '../../platforms/platform.ts';
import { createSqlPlatform } from '../../platforms/sql/sql.ts';
import type { Parameters } from '../../sql/statements.ts';
import { workKey } from '../platforms/task.ts';
import { createEmptyDatabase } from '../support/database.ts';
import { flowOf, programText } from './shipped.ts';

export type Row = Record<string, string | number | boolean | null>;

/** Two months, the second one with rows that changed in its middle. */
export const MONTHS = ['202608', '202609'] as const;

const INT8 = 20;
const NUMERIC = 1700;
const DATE = 1082;
/** Sums of the small sample stay far below 2^53; dates stay the text that they are. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format: 'text' | 'binary') => {
    if (oid === INT8 || oid === NUMERIC) return Number;
    if (oid === DATE) return (text: string) => text;
    return pg.types.getTypeParser(oid, format as 'text');
  }) as pg.CustomTypesConfig['getTypeParser'],
};

export interface Warehouse {
  readonly urls: { readonly yt: string; readonly mpp: string; readonly db24: string };
  /** All rows of a query, with numbers as numbers. */
  rows(connection: 'yt' | 'mpp' | 'db24', sql: string, values?: unknown[]): Promise<Row[]>;
  /** Carries out the flow for the month `yyyyMM`, as an agent does. */
  run(flow: string, month: string): Promise<Ending>;
  close(): Promise<void>;
}

/** Prepares a warehouse of 3,000 bill items a month. It is dropped when the file is done. */
export async function prepareWarehouse(options: { seed?: number } = {}): Promise<Warehouse> {
  const [yt, mpp, db24] = await Promise.all(['yt', 'mpp', 'db24'].map((name) => createEmptyDatabase(name)));
  const urls = { yt: yt!.url, mpp: mpp!.url, db24: db24!.url };
  await prepareSample({
    ytUrl: urls.yt,
    mppUrl: urls.mpp,
    db24Url: urls.db24,
    months: MONTHS,
    billItems: 3000,
    seed: options.seed ?? 11,
  });
  const clients = {
    yt: new pg.Client({ connectionString: urls.yt, types }),
    mpp: new pg.Client({ connectionString: urls.mpp, types }),
    db24: new pg.Client({ connectionString: urls.db24, types }),
  };
  await Promise.all(Object.values(clients).map((client) => client.connect()));
  const shared = { connections: urls, agentName: 'test' };
  const platforms: Partial<Record<ProgramSpec['type'], Platform>> = {
    sql: createSqlPlatform({ connections: urls, defaultConnection: 'yt' }),
    export: createExportPlatform(shared),
    import: createImportPlatform(shared),
  };
  let epoch = 0;
  return {
    urls,
    async rows(connection, sql, values = []) {
      return (await clients[connection].query<Row>(sql, values)).rows;
    },
    async run(id, month) {
      const flow = flowOf(id);
      const program = flow.program!;
      const runPeriod = `${month.slice(0, 4)}-${month.slice(4)}`;
      const cycle = mappedCycle(flow.period, flow.cycle);
      const period = cycle === 'day' ? lastDay('month', runPeriod) : runPeriod;
      const periods = programPeriods(cycle, period);
      const parameters: Parameters = Object.fromEntries(
        Object.entries(flow.parameters).map(([name, it]) => [
          name,
          'value' in it ? it.value : (periods as unknown as Record<string, string>)[it.from]!,
        ]),
      );
      const check = flow.kind === 'check';
      const spec =
        program.type === 'sql'
          ? { type: 'sql', sql: programText(program.file), connection: program.connection, check }
          : program;
      epoch += 1;
      return platforms[program.type]!.execute(
        {
          lease: { run: `month-${runPeriod}`, flow: id, generation: epoch, attempt: 1, epoch },
          program: id,
          period: periods.period,
          spec: spec as ProgramSpec,
          parameters,
          timeZone: 'Asia/Shanghai',
          timeoutMs: 30_000,
          orphanMs: 30_000,
          fenced: !check,
          twins: {},
          work: workKey(id, periods.period),
          workText: id,
          works: [],
          record: 'test',
          own: [],
          unended: [],
        },
        { signal: new AbortController().signal, log: () => {} },
      );
    },
    async close() {
      await Promise.all(Object.values(clients).map((client) => client.end()));
    },
  };
}

/** `2026-08-01` and `2026-08-31` of `202608`. */
export function daysOfMonth(month: string): { first: string; last: string; count: number } {
  const period = `${month.slice(0, 4)}-${month.slice(4)}`;
  const last = lastDay('month', period);
  return { first: firstDay('month', period), last, count: Number(last.slice(8)) };
}

/** Sums by key: what a `group by` does, written out. */
export function sumBy<T>(rows: readonly T[], key: (row: T) => unknown, value: (row: T) => number) {
  const sums = new Map<string, number>();
  for (const row of rows) {
    const name = String(key(row));
    sums.set(name, (sums.get(name) ?? 0) + value(row));
  }
  return sums;
}

/** Rows in an order that both sides of a comparison share. */
export function sorted(rows: readonly Row[]): Row[] {
  const text = (row: Row) => JSON.stringify(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)));
  return [...rows].sort((a, b) => (text(a) < text(b) ? -1 : 1));
}

/** `amount * part / whole`, halves away from zero: what `round` of a numeric answers. */
export function rounded(amount: number, part: number, whole: number): number {
  const doubled = 2 * Math.abs(amount) * part + whole;
  return Math.sign(amount) * Math.floor(doubled / (2 * whole));
}
