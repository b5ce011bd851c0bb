/**
 * The tables in which an export leaves the rows for its import: one for each distribution and shape, in the schema `sluice` of
 * the target, with the column types of the target table. Their key is period, run and generation (protocol D3).
 */
import { createHash } from 'node:crypto';
import pg from 'pg';
import { ProgramError } from '../../sql/program-error.ts';
import { underSchemaLock } from '../sql/fence.ts';
import { quoteName, quoteTable } from './identifiers.ts';

export interface Column {
  /** Quoted. */
  readonly name: string;
  /** As `format_type` writes it, with length and precision. */
  readonly type: string;
  /** A base type that every PostgreSQL has: the source can cast to it. */
  readonly builtin: boolean;
}

/** The named columns of a table, in the given order. Throws ProgramError for a table or column that does not exist. */
export async function columnsOf(
  client: pg.ClientBase,
  table: string,
  names: readonly string[],
): Promise<Column[]> {
  const quoted = quoteTable(table);
  const { rows } = await client.query<{ name: string; type: string; builtin: boolean }>(
    `select a.attname as name, format_type(a.atttypid, a.atttypmod) as type,
            t.typtype = 'b' and t.typnamespace = 'pg_catalog'::regnamespace as builtin
     from pg_attribute a join pg_type t on t.oid = a.atttypid
     where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped`,
    [quoted],
  );
  if (rows.length === 0) throw new ProgramError(`table ${table} does not exist on the target`);
  const known = new Map(rows.map((row) => [pg.escapeIdentifier(row.name), row]));
  return names.map((name) => {
    const row = known.get(quoteName(name));
    if (row === undefined) throw new ProgramError(`table ${table} has no column ${name}`);
    return { name: quoteName(name), type: row.type, builtin: row.builtin };
  });
}

/** The name of the staging table. Another shape of the target has another staging table, so old rows are never read in a new shape. */
export function stagingTable(distribution: string, columns: readonly Column[]): string {
  const shape = JSON.stringify([distribution, columns.map(({ name, type }) => [name, type])]);
  const hash = createHash('sha256').update(shape).digest('hex').slice(0, 10);
  const readable = distribution
    .toLowerCase()
    .replaceAll(/[^a-z0-9_]/g, '_')
    .slice(0, 40);
  return `sluice.${pg.escapeIdentifier(`stg_${readable}_${hash}`)}`;
}

/** Creates the staging table if it does not exist. Several agents may do so at the same time. */
export async function ensureStaging(
  client: pg.ClientBase,
  table: string,
  columns: readonly Column[],
): Promise<void> {
  const { rows } = await client.query<{ there: boolean }>('select to_regclass($1) is not null as there', [
    table,
  ]);
  if (rows[0]!.there) return;
  const list = columns.map(({ name, type }) => `${name} ${type}`).join(', ');
  await underSchemaLock(client, () =>
    client.query(
      `create table if not exists ${table}
         (sluice_period text not null, sluice_run text not null, sluice_generation integer not null, ${list});
       create index if not exists ${pg.escapeIdentifier(`${table.slice(8, -1)}_key`)}
         on ${table} (sluice_period, sluice_run, sluice_generation)`,
    ),
  );
}

/** Types whose text never needs an escape in COPY's text format: no backslash, tab or line end in it. */
const PLAIN =
  /^(smallint|integer|bigint|numeric|real|double precision|boolean|date|time|timestamp|uuid|oid|interval)\b/;

/**
 * SQL for the checksum over all rows of a set: the sum of the first 60 bits of the md5 of each row's line in COPY's
 * text format. It does not depend on the order of rows, and `ChecksumStream` computes the same over the stream.
 */
export function checksumSql(columns: readonly Column[]): string {
  const fields = columns.map(({ name, type }) => {
    // concat() takes the type's output function, as COPY does; a cast to text would lose char(n)'s blanks.
    const text = PLAIN.test(type) && !type.endsWith(']') ? `concat(${name})` : escaped(`concat(${name})`);
    return `case when ${name} is null then '\\N' else ${text} end`;
  });
  const line = fields.join(" || e'\\t' || ");
  return `coalesce(sum(('x' || substr(md5(convert_to(${line}, 'UTF8')), 1, 15))::bit(60)::bigint), 0)::text`;
}

/** Escapes as COPY does. The backslash comes first, so that nothing is escaped twice. */
function escaped(text: string): string {
  let inner = `replace(${text}, e'\\\\', e'\\\\\\\\')`;
  for (const letter of ['b', 'f', 'n', 'r', 't', 'v']) {
    inner = `replace(${inner}, ${CONTROL[letter]}, e'\\\\${letter}')`;
  }
  return inner;
}

/** PostgreSQL's e'' knows no \v. */
const CONTROL: Readonly<Record<string, string>> = {
  b: "e'\\b'",
  f: "e'\\f'",
  n: "e'\\n'",
  r: "e'\\r'",
  t: "e'\\t'",
  v: "e'\\x0b'",
};
