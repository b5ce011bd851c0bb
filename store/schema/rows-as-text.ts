/**
 * Many rows as one text: 13,000 rows through the driver one by one take longer than everything that is computed on them.
 */
import type { Queryable } from './pool.ts';

/** Between fields, and between rows: characters that no id has. */
const FIELD = '\x1f';
const ROW = '\x1e';

/** A column of free text, which loses the separators. */
export const freeText = (column: string): string => `translate(${column}, chr(30) || chr(31), '  ')`;

export interface RowsQuery {
  /** Name of the prepared statement. */
  readonly name: string;
  readonly columns: readonly string[];
  readonly from: string;
  readonly order?: string;
  readonly values: readonly unknown[];
}

/** Rows of `select columns from ...`, field by field as texts; '' stands for null. */
export async function readRows(client: Queryable, query: RowsQuery): Promise<Iterable<string[]>> {
  return fieldsOfAll(await readText(client, query));
}

/** The same rows by their first field, not cut into fields yet: `fieldsOf` does that with those that are needed. */
export async function readRowTexts(client: Queryable, query: RowsQuery): Promise<Map<string, string>> {
  const text = await readText(client, query);
  const rows = new Map<string, string>();
  if (text !== null) for (const row of text.split(ROW)) rows.set(row.slice(0, row.indexOf(FIELD)), row);
  return rows;
}

export const fieldsOf = (row: string): string[] => row.split(FIELD);

async function readText(client: Queryable, query: RowsQuery): Promise<string | null> {
  const fields = query.columns.map((column) => `coalesce((${column})::text, '')`).join(', ');
  const order = query.order === undefined ? '' : ` order by ${query.order}`;
  const found = await client.query<{ rows: string | null }>({
    name: query.name,
    text: `select string_agg(concat_ws(chr(31), ${fields}), chr(30)${order}) as rows ${query.from}`,
    values: [...query.values],
  });
  return found.rows[0]?.rows ?? null;
}

function* fieldsOfAll(text: string | null): Generator<string[]> {
  if (text !== null) for (const row of text.split(ROW)) yield fieldsOf(row);
}
