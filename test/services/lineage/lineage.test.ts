/** Lineage of the shipped catalogue and of a dirty one: route, findings, queries Q03, Q07, Q08, Q23, Q24, Q26. */
import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';

const database = await createTestDatabase('lineage');
const api = await startTestApi(database);
const analyst = await api.actor({ name: 'zhao', kind: 'person', roles: ['analyst'] });
const admin = await api.actor({ name: 'li', kind: 'person', roles: ['maintainer'] });

async function get(path: string): Promise<Json> {
  const { status, body } = await analyst.get(path);
  expect({ status, body }).toMatchObject({ status: 200 });
  return body;
}
const ask = (query: string): Promise<Json> => get(`/queries/${query}`);

describe('the shipped month start', () => {
  beforeAll(async () => {
    const folder = new URL('../../../catalogue/month-start/', import.meta.url);
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.(ya?ml|sql|py|sh)$/.test(path))
      .map((path) => ({ path, text: readFileSync(new URL(path, folder), 'utf8') }));
    const applied = await admin.post('/catalogue/apply', { files });
    expect(applied).toMatchObject({ status: 200 });
  });

  test('declared tables and SQL agree, every program can be read, and a flow that reads a table waits for the flow that writes it', async () => {
    const { items } = await get('/catalogue/findings?limit=1000');
    expect(items).toEqual([]);
  });

  test('from a table down to everything that is made of it, over the distribution to the other platform, and back', async () => {
    const down = await get('/lineage?flow=P04.S3.DwdMergeBillM');
    expect(down.items[0]).toMatchObject({ kind: 'flow', id: 'P04.S3.DwdMergeBillM', depth: 0, from: null });
    const table = down.items.findIndex((json: Json) => json.id === 'dwd.dwd_merge_bill_m');
    expect(down.items[table]).toMatchObject({ kind: 'table', platform: 'yt', depth: 1, from: 0 });
    const reader = down.items.find((json: Json) => json.id === 'P04.S4.DwdAccFinItemDtlM');
    expect(reader).toMatchObject({ kind: 'flow', depth: 2, from: table });
    const up = await get('/lineage?table=dwd.dwd_acc_fin_item_dtl_m&direction=up&depth=2');
    expect(up.items.map((json: Json) => json.id)).toContain('ods.account');
    expect(Math.max(...up.items.map((json: Json) => json.depth))).toBe(2);
    // The table of the customer, on the MPP, comes to the dimension on the appliance by a distribution.
    const dimension = await get('/lineage?table=dim.dim_acc_item_code&direction=up');
    const sources = dimension.items.filter((json: Json) => json.kind === 'table' && json.platform === 'mpp');
    expect(sources.map((json: Json) => json.id)).toEqual(['shfin.r_vr011']);
  });

  test('a table or flow that nobody knows is refused with what was meant', async () => {
    expect(await analyst.get('/lineage?table=dwd.dwd_merge_bil_m')).toMatchObject({
      status: 404,
      body: { code: 'unknown_table', facts: { near: ['dwd.dwd_merge_bill_m'] } },
    });
    expect(await analyst.get('/lineage?table=ods.account&platform=mpp')).toMatchObject({ status: 404 });
    expect(await analyst.get('/lineage')).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(await analyst.get('/lineage?flow=A&table=b')).toMatchObject({ status: 400 });
  });

  test('Q03 names sources, targets and who makes the sources', async () => {
    const { items } = await ask('Q03?flows=P04.S4.DwdAccFinItemDtlM');
    expect(items).toHaveLength(1);
    expect(items[0]).toMatchObject({
      program: 'DwdAccFinItemDtlM.sql',
      targetTables: ['dwd.dwd_acc_fin_item_dtl_m'],
    });
    expect(items[0].producers).toContain('dwd.dwd_merge_bill_m<-P04.S3.DwdMergeBillM');
    expect(items[0].producers).toContain('ods.account<--');
  });

  test('Q07 finds flows by program and by table, also by a part of the name', async () => {
    const { items } = await ask('Q07?name=dwd.dwd_merge_bill_m');
    expect(items[0]).toMatchObject({ flowId: 'P04.S3.DwdMergeBillM', role: 'produces' });
    expect(items.slice(1).every((json: Json) => json.role === 'reads')).toBe(true);
    expect((await ask('Q07?name=DwdMergeBillM.sql')).items).toMatchObject([
      { flowId: 'P04.S3.DwdMergeBillM', role: 'is' },
    ]);
    expect((await ask('Q07?name=mergebill')).items).toEqual([]);
    expect((await ask('Q07?name=mergebill&fuzzy=true')).items.length).toBeGreaterThan(4);
  });

  test('Q08 shows a distributed table with both ends and how far it is', async () => {
    const before = await ask('Q08?table=SHFIN.RPT_VR011');
    expect(before.items).toMatchObject([
      { sourceDb: 'mpp', sourceTable: 'shfin.r_vr011', targetDb: 'yt', run: null, dealStat: null },
    ]);
    const run = await openTestRun(api.pool, '2026-10');
    await api.coordinator!.settled(run);
    expect((await ask('Q08?table=shfin.r_vr011')).items).toMatchObject([
      {
        run,
        exportState: 'waiting_upstream',
        importState: 'waiting_upstream',
        dealStat: '0',
        lastFinishedAt: null,
      },
    ]);
    expect((await ask('Q08?table=ods.account')).items).toEqual([]);
  });
});

describe('a catalogue that is not in order', () => {
  beforeAll(async () => {
    const sql = (file: string) => ({ program: { type: 'sql', file, connection: 'yt' } });
    const feed = (id: string, no: string) => ({
      id,
      cycle: 'day',
      kind: 'interface',
      interface: { no },
      writes: [`ods.f${no}`],
    });
    await applyCatalogue(
      api.pool,
      catalogueText(
        [
          feed('LoadA', '001'),
          feed('LoadB', '002'),
          {
            id: 'Sum',
            cycle: 'day',
            after: ['LoadA'],
            ...sql('Sum.sql'),
            reads: ['ODS.F001', 'ods.unused'],
            writes: ['dwd.sum'],
          },
          { id: 'Late', cycle: 'day', ...sql('Late.sql'), reads: ['dwd.sum'], writes: [] },
          { id: 'Odd', cycle: 'day', ...sql('Odd.sql') },
          {
            id: 'Gone',
            cycle: 'day',
            after: ['Nowhere', { flow: 'Month', period: 'previous', cycle: 'hour' }],
          },
          { id: 'X', cycle: 'day', after: ['Z'], reads: ['t.z'], writes: ['t.x'] },
          { id: 'Y', cycle: 'day', after: ['X'], reads: ['t.x'] },
          { id: 'Z', cycle: 'day', after: ['Y'], writes: ['t.z'] },
          { id: 'Month', cycle: 'hour' },
        ],
        {
          connections: [{ id: 'yt', platform: 'yt' }],
          loadTables: [
            { id: 'comp', platform: 'yt', interfaces: ['001', '002'] },
            { id: 'flow', platform: 'yt', interfaces: ['001'] },
            { id: 'other', platform: 'mpp', interfaces: [] },
          ],
        },
      ),
      'import',
      [
        {
          path: 'programs/Sum.sql',
          text: 'insert into dwd.sum select * from ods.f001 join ods.more using (id) where p = :period',
        },
        {
          path: 'programs/Late.sql',
          text: 'update dwd.late set n = (select count(*) from dwd.sum); do $$ begin null; end $$',
        },
        { path: 'programs/Odd.sql', text: 'this is no sql; insert into dwd.odd values (1)' },
      ],
    );
  });

  test('findings name what is not declared, not used, not readable, and what is read without waiting for it', async () => {
    const { items } = await get('/catalogue/findings');
    expect(items.map((json: Json) => [json.flow, json.code, json.side, json.table])).toEqual([
      ['Sum', 'used_not_declared', 'reads', 'ods.more'],
      ['Sum', 'declared_not_used', 'reads', 'ods.unused'],
      ['Late', 'not_readable', null, null],
      ['Late', 'used_not_declared', 'writes', 'dwd.late'],
      ['Odd', 'not_readable', null, null],
      ['Odd', 'used_not_declared', 'writes', 'dwd.odd'],
      ['Late', 'no_dependency', 'reads', 'dwd.sum'],
    ]);
    expect(items[2].detail).toBe('a do block');
    expect(items[4].detail).toContain('syntax error');
    expect(items[6].detail).toBe('Sum');
    const first = await get('/catalogue/findings?limit=3');
    const rest = await get(`/catalogue/findings?limit=10&cursor=${first.nextCursor}`);
    expect([...first.items, ...rest.items]).toEqual(items);
  });

  test('Q23 lists dependencies that never come and tables that nobody makes', async () => {
    const rows = (await ask('Q23')).items.map((json: Json) => [json.flowId, json.dependencyId, json.problem]);
    expect(rows).toEqual([
      ['Gone', 'Nowhere', 'missing'],
      ['Gone', 'Month', 'no_run'],
      ['Sum', 'ods.unused', 'no_producer'],
      ['Sum', 'ods.more', 'no_producer'],
    ]);
  });

  test('Q24 says in which load tables of its platform an interface is missing', async () => {
    expect((await ask('Q24')).items).toEqual([
      {
        interfaceNo: '002',
        platform: 'yt',
        inTables: ['comp'],
        missingIn: ['flow'],
        loads: false,
        dependentFlows: [],
        dependents: 0,
      },
      {
        interfaceNo: '001',
        platform: 'yt',
        inTables: ['comp', 'flow'],
        missingIn: [],
        loads: true,
        dependentFlows: ['Sum'],
        dependents: 1,
      },
    ]);
    expect((await ask('Q24?interfaceNo=001')).total).toBe(1);
  });

  test('Q26 names the loop and its weakest edge: the one over which no table flows', async () => {
    expect((await ask('Q26')).items).toMatchObject([
      { cycleId: 'day-1', members: ['X', 'Y', 'Z'], size: 3, weakestEdge: 'Y->Z', carriesData: false },
    ]);
  });
});
