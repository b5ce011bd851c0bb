/** Preparation of the sample warehouse: the same seed, the same rows; never over what is not its own. */
import pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { sampleChecksum } from '../../catalogue/sample/checksum.ts';
import { prepareSample, type SampleOptions } from '../../catalogue/sample/prepare.ts';
import { supplySource, WITHHELD_FLOW, withholdSource } from '../../catalogue/sample/withhold.ts';
import { ensurePlatformSchema } from '../../platforms/sql/fence.ts';
import { createEmptyDatabase } from '../support/database.ts';
import { MONTHS, prepareWarehouse } from './warehouse.ts';

const SCHEMAS = ['ods', 'dim', 'dwd', 'shfin', 'ods_mpp', 'dwd_mpp', 'app', 'db24'];

async function prepare(options: Partial<SampleOptions>) {
  const [yt, mpp, db24] = await Promise.all(['yt', 'mpp', 'db24'].map((name) => createEmptyDatabase(name)));
  const urls = { ytUrl: yt!.url, mppUrl: mpp!.url, db24Url: db24!.url };
  const all = { ...urls, months: ['202609'], billItems: 1000, seed: 5, ...options };
  await prepareSample(all);
  return all;
}

const checksums = async (urls: { ytUrl: string; mppUrl: string; db24Url: string }) => [
  ...(await sampleChecksum(urls.ytUrl, SCHEMAS)),
  ...(await sampleChecksum(urls.mppUrl, SCHEMAS)),
  ...(await sampleChecksum(urls.db24Url, SCHEMAS)),
];

async function ask<T extends pg.QueryResultRow>(url: string, sql: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.end();
  }
}

let shared: Awaited<ReturnType<typeof prepare>>;
let sums: Awaited<ReturnType<typeof checksums>>;
beforeAll(async () => {
  shared = await prepare({});
  sums = await checksums(shared);
});

describe('rows of the sample', () => {
  test('are the same for the same seed, and other ones for another seed', async () => {
    expect(await checksums(await prepare({}))).toEqual(sums);
    const other = await checksums(await prepare({ seed: 6 }));
    expect(other.map((entry) => entry.table)).toEqual(sums.map((sum) => sum.table));
    // Lists that are the same in every sample: nothing in them is drawn.
    const fixed = sums
      .filter((sum, i) => sum.rows > 12 && sum.hash === other[i]!.hash)
      .map((sum) => sum.table);
    expect(fixed).toEqual(['ods.acc_item', 'ods.csr_skill']);
  });

  test('of a month do not depend on which other months are prepared', async () => {
    const two = await prepare({ months: ['202608', '202609', '202610'] });
    const items = `select count(*)::int as rows, sum(hashtextextended(t::text, 0)::numeric) as hash
      from ods.bill_item t where month = '202609'`;
    expect(await ask(two.ytUrl, items)).toEqual(await ask(shared.ytUrl, items));
  });

  test('fill every source table and leave every target table empty', () => {
    const empty = sums.filter((sum) => sum.rows === 0).map((sum) => sum.table);
    const filled = sums.filter((sum) => sum.rows > 0).map((sum) => sum.table);
    expect(filled.filter((entry) => /^(dim|app)\.|^dwd/.test(entry))).toEqual(['dwd.dwd_usr_localized_m']);
    expect(empty.filter((entry) => !/^(dim|app)\.|^dwd/.test(entry))).toEqual(['shfin.rpt_vr011']);
  });

  test('cover all 13 regions', async () => {
    const [row] = await ask<{ regions: number }>(
      shared.ytUrl,
      'select count(distinct region_code)::int as regions from ods.base_station',
    );
    expect(row!.regions).toBe(13);
  });
});

describe('preparing', () => {
  test('again does nothing, and keeps what programs wrote', async () => {
    const options = shared;
    await ask(options.ytUrl, `insert into dim.dim_completion_flag values ('main_plan', '202609', 24, now())`);
    expect(await prepareSample(options)).toMatchObject({ prepared: false });
    expect(await ask(options.ytUrl, 'select dimension from dim.dim_completion_flag')).toHaveLength(1);
  });

  test('with another seed replaces the sample', async () => {
    const options = await prepare({ seed: 6 });
    expect(await checksums(options)).not.toEqual(sums);
    expect(await prepareSample({ ...options, seed: 5 })).toMatchObject({ prepared: true });
    expect(await checksums(options)).toEqual(sums);
  });

  test('twice at the same time does it once', async () => {
    const [yt, mpp] = await Promise.all([createEmptyDatabase('yt'), createEmptyDatabase('mpp')]);
    const options = { ytUrl: yt.url, mppUrl: mpp.url, months: ['202609'], billItems: 1000, seed: 5 };
    const both = await Promise.all([prepareSample(options), prepareSample(options)]);
    expect(both.map((entry) => entry.prepared).sort()).toEqual([false, true]);
  });

  test('without a database for DB24 makes its schema beside the appliance', async () => {
    const [yt, mpp] = await Promise.all([createEmptyDatabase('yt'), createEmptyDatabase('mpp')]);
    const options = { ytUrl: yt.url, mppUrl: mpp.url, months: ['202609'], billItems: 1000, seed: 5 };
    expect(await prepareSample(options)).toMatchObject({ prepared: true });
    expect(await prepareSample(options)).toMatchObject({ prepared: false });
    const apart = sums.filter((sum) => sum.table.startsWith('db24.'));
    expect(await sampleChecksum(yt.url, ['db24'])).toEqual(apart);
    expect(await prepareSample({ ...options, seed: 6 })).toMatchObject({ prepared: true });
    expect(await sampleChecksum(yt.url, ['db24'])).not.toEqual(apart);
  });

  test('refuses a database whose schemas it did not make, and leaves it alone', async () => {
    const [yt, mpp] = await Promise.all([createEmptyDatabase('yt'), createEmptyDatabase('mpp')]);
    await ask(yt.url, 'create schema dwd; create table dwd.precious as select 1 as value');
    await expect(prepareSample({ ytUrl: yt.url, mppUrl: mpp.url, billItems: 1000 })).rejects.toMatchObject({
      code: 'sample_refused',
    });
    expect(await ask(yt.url, 'select value from dwd.precious')).toEqual([{ value: 1 }]);
  });

  test.each([
    ['a month that is none', { months: ['202613'] }, 'invalid_period'],
    ['too few bill items', { billItems: 10 }, 'sample_refused'],
    ['a seed that is no whole number', { seed: 0.5 }, 'sample_refused'],
  ])('refuses %s', async (_, options, code) => {
    const nowhere = 'postgres://127.0.0.1:1/nowhere';
    await expect(prepareSample({ ytUrl: nowhere, mppUrl: nowhere, ...options })).rejects.toMatchObject({
      code,
    });
  });

  test('makes the control rows of distributions as the platform code does', async () => {
    const bare = await createEmptyDatabase('bare');
    const client = new pg.Client({ connectionString: bare.url });
    await client.connect();
    await ensurePlatformSchema(client).finally(() => client.end());
    const columns = `select table_name, column_name, data_type, is_nullable, column_default, ordinal_position
      from information_schema.columns where table_schema = 'sluice' and table_name like 'disp%' order by 1, 6`;
    const keys = `select conrelid::regclass::text, pg_get_constraintdef(oid) from pg_constraint
      where contype = 'p' and conrelid::regclass::text like 'sluice.disp%' order by 1`;
    expect(await ask(shared.ytUrl, columns)).toEqual(await ask(bare.url, columns));
    expect(await ask(shared.ytUrl, keys)).toEqual(await ask(bare.url, keys));
  });
});

test('a withheld source makes exactly its program fail, and supplying it gives back the same rows', async () => {
  const house = await prepareWarehouse();
  const month = MONTHS[1];
  const before = await sampleChecksum(house.urls.yt, SCHEMAS);
  const withheld = await withholdSource(house.urls.yt, month);
  expect(withheld).toBeGreaterThan(100);
  expect(await withholdSource(house.urls.yt, month)).toBe(0);
  const changed = (await sampleChecksum(house.urls.yt, SCHEMAS)).filter(
    (entry, i) => entry.hash !== before[i]!.hash,
  );
  expect(changed.map((entry) => entry.table)).toEqual(['ods.pocket']);

  const ending = await house.run(WITHHELD_FLOW, month);
  expect(ending).toMatchObject({ outcome: 'failed', kind: 'program' });
  expect(JSON.stringify(ending)).toContain('ods.pocket has no rows of month 202609');
  expect(await house.run(WITHHELD_FLOW, MONTHS[0])).toMatchObject({ outcome: 'succeeded' });

  expect(await supplySource(house.urls.yt, month)).toBe(withheld);
  expect(await supplySource(house.urls.yt, month)).toBe(0);
  expect(await house.run(WITHHELD_FLOW, month)).toMatchObject({ outcome: 'succeeded' });
  const sources = SCHEMAS.filter((schema) => schema !== 'dwd');
  expect(await sampleChecksum(house.urls.yt, sources)).toEqual(
    before.filter((entry) => !entry.table.startsWith('dwd.')),
  );
  await house.close();
});
