/**
 * Corrections that are reported by a row on a platform (protocol E5): what corrects a table there can say so in the same transaction. The
 * agent reads the rows, the API accepts or refuses each, and the answer is written beside it.
 */
import type { Connections } from './connections.ts';
import { withControl } from './control.ts';
import { CORRECTION_TABLE, underSchemaLock } from './fence.ts';

export interface CorrectionRow {
  readonly connection: string;
  /** Number of the row in `sluice.sluice_correction` of the connection. */
  readonly row: number;
  readonly table: string;
  readonly period: string;
  readonly reason: string;
}

export interface RowAnswer {
  readonly connection: string;
  readonly row: number;
  readonly answer: string;
}

export interface CorrectionRows {
  /** Rows without an answer, the oldest first. Databases that cannot be reached are left out. */
  look(): Promise<CorrectionRow[]>;
  /** Writes what became of rows; one that cannot be written is found by the next look. */
  answer(list: readonly RowAnswer[]): Promise<void>;
}

/** Maximum number of rows of one database in a look; the next look finds the others. */
const ROWS = 100;
/** Timeout of the statements of a look, ms. */
const LOOK_MS = 5_000;

const READ = `
select id, left(table_name, 300) as "table", left(period, 20) as period, left(reason, 2000) as reason
from sluice.sluice_correction where answered_at is null order by id limit ${ROWS}`;

const ANSWER = `
update sluice.sluice_correction c set answer = x.answer, answered_at = clock_timestamp()
from unnest($1::bigint[], $2::text[]) as x (id, answer) where c.id = x.id and c.answered_at is null`;

export function correctionRowsOf(connections: Connections): CorrectionRows {
  /** Connections whose fence was made before there were corrections, and whose table was tried to be made. */
  const made = new Set<string>();

  async function lookAt(connection: string, url: string): Promise<CorrectionRow[]> {
    return withControl(url, async (client) => {
      await client.query(`set statement_timeout = ${LOOK_MS}`);
      const found = await client.query<{ schema: boolean; there: boolean }>(
        `select to_regnamespace('sluice') is not null as schema, to_regclass('sluice.sluice_correction') is not null as there`,
      );
      const { schema, there } = found.rows[0]!;
      if (!there) {
        if (!schema || made.has(connection)) return [];
        made.add(connection);
        await underSchemaLock(client, () => client.query(CORRECTION_TABLE));
      }
      const rows = await client.query<Omit<CorrectionRow, 'connection' | 'row'> & { id: string }>(READ);
      return rows.rows.map(({ id, ...row }) => ({ ...row, connection, row: Number(id) }));
    });
  }

  return {
    async look() {
      const all = Object.entries(connections).map(([connection, url]) =>
        lookAt(connection, url).catch(() => []),
      );
      return (await Promise.all(all)).flat();
    },
    async answer(list) {
      const byConnection = Map.groupBy(list, ({ connection }) => connection);
      await Promise.all(
        [...byConnection].map(([connection, answers]) =>
          withControl(connections[connection]!, async (client) => {
            await client.query(`set statement_timeout = ${LOOK_MS}`);
            await client.query(ANSWER, [answers.map(({ row }) => row), answers.map(({ answer }) => answer)]);
          }).catch(() => {}),
        ),
      );
    },
  };
}
