/**
 * Prepares the sample warehouse: the databases that the programs of the month start read and write, filled with seeded rows. For databases of
 * a trial only: it drops and makes the schemas in `SCHEMAS` and the schema `sample`, and refuses a database with such a schema that no sample made.
 *
 * Words: `yt` is the platform YT, which people call the appliance (一体机). `apart`: DB24 has a database of its own, not a schema on the appliance.
 * `mark`: version, seed, size and months of a sample, kept in each of its databases, by which the same sample is recognised and not made again.
 */
import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import { SluiceError } from '../../errors.ts';
import { billingStatements, prepayStatement } from './billing.ts';
import { connect } from './connect.ts';
import { db24Statements, mppStatements } from './mpp.ts';
import { partyStatements } from './parties.ts';
import { type Scale, scaleOf } from './scale.ts';

/** Raised whenever tables or rows of the sample change, so that an older sample is made again. */
const SAMPLE_VERSION = 2;

const SCHEMAS = ['ods', 'dim', 'dwd', 'shfin', 'ods_mpp', 'dwd_mpp', 'app', 'db24'];

export interface SampleOptions {
  /** Connection URLs of the appliance and the MPP: two databases, as both have a schema `shfin`. */
  readonly ytUrl: string;
  readonly mppUrl: string;
  /** Connection URL of DB24; without it the schema `db24` is made in the appliance's database. */
  readonly db24Url?: string;
  /** Accounting months, `yyyyMM`. */
  readonly months?: readonly string[];
  /** Rows of bill items for each month; everything else follows from it. */
  readonly billItems?: number;
  /** 0 .. 2^31; the same seed gives the same rows. */
  readonly seed?: number;
}

export interface PreparedSample {
  /** False when the databases held this very sample already. */
  readonly prepared: boolean;
  readonly tookMs: number;
  readonly scale: Scale;
}

/**
 * Makes and fills the sample, or does nothing when it is there already. Preparations of the same database wait for each
 * other. A sample of another seed, scale or version is replaced.
 *
 * Throws `sample_refused` when one of the schemas exists in a database that holds no sample.
 */
export async function prepareSample(options: SampleOptions): Promise<PreparedSample> {
  const months = options.months ?? ['202608', '202609', '202610'];
  const scale = scaleOf(options.seed ?? 2026, months, options.billItems ?? 200_000);
  const startedAt = performance.now();
  const clients = {
    yt: await connect(options.ytUrl),
    mpp: await connect(options.mppUrl),
    db24: await connect(options.db24Url ?? options.ytUrl),
  };
  const took = () => Math.round(performance.now() - startedAt);
  try {
    await clients.yt.query(`select pg_advisory_lock(hashtext('sluice sample'))`);
    const mark = `${SAMPLE_VERSION} ${scale.seed} ${scale.billItems} ${scale.months.join(',')}`;
    const held = await Promise.all([
      marked(clients.yt, 'yt'),
      marked(clients.mpp, 'mpp'),
      marked(clients.db24, 'db24'),
    ]);
    if (held.every((found) => found === mark)) return { prepared: false, tookMs: took(), scale };

    for (const client of Object.values(clients)) await refuseForeign(client);

    // The databases are filled at the same time; only DB24's bills wait for the appliance, of which they are copies.
    const apart = options.db24Url !== undefined;
    await Promise.all([
      rebuild(clients.yt, ['yt-sources.sql', 'yt-targets.sql'], ytStatements(scale)),
      rebuild(clients.mpp, ['mpp.sql'], mppStatements(scale)),
      apart ? rebuild(clients.db24, ['db24.sql'], db24Statements(scale)) : null,
    ]);
    if (!apart) {
      await clients.db24.query(await sqlFile('db24.sql'));
      for (const statement of db24Statements(scale)) await clients.db24.query(statement);
    }
    await copyBills(clients.yt, clients.db24, scale.months);
    // New tables have no statistics: without them the planner guesses, badly where large ones are joined.
    // Small samples of the rows do; the default ones take a second.
    await Promise.all(
      Object.values(clients).map((client) => client.query('set default_statistics_target = 20; analyze')),
    );
    await setMark(clients.mpp, 'mpp', mark);
    await setMark(clients.db24, 'db24', mark);
    await setMark(clients.yt, 'yt', mark);
    return { prepared: true, tookMs: took(), scale };
  } finally {
    await Promise.all(Object.values(clients).map((client) => client.end()));
  }
}

function ytStatements(scale: Scale): string[] {
  return [
    ...partyStatements(scale),
    prepayStatement(scale),
    ...scale.months.flatMap((month) => billingStatements(scale, month)),
    // Rows lie in the order of their months, so a few pages of summary find a month; a b-tree would double the load time.
    ...['bill_item', 'bill_prod', 'bill_dtl4'].map(
      (table) => `create index on ods.${table} using brin (month) with (pages_per_range = 32)`,
    ),
  ];
}

/** The mark of the sample that a database holds; null when it holds none. */
async function marked(client: pg.Client, part: string): Promise<string | null> {
  const table = await client.query(`select to_regclass('sample.prepared') is not null as there`);
  if (!table.rows[0].there) return null;
  const row = await client.query(`select mark from sample.prepared where part = $1`, [part]);
  return row.rows[0]?.mark ?? null;
}

async function setMark(client: pg.Client, part: string, mark: string): Promise<void> {
  await client.query(
    `insert into sample.prepared (part, mark) values ($1, $2)
     on conflict (part) do update set mark = excluded.mark, prepared_at = now()`,
    [part, mark],
  );
}

const sqlFile = (name: string): Promise<string> => readFile(new URL(name, import.meta.url), 'utf8');

/** Throws `sample_refused` when the database has a schema of the sample's that no sample made. */
async function refuseForeign(client: pg.Client): Promise<void> {
  const ours = await client.query(`select to_regclass('sample.prepared') is not null as there`);
  const names = await schemasOf(client);
  if (ours.rows[0].there || names.length === 0) return;
  throw new SluiceError(
    'sample_refused',
    `The database ${client.database} has the schema ${names.join(', ')}, which the sample did not make.`,
    { facts: { database: client.database, schemas: names } },
  );
}

async function schemasOf(client: pg.Client): Promise<string[]> {
  const found = await client.query<{ nspname: string }>(
    `select nspname from pg_namespace where nspname = any($1) order by nspname`,
    [SCHEMAS],
  );
  return found.rows.map((row) => row.nspname);
}

/** Drops what an earlier sample made, makes the tables and runs the statements, all in one transaction. */
async function rebuild(
  client: pg.Client,
  files: readonly string[],
  statements: readonly string[],
): Promise<void> {
  await client.query('begin');
  // The sample can be made again at any time, so its commit need not wait for the disk.
  await client.query(`set local synchronous_commit = off`);
  for (const name of await schemasOf(client)) await client.query(`drop schema ${name} cascade`);
  await client.query(`drop schema if exists sample cascade`);
  await client.query(await sqlFile('platform.sql'));
  await client.query(
    `create table sample.prepared (part text primary key, mark text not null, prepared_at timestamptz not null default now())`,
  );
  for (const file of files) await client.query(await sqlFile(file));
  for (const statement of statements) await client.query(statement);
  await client.query('commit');
}

/** Copies the appliance's bills to DB24, and writes into its control table the numbers and amounts that billing announces to programs. */
async function copyBills(yt: pg.Client, db24: pg.Client, months: readonly string[]): Promise<void> {
  await db24.query('begin');
  await db24.query(`set local synchronous_commit = off`);
  for (const month of months) {
    const bills = await yt.query(
      `select array_agg(bill_id) as ids, array_agg(version) as versions, array_agg(account_id) as accounts,
         array_agg(total_fen) as totals, array_agg(discount_fen) as discounts
       from ods.bill where month = $1`,
      [month],
    );
    const { ids, versions, accounts, totals, discounts } = bills.rows[0];
    await db24.query(
      `insert into db24.bill
       select $1, * from unnest($2::bigint[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[])`,
      [month, ids, versions, accounts, totals, discounts],
    );
  }
  await db24.query(
    `insert into db24.billing_control
     select month, 'bill', count(*), sum(total_fen) from db24.bill group by month
     union all select month, 'bill_dtl4', count(*), sum(amount_fen) from db24.bill_dtl4 group by month`,
  );
  await db24.query('commit');
}
