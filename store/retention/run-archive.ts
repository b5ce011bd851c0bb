/**
 * One run as a file, compressed with gzip: a first line that says what it is, then for each row a line of JSON,
 * `{"table": "run_flows", "row": {...}}`. It is written from one snapshot and read back before anybody relies on it.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import copy from 'pg-copy-streams';
import { SluiceError } from '../../errors.ts';
import type { Queryable } from '../schema/pool.ts';

/** Every table with rows of a run that are archived, a table before those that refer to it. `exchanges` is left out: only the engine reads it. */
export const RUN_TABLES: readonly { readonly table: string; readonly where: string }[] = [
  { table: 'runs', where: 'id = $1' },
  { table: 'run_counters', where: 'run_id = $1' },
  { table: 'run_flows', where: 'run_id = $1' },
  { table: 'flow_generations', where: 'run_id = $1' },
  { table: 'attempts', where: 'run_id = $1' },
  { table: 'run_log', where: 'run_id = $1' },
  { table: 'operations', where: 'run_id = $1' },
  { table: 'overrides', where: 'run_id = $1' },
  { table: 'give_ups', where: 'run_id = $1' },
  { table: 'notices', where: 'run_id = $1' },
  { table: 'subscriptions', where: 'run_id = $1' },
  { table: 'pauses', where: "scope = 'run:' || $1" },
];

/** By table, the column for which the database makes the value: a restored row gets a new one. */
const GENERATED: Readonly<Record<string, string>> = { overrides: 'id', notices: 'id', pauses: 'id' };

/** Rows of a table: those for which `where` holds, with the values of its parameters. */
interface Part {
  readonly table: string;
  readonly where: string;
  readonly values: readonly string[];
}

export interface WrittenArchive {
  /** The path of the file, relative to the archive's folder, with `/`. */
  readonly file: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly rows: Readonly<Record<string, number>>;
}

/** Writes the rows that the client's snapshot sees. When it answers, the file is complete, on disk, and was read back. */
export async function writeArchive(
  client: Queryable,
  given: {
    readonly folder: string;
    readonly file: string;
    readonly head: object;
    readonly parts: readonly Part[];
  },
): Promise<WrittenArchive> {
  const { folder, file, head, parts } = given;
  const path = join(folder, file);
  await mkdir(dirname(path), { recursive: true });
  const part = await open(`${path}.part`, 'w');
  try {
    await pipeline(linesOf(client, head, parts), createGzip(), part.createWriteStream({ flush: true }));
  } finally {
    await part.close().catch(() => {});
  }
  const counted = await countLines(`${path}.part`);
  for (const { table, where, values } of parts) {
    const found = await client.query<{ n: number }>(
      `select count(*)::int as n from ${table} where ${where}`,
      [...values],
    );
    const n = found.rows[0]!.n;
    if ((counted.rows[table] ?? 0) !== n)
      throw new SluiceError(
        'internal',
        `${file} holds ${counted.rows[table] ?? 0} rows of ${table}, not ${n}`,
      );
  }
  await rename(`${path}.part`, path);
  return { file, ...counted };
}

async function* linesOf(
  client: Queryable,
  head: object,
  parts: readonly Part[],
): AsyncGenerator<string | Buffer> {
  yield `${JSON.stringify(head)}\n`;
  for (const { table, where, values } of parts) {
    // COPY takes no parameters. JSON writes the characters of quote and delimiter as escapes, so that each row stays one plain line.
    const bound = await literals(client, where, values);
    const text = `select '{"table":"${table}","row":' || to_jsonb(t)::text || '}' from ${table} t where ${bound}`;
    yield* client.query(
      copy.to(`copy (${text}) to stdout (format csv, quote e'\\x01', delimiter e'\\x02')`),
    ) as AsyncIterable<Buffer>;
  }
}

async function literals(client: Queryable, where: string, values: readonly string[]): Promise<string> {
  const quoted: string[] = [];
  for (const value of values)
    quoted.push(
      (await client.query<{ q: string }>('select quote_literal($1::text) as q', [value])).rows[0]!.q,
    );
  return where.replace(/\$(\d+)/g, (_, n) => quoted[Number(n) - 1]!);
}

/** The lines of a file, not parsed; the first one is its head. */
async function* readLines(path: string): AsyncGenerator<string> {
  const input = createReadStream(path).pipe(createGunzip());
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) yield line;
}

async function countLines(path: string): Promise<Omit<WrittenArchive, 'file'>> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path)) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  const rows: Record<string, number> = {};
  let first = true;
  for await (const line of readLines(path)) {
    if (first) {
      first = false;
      continue;
    }
    const table = /^\{"table":"(\w+)"/.exec(line)?.[1] ?? '?';
    rows[table] = (rows[table] ?? 0) + 1;
  }
  return { sha256: hash.digest('hex'), bytes, rows };
}

/**
 * Puts the rows of a file back, table by table, and answers their number. Columns that the file lacks get their defaults, so an old file fits a
 * newer schema. Throws `archive_unreadable` when the file is missing or is not the one that was written.
 */
export async function readArchive(
  client: Queryable,
  folder: string,
  archived: Pick<WrittenArchive, 'file' | 'sha256'>,
): Promise<number> {
  const path = join(folder, archived.file);
  const { sha256 } = await countLines(path).catch((cause: Error) => {
    throw unreadable(archived.file, cause.message);
  });
  if (sha256 !== archived.sha256)
    throw unreadable(archived.file, 'its checksum is not the one that was noted');
  let batch: unknown[] = [];
  let table = '';
  let total = 0;
  const flush = async (): Promise<void> => {
    if (batch.length > 0) await insertRows(client, table, batch);
    total += batch.length;
    batch = [];
  };
  let first = true;
  for await (const line of readLines(path)) {
    if (first) {
      first = false;
      continue;
    }
    const parsed = JSON.parse(line) as { table: string; row: Record<string, unknown> };
    if (parsed.table !== table || batch.length >= 2_000) await flush();
    if (!RUN_TABLES.some((known) => known.table === parsed.table))
      throw unreadable(archived.file, `it has rows of '${parsed.table}'`);
    table = parsed.table;
    batch.push(parsed.row);
  }
  await flush();
  return total;
}

async function insertRows(client: Queryable, table: string, rows: readonly unknown[]): Promise<void> {
  const found = await client.query<{ column_name: string }>(
    `select column_name from information_schema.columns where table_schema = current_schema() and table_name = $1`,
    [table],
  );
  const given = rows[0] as Record<string, unknown>;
  const columns = found.rows
    .map((row) => row.column_name)
    .filter((column) => column in given && GENERATED[table] !== column)
    .map((column) => `"${column}"`)
    .join(', ');
  await client.query(
    `insert into ${table} (${columns}) select ${columns} from json_populate_recordset(null::${table}, $1)`,
    [JSON.stringify(rows)],
  );
}

const unreadable = (file: string, why: string): SluiceError =>
  new SluiceError('archive_unreadable', `${file}: ${why}`, { facts: { file } });
