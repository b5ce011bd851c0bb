/** What a sample database holds, as one line for each table: for comparing two preparations. */
import { connect } from './connect.ts';

export interface TableSum {
  /** `schema.table` */
  readonly table: string;
  readonly rows: number;
  /** Sum of the rows' 64-bit hashes: the order of rows plays no part. */
  readonly hash: string;
}

/** Sums of all tables of the given schemas, sorted by name. Reads every row once. */
export async function sampleChecksum(url: string, schemas: readonly string[]): Promise<TableSum[]> {
  const client = await connect(url);
  try {
    await client.query(`set datestyle = 'ISO, YMD'`);
    const tables = await client.query<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = any($1) order by 1`,
      [schemas],
    );
    const sums: TableSum[] = [];
    for (const { name } of tables.rows) {
      const sum = await client.query<{ rows: string; hash: string }>(
        `select count(*) as rows, coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text as hash from ${name} t`,
      );
      sums.push({ table: name, rows: Number(sum.rows[0]!.rows), hash: sum.rows[0]!.hash });
    }
    return sums.sort((a, b) => (a.table < b.table ? -1 : 1));
  } finally {
    await client.end();
  }
}
