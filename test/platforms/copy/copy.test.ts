import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Ending } from '../../../contract/agent.ts';
import { createExportPlatform } from '../../../platforms/copy/export.ts';
import { createImportPlatform } from '../../../platforms/copy/import.ts';
import { checksumSql, columnsOf } from '../../../platforms/copy/staging.ts';
import type { SpecOf } from '../../../platforms/platform.ts';
import { applicationName } from '../../../platforms/sql/session.ts';
import { createEmptyDatabase } from '../../support/database.ts';
import { contextOf, type TaskOptions, taskOf } from '../task.ts';

const connections = {
  mpp: (await createEmptyDatabase('mpp')).url,
  yt: (await createEmptyDatabase('yt')).url,
};
const mpp = new pg.Client(connections.mpp);
const yt = new pg.Client(connections.yt);
const exporter = createExportPlatform({ connections, agentName: 'agent-a' });
const importer = createImportPlatform({ connections, agentName: 'agent-b' });

beforeAll(async () => {
  await Promise.all([mpp.connect(), yt.connect()]);
  await Promise.all([mpp, yt].map((client) => client.query("set timezone = 'Asia/Shanghai'")));
});
afterAll(async () => {
  await Promise.all([mpp.end(), yt.end()]);
});

const COLUMNS = ['period', 'id', 'amount', 'note', 'made_at', 'flag', 'code'];
const DEFINITION = `(period text, id bigint, amount numeric(12,2), note text, made_at timestamptz, flag boolean, code char(4))`;
beforeEach(async () => {
  await mpp.query(`drop schema if exists shfin cascade; create schema shfin; create table shfin.r_vr011 ${DEFINITION};
    insert into shfin.r_vr011
    select case when i % 4 = 0 then '202609' else '202610' end, i, i / 7.0,
           case i % 5 when 0 then null when 1 then e'tab\\tline\\nback\\\\slash \\b\\f\\r\\x0b' when 2 then '\\N'
                      when 3 then '科目' else '' end,
           timestamptz '2026-10-01 00:00+08' + i * interval '1.5 s', i % 3 = 0, case when i % 2 = 0 then 'a' end
    from generate_series(1, 1000) as i`);
  await yt.query(`drop schema if exists sluice cascade; drop table if exists rpt_vr011;
    create table rpt_vr011 ${DEFINITION}; insert into rpt_vr011 values ('202610', -1), ('202609', -2)`);
});

const exportSpec = (more: Partial<SpecOf<'export'>> = {}): SpecOf<'export'> => ({
  type: 'export',
  distribution: 'RPT_VR011',
  from: { connection: 'mpp', table: 'shfin.r_vr011' },
  to: { connection: 'yt', table: 'RPT_VR011' },
  columns: COLUMNS,
  where: 'period = :period',
  ...more,
});
const importSpec = (more: Partial<SpecOf<'import'>> = {}): SpecOf<'import'> => ({
  type: 'import',
  distribution: 'RPT_VR011',
  to: { connection: 'yt', table: 'RPT_VR011' },
  columns: COLUMNS,
  periodColumn: 'PERIOD',
  ...more,
});
const doExport = (options: TaskOptions = {}, more = {}, context = contextOf()): Promise<Ending> =>
  exporter.execute(taskOf(exportSpec(more), { program: 'RPT_VR011.export', ...options }), context);
const doImport = (options: TaskOptions = {}, more = {}): Promise<Ending> =>
  importer.execute(taskOf(importSpec(more), { program: 'RPT_VR011.import', ...options }), contextOf());
const control = async (table: 'export' | 'import') =>
  (await yt.query(`select * from sluice.disp_${table}_ctl order by generation`)).rows;
const targetRows = async (where = 'true') =>
  (await yt.query(`select t::text as row from rpt_vr011 t where ${where} order by row`)).rows.map(
    (one) => one.row,
  );

describe('a distribution', () => {
  it('copies every value as it is, replacing the rows of the period only', async () => {
    const context = contextOf();
    expect(await doExport({}, {}, context)).toEqual({ outcome: 'succeeded', rows: 750 });
    expect(await targetRows()).toHaveLength(2);
    expect(await doImport({ epoch: 2 })).toEqual({ outcome: 'succeeded', rows: 750 });
    const source = await mpp.query(
      "select t::text as row from shfin.r_vr011 t where period = '202610' order by row",
    );
    expect(await targetRows("period = '202610'")).toEqual(source.rows.map((one) => one.row));
    expect(await targetRows("period = '202609'")).toHaveLength(1);
    expect(context.text()).toMatch(/-- 750 rows, checksum \d+, \d+ ms/);
  });

  it('writes control rows with rows and a checksum that can be computed on the source another way', async () => {
    await doExport();
    await doImport({ epoch: 2 });
    const columns = await columnsOf(mpp, 'shfin.r_vr011', COLUMNS);
    const { rows } = await mpp.query(
      `select count(*)::text as rows, ${checksumSql(columns)} as checksum from shfin.r_vr011 where period = '202610'`,
    );
    const want = { ...rows[0], deal_stat: 99, distribution: 'RPT_VR011', period: '202610', generation: 1 };
    expect(await control('export')).toMatchObject([
      { ...want, agent: 'agent-a', source_table: 'shfin.r_vr011' },
    ]);
    expect(await control('import')).toMatchObject([{ ...want, agent: 'agent-b', target_table: 'RPT_VR011' }]);
  });

  it('reads its condition and times without zone in the zone of its flow, which the import takes over', async () => {
    // The night of the 1st in China is still the 30th in London: 32,400 rows of 1.5 s begin at midnight of the 1st.
    const where = "made_at::date = date '2026-10-01'";
    const berlin = { timeZone: 'Europe/Berlin' };
    expect(await doExport({}, { where: `${where} and period = :period` })).toMatchObject({ rows: 750 });
    expect(await doExport({ epoch: 2, generation: 2, ...berlin }, { where })).toMatchObject({ rows: 0 });
    await mpp.query('alter table shfin.r_vr011 alter made_at type timestamp using made_at');
    await doExport({ epoch: 3, generation: 3, ...berlin });
    expect(await doImport({ epoch: 4, generation: 3 })).toEqual({ outcome: 'succeeded', rows: 750 });
    expect((await control('export')).map((row) => row.time_zone)).toEqual([
      'Asia/Shanghai',
      'Europe/Berlin',
      'Europe/Berlin',
    ]);
    expect(await control('import')).toMatchObject([{ time_zone: 'Europe/Berlin' }]);
  });

  it('imports what an agent exported that stored no zone: it was UTC', async () => {
    await doExport({ timeZone: 'UTC' });
    await yt.query(
      `alter table sluice.disp_export_ctl drop time_zone; alter table sluice.disp_import_ctl drop time_zone`,
    );
    expect(await doImport({ epoch: 2 })).toEqual({ outcome: 'succeeded', rows: 750 });
    expect(await control('import')).toMatchObject([{ time_zone: null }]);
  });

  it('leaves nothing staged for longer than a season', async () => {
    await doExport({ period: '202609' });
    await yt.query("update sluice.disp_export_ctl set updated_at = now() - interval '91 days'");
    expect(await doExport({ epoch: 2 })).toMatchObject({ outcome: 'succeeded' });
    const staging = (await control('export'))[0].staging_table;
    const staged = await yt.query(
      `select sluice_period as period, count(*)::int as n from ${staging} group by 1`,
    );
    expect(staged.rows).toEqual([{ period: '202610', n: 750 }]);
    expect((await control('export')).map((entry) => [entry.period, entry.deal_stat]).sort()).toEqual([
      ['202609', -100],
      ['202610', 99],
    ]);
    expect(await doImport({ epoch: 3, period: '202609' })).toMatchObject({
      outcome: 'failed',
      message: expect.stringContaining('no finished export'),
    });
  });

  it('casts to the types of the target before it sums', async () => {
    await mpp.query(
      'alter table shfin.r_vr011 alter amount type numeric, alter id type text, alter code type text',
    );
    await doExport();
    expect(await doImport({ epoch: 2 })).toEqual({ outcome: 'succeeded', rows: 750 });
  });

  it('leaves the control row of a failed export at 0, and no staged row', async () => {
    const ending = await doExport({}, { where: 'nonsense = :period' });
    expect(ending).toMatchObject({
      outcome: 'failed',
      kind: 'program',
      message: expect.stringContaining('nonsense'),
    });
    const [row] = await control('export');
    expect(row).toMatchObject({ deal_stat: 0, rows: null });
    expect((await yt.query(`select from ${row.staging_table}`)).rowCount).toBe(0);
    expect(await doImport({ epoch: 2 })).toMatchObject({
      kind: 'program',
      message: expect.stringContaining('no finished export'),
    });
  });

  it('replaces its rows under a new generation and voids the older one', async () => {
    await doExport();
    await mpp.query('delete from shfin.r_vr011 where id > 500');
    expect(await doExport({ epoch: 2, generation: 2 })).toMatchObject({ outcome: 'succeeded', rows: 375 });
    expect((await control('export')).map((row) => row.deal_stat)).toEqual([-100, 99]);
    expect(await doImport({ epoch: 3 })).toEqual({ outcome: 'succeeded', rows: 375 });
    expect(await targetRows("period = '202610'")).toHaveLength(375);
  });

  it('can import again from the export that is there', async () => {
    await doExport();
    await doImport({ epoch: 2 });
    expect(await doImport({ epoch: 3, generation: 2 })).toMatchObject({ outcome: 'succeeded', rows: 750 });
    expect(await targetRows()).toHaveLength(751);
  });

  it('is fenced: repeated within a generation it does nothing, under an older epoch it is stale', async () => {
    await doExport({ epoch: 5 });
    expect(await doExport({ epoch: 6, attempt: 2, own: [5] })).toEqual({
      outcome: 'succeeded',
      already: true,
    });
    expect(await doExport({ epoch: 4 })).toMatchObject({ outcome: 'cancelled', stale: true });
    expect(await control('export')).toMatchObject([{ deal_stat: 99, rows: '750' }]);
  });

  it('refuses staged rows that somebody changed, and changes nothing', async () => {
    await doExport();
    const [row] = await control('export');
    await yt.query(`update ${row.staging_table} set amount = amount + 1 where id = 1`);
    expect(await doImport({ epoch: 2 })).toMatchObject({
      kind: 'program',
      message: expect.stringContaining('checksum'),
    });
    expect(await targetRows()).toHaveLength(2);
    expect(await control('import')).toEqual([]);
  });

  it('refuses rows of another period', async () => {
    await doExport({}, { where: undefined });
    expect(await doImport({ epoch: 2 })).toMatchObject({
      message: expect.stringContaining('250 exported rows do not belong'),
    });
  });

  it('refuses to read an export of another shape', async () => {
    await doExport();
    await yt.query('alter table rpt_vr011 alter amount type numeric(14,4)');
    expect(await doImport({ epoch: 2 })).toMatchObject({ message: expect.stringContaining('export again') });
  });

  it.each([
    ['a missing table', { to: { connection: 'yt', table: 'nowhere' } }, 'table nowhere does not exist'],
    ['a missing column', { columns: ['period', 'gone'] }, 'no column gone'],
    ['a column that is no name', { columns: ['period', 'id; drop table rpt_vr011'] }, 'is not a name'],
    ['a table that is no name', { from: { connection: 'mpp', table: 'a.b.c' } }, 'schema.table'],
    ['a missing connection', { from: { connection: 'db24', table: 't' } }, 'no connection db24'],
    ['two conditions', { where: 'true; drop table shfin.r_vr011' }, 'not one condition'],
  ])('names %s', async (_name, more, message) => {
    expect(await doExport({}, more)).toMatchObject({
      outcome: 'failed',
      kind: 'program',
      message: expect.stringContaining(message),
    });
  });

  it('writes parameters into its condition as literals only', async () => {
    for (const value of ["' or true --", '\\', "\\' or true --", '$$', ':period']) {
      const parameters = { value };
      expect(
        await doExport({ parameters, program: value.length.toString() }, { where: 'note = :value' }),
      ).toEqual({ outcome: 'succeeded', rows: 0 });
    }
  });

  it('is cancelled while it streams, on both sides', async () => {
    await mpp.query(
      `create view shfin.slow as select t.* from shfin.r_vr011 t, lateral (select pg_sleep(0.05 + 0 * t.id)) s`,
    );
    const context = contextOf();
    const ending = doExport({}, { from: { connection: 'mpp', table: 'shfin.slow' } }, context);
    const name = applicationName(taskOf(exportSpec(), { program: 'RPT_VR011.export' }));
    const active = async () =>
      (
        await mpp.query("select from pg_stat_activity where application_name = $1 and state = 'active'", [
          name,
        ])
      ).rowCount;
    while ((await active()) !== 2) await new Promise((resolve) => setTimeout(resolve, 5));
    context.controller.abort('cancel');
    expect(await ending).toEqual({ outcome: 'cancelled', effect: false });
    while ((await active()) !== 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });
});
