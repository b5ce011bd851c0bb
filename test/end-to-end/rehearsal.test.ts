/** A rehearsal on real processes and databases: everything runs on twins, and the production databases are the same afterwards. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPool } from '../../store/schema/pool.ts';
import { createEmptyDatabase, createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, type ShortFlow } from '../support/estate.ts';
import { createInstallation } from '../support/processes.ts';

const database = await createTestDatabase('rehearsal');
const [yt, mpp, ytTwin, mppTwin] = await Promise.all(
  ['yt', 'mpp', 'yt_twin', 'mpp_twin'].map((name) => createEmptyDatabase(`rehearsal_${name}`)),
);
const urls = { yt: yt!.url, mpp: mpp!.url, yt_rehearsal: ytTwin!.url, mpp_rehearsal: mppTwin!.url };
const pool = createPool(database.url, { max: 4, name: 'test' });
const open = (url: string): pg.Pool => new pg.Pool({ connectionString: url, max: 2 });
const on = {
  yt: open(urls.yt),
  mpp: open(urls.mpp),
  ytTwin: open(urls.yt_rehearsal),
  mppTwin: open(urls.mpp_rehearsal),
};
const folder = await mkdtemp(join(tmpdir(), 'sluice-rehearsal-'));
const installation = await createInstallation(database, urls);
const { call } = installation;
afterAll(async () => {
  await Promise.all([pool.end(), ...Object.values(on).map((entry) => entry.end())]);
  await rm(folder, { recursive: true, force: true });
});

const TABLES = `create table fee (period text, region text, amount numeric);
  create table fee_sum (period text, amount numeric);
  insert into fee values ('202610', 'BJ', 1), ('202610', 'SH', 2);`;
const connections = [
  { id: 'yt', platform: 'yt', rehearsal: 'yt_rehearsal' },
  { id: 'mpp', platform: 'yt', rehearsal: 'mpp_rehearsal' },
];
const note = (text: string): string => `echo ${text} >> ${join(folder, text)}`;
const shell = (id: string, more: object) => ({
  id,
  program: { type: 'shell', command: ['sh', '-c', note(`${id}.production`)], ...more },
});
const FLOWS = [
  {
    id: 'Sum',
    program: { type: 'sql', file: 'sum.sql', connection: 'yt' },
    parameters: { region: { value: 'BJ' } },
  },
  {
    id: 'There',
    kind: 'check',
    after: ['Sum'],
    program: { type: 'sql', file: 'there.sql', connection: 'yt' },
  },
  shell('Own', { rehearsal: ['sh', '-c', note('Own.rehearsal')] }),
  shell('Same', { rehearsal: 'command' }),
  shell('Left', { rehearsal: 'skip' }),
  { id: 'Below', after: ['Left'] },
  { id: 'Tell', kind: 'notify', after: ['Sum'], notice: { to: 'customer', en: 'done', zh: '完成' } },
];
const DISTRIBUTION = {
  id: 'Dist',
  names: { en: 'Dist', zh: 'Dist' },
  cycle: 'month',
  platform: 'yt',
  after: ['Sum'],
  from: { connection: 'yt', table: 'fee_sum' },
  to: { connection: 'mpp', table: 'fee_sum' },
  columns: ['period', 'amount'],
  periodColumn: 'period',
  where: 'period = :period',
};
const programs = [
  {
    path: 'programs/sum.sql',
    text: `delete from fee_sum where period = :period;
insert into fee_sum select :period, sum(amount) from fee where period = :period;
insert into fee values (:period, :region, 0);
create table made_by_program (n int);`,
  },
  { path: 'programs/there.sql', text: 'select count(*) = 1 from fee_sum where period = :period' },
];
const applied = (
  flows: readonly ShortFlow[],
  frame: object = { connections, distributions: [DISTRIBUTION] },
) => applyCatalogue(pool, catalogueText(flows, frame as Record<string, unknown>), 'apply', programs);

/** Every table of a database with all its rows, as text. */
async function contentOf(db: pg.Pool): Promise<unknown> {
  const tables = await db.query<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables
     where schemaname not in ('pg_catalog', 'information_schema') order by 1`,
  );
  const contents: Record<string, unknown> = {};
  for (const { name } of tables.rows)
    contents[name] = (await db.query(`select t::text from ${name} as t order by 1`)).rows;
  return contents;
}

const rehearse = (body: object = {}) =>
  call('POST', '/runs', { cycle: 'month', period: '2026-10', purpose: 'rehearsal', ...body });

async function settled(run: string): Promise<Record<string, string>> {
  const states = async (): Promise<Record<string, string>> => {
    const { body } = await call('GET', `/runs/${run}/flows?limit=100`);
    return Object.fromEntries(body.items.map((item: { id: string; state: string }) => [item.id, item.state]));
  };
  await expect.poll(async () => (await call('GET', `/runs/${run}`)).body.finishedAt !== null).toBe(true);
  return states();
}

beforeAll(async () => {
  for (const db of Object.values(on)) await db.query(TABLES);
  await applied(FLOWS);
  await Promise.all([installation.startApi(), installation.startWorker()]);
  await installation.startAgent('agent-1');
});

test('a rehearsal executes on twins only: production tables, fences and control rows are as they were', async () => {
  const before = { yt: await contentOf(on.yt), mpp: await contentOf(on.mpp) };
  const opened = await rehearse();
  expect(opened).toMatchObject({ status: 202, body: { id: 'month-2026-10-rehearsal-1' } });
  expect(await settled(opened.body.id)).toEqual({
    Sum: 'succeeded',
    There: 'succeeded',
    Own: 'succeeded',
    Same: 'succeeded',
    Left: 'skipped',
    Below: 'succeeded',
    Tell: 'succeeded',
    'Dist.export': 'succeeded',
    'Dist.import': 'succeeded',
  });
  expect({ yt: await contentOf(on.yt), mpp: await contentOf(on.mpp) }).toEqual(before);
  expect((await on.ytTwin.query('select period, amount from fee_sum')).rows).toEqual([
    { period: '202610', amount: '3' },
  ]);
  expect((await on.mppTwin.query('select period, amount from fee_sum')).rows).toEqual([
    { period: '202610', amount: '3' },
  ]);
  expect((await readdir(folder)).sort()).toEqual(['Own.rehearsal', 'Same.production']);
  const notices = await call('GET', `/notices?run=${opened.body.id}`);
  expect(notices.body.items).toMatchObject([
    { flow: 'Tell', recipient: 'customer', recordedOnly: true, sentAt: null },
  ]);
});

test('what the catalogue leaves out of rehearsals is skipped again when it is redone', async () => {
  const run = 'month-2026-10-rehearsal-1';
  const plan = await call('POST', `/runs/${run}/rerun-plans`, { flows: ['Left'], scope: 'downstream' });
  await call('POST', `/runs/${run}/rerun-plans/${plan.body.id}/apply`, { reason: 'again' });
  await expect
    .poll(async () => (await call('GET', `/runs/${run}/flows/Left`)).body)
    .toMatchObject({ generation: 2, state: 'skipped' });
  expect(await readdir(folder)).not.toContain('Left.production');
});

test('the scheduled run of the period works on production, and finds nothing of the rehearsal', async () => {
  const opened = await call('POST', '/runs', { cycle: 'month', period: '2026-10' });
  const states = await settled(opened.body.id);
  expect(new Set(Object.values(states))).toEqual(new Set(['succeeded']));
  expect((await on.yt.query('select period, amount from fee_sum')).rows).toEqual([
    { period: '202610', amount: '3' },
  ]);
  expect(await readFile(join(folder, 'Left.production'), 'utf8')).toBe('Left.production\n');
});

test('a flow with effects and no twin keeps every rehearsal shut, and names itself', async () => {
  await applied(
    [
      ...FLOWS,
      { id: 'NoWord', procedure: 'P', program: { type: 'shell', command: ['true'] } },
      {
        id: 'NoTwin',
        procedure: 'P',
        program: { type: 'sql', file: 'sum.sql', connection: 'db24' },
        parameters: { region: { value: 'X' } },
      },
    ],
    {
      connections: [...connections, { id: 'db24', platform: 'yt' }],
      procedures: [
        { id: 'P', names: { en: 'P', zh: 'P' }, owner: 'o', cycle: 'month' },
        { id: 'Q', names: { en: 'Q', zh: 'Q' }, owner: 'o', cycle: 'month' },
      ],
    },
  );
  const refused = await rehearse();
  expect(refused).toMatchObject({
    status: 409,
    body: { code: 'no_rehearsal_twin', facts: { flows: ['NoWord', 'NoTwin'], connections: ['db24'] } },
  });
  expect(refused.body.detail).toContain('NoTwin (connection db24 has no rehearsal twin)');
  expect((await call('GET', '/runs?purpose=rehearsal')).body.items).toHaveLength(1);

  // Opened for procedures that do without, the others are not executed when they are triggered after all.
  const some = await rehearse({ procedures: ['Q'] });
  expect(some.status).toBe(202);
  await call('POST', `/runs/${some.body.id}/trigger`, { flows: ['NoTwin'], reason: 'try' });
  await expect
    .poll(async () => (await call('GET', `/runs/${some.body.id}/flows/NoTwin`)).body.state)
    .toBe('failed');
  const { body } = await call('GET', `/runs/${some.body.id}/flows/NoTwin`);
  expect(body.attempts[0].message).toContain('no rehearsal twin');
});

test('a twin that is the very database of its connection is refused by the agent before anything is executed', async () => {
  await applied(
    [
      {
        id: 'Sum',
        program: { type: 'sql', file: 'sum.sql', connection: 'same' },
        labels: ['second'],
        parameters: { region: { value: 'BJ' } },
      },
    ],
    {
      connections: [{ id: 'same', platform: 'yt', rehearsal: 'same_rehearsal' }],
    },
  );
  await installation.startAgent('agent-2', {
    SLUICE_CONNECTIONS: JSON.stringify({
      same: urls.mpp,
      same_rehearsal: `${urls.mpp}?application_name=twin`,
    }),
    SLUICE_AGENT_PLATFORM: 'yt',
    SLUICE_AGENT_LABELS: 'second',
  });
  const before = await contentOf(on.mpp);
  const opened = await rehearse({ period: '2026-11' });
  const sum = async () => (await call('GET', `/runs/${opened.body.id}/flows/Sum`)).body;
  await expect.poll(async () => (await sum()).state).toBe('failed');
  expect((await sum()).attempts[0].message).toContain('is the same database as same');
  expect(await contentOf(on.mpp)).toEqual(before);
});
