/** Situations of `why` on a real record: what a claim meets, other runs, closed and frozen ones, what is not there, and groups. */
import { expect, test } from 'vitest';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { playAgent } from '../../support/play.ts';

const database = await createTestDatabase('why');
const api = await startTestApi(database);
const operator = await api.actor({ name: 'wang', kind: 'person', roles: ['operator', 'region', 'key'] });

const FLOWS = [
  { id: 'Gate', kind: 'gate', person: { role: 'region' }, groups: ['front'], owner: 'li' },
  { id: 'Load', kind: 'interface', interface: { no: '04113' }, groups: ['front', 'loads'], layer: 'ODS' },
  { id: 'Gpu', labels: ['gpu'] },
  { id: 'Bulk', uses: [{ pool: 'bulk', n: 2 }] },
  { id: 'Locked', locks: ['table'] },
  { id: 'Sum', after: ['Gate', 'Load'], groups: ['back'], layer: 'DWA', procedure: 'P04' },
  { id: 'Series', after: [{ flow: 'Series', period: 'previous' }], groups: ['back'] },
  { id: 'End', after: ['Sum', 'Gpu', 'Bulk', 'Locked'], groups: ['back'] },
];
await applyCatalogue(
  api.pool,
  catalogueText(FLOWS, {
    pools: [{ id: 'bulk', size: 3 }],
    procedures: [{ id: 'P04', names: { en: 'P04', zh: 'P04' }, owner: 'duty', cycle: 'month' }],
    loadTables: [
      { id: 'comp', platform: 'yt', interfaces: ['04113'] },
      { id: 'task', platform: 'yt', interfaces: ['04114'] },
    ],
  }),
);
let year = 2000;

async function freshRun(): Promise<string> {
  await api.pool.query(
    "update runs set state = 'closed'; delete from outbox; delete from locks; delete from leases; delete from agents; update pools set used = 0",
  );
  const run = await openTestRun(api.pool, `${++year}-10`);
  await api.coordinator!.settled(run);
  return run;
}

async function whyOf(run: string, flow: string): Promise<Json> {
  const { status, body } = await operator.get(`/runs/${run}/flows/${flow}/why`);
  expect({ status, body }).toMatchObject({ status: 200 });
  return body;
}
const codesOf = async (run: string, flow: string): Promise<string[]> =>
  (await whyOf(run, flow)).causes.map((json: Json) => json.code).toSorted();

async function whyAll(run: string, query: string): Promise<Json> {
  const { status, body } = await operator.get(`/runs/${run}/why?${query}`);
  expect({ status, body }).toMatchObject({ status: 200 });
  return body;
}
const post = async (path: string, body: object): Promise<void> => {
  const answer = await operator.post(
    path,
    { reason: 'test', ...body },
    { 'idempotency-key': `${path}-${year}` },
  );
  expect(answer.status).toBeLessThan(300);
};

test('agents: none with the label, drained, silent while one has the flow, idle for an hour', async () => {
  const run = await freshRun();
  const agent = await playAgent(api.pool, 'a1', { slots: 1 });
  expect(await codesOf(run, 'Gpu')).toEqual(['no_fitting_agent']);
  expect(await codesOf(run, 'Bulk')).toEqual(['waiting_agent']);
  await post('/agents/a1/drain', {});
  expect(await codesOf(run, 'Bulk')).toEqual(['agents_drained']);
  await post('/agents/a1/undrain', {});
  await api.pool.query('update outbox set released_ms = released_ms - 3660000 where run_id = $1', [run]);
  const hung = (await whyOf(run, 'Bulk')).causes;
  expect(hung).toMatchObject([{ code: 'tasktracker_hung', by: 'a1', remedy: { procedure: 'P13' } }]);
  const tasks = await agent.claim(1);
  await agent.start(tasks);
  const taken = tasks[0]!;
  expect(await codesOf(run, taken.flow)).toContain('upstream_running');
  await api.pool.query('update agents set seen_ms = seen_ms - 3600000');
  const silent = (await whyOf(run, taken.flow)).causes.find((json: Json) => json.code === 'agent_silent');
  expect(silent).toMatchObject({ by: 'a1', flow: taken.flow, remedy: { procedure: 'P13' } });
});

test('a platform on which nothing has moved for a quarter of an hour, until an agent is given something', async () => {
  const run = await freshRun();
  const agent = await playAgent(api.pool, 'a1', { slots: 1 });
  await api.pool.query('update outbox set released_ms = released_ms - 1000000 where run_id = $1', [run]);
  expect(await codesOf(run, 'Bulk')).toEqual(['no_progress']);
  const [taken] = await agent.claim(1);
  const other = taken!.flow === 'Bulk' ? 'Locked' : 'Bulk';
  expect(await codesOf(run, other)).toEqual(['no_free_slot']);
  await api.pool.query('update leases set sent_ms = sent_ms - 1000000');
  expect((await whyOf(run, other)).causes).toMatchObject([{ code: 'no_progress', by: 'yt' }]);
});

test('a full pool and a lock that another run holds, in the words of that run', async () => {
  const run = await freshRun();
  const before = await openTestRun(api.pool, `${year}-09`);
  await api.coordinator!.settled(before);
  const agent = await playAgent(api.pool, 'a1', { slots: 9 });
  const tasks = await agent.claim(9);
  const holder = tasks.find((task) => task.flow === 'Locked')!.run;
  const other = holder === run ? before : run;
  const locked = (await whyOf(other, 'Locked')).causes;
  expect(locked).toMatchObject([{ code: 'lock_held', by: `${holder} Locked` }]);
  const bulk = tasks.find((task) => task.flow === 'Bulk')!.run === run ? before : run;
  expect((await whyOf(bulk, 'Bulk')).causes).toMatchObject([
    { code: 'pool_full', by: 'bulk', reason: 'needs 2, 2 of 3 used' },
  ]);
});

test('room that is kept: the small flow says for whom, and for whom it is kept says what it waits for', async () => {
  const run = await freshRun();
  await playAgent(api.pool, 'a1', { slots: 9 });
  await api.pool.query("update pools set used = 2 where name = 'bulk'");
  await api.pool.query(
    `insert into outbox (run_id, flow_id, generation, attempt, platform, pools, pool_amounts, key, latest_start_ms, released_ms)
     values ($1, 'Wide', 1, 1, 'yt', '{bulk}', '{3}', true, 1, clock_ms())`,
    [run],
  );
  const bulk = (await whyOf(run, 'Bulk')).causes;
  expect(bulk).toMatchObject([{ code: 'pool_full', by: 'bulk' }]);
  await api.pool.query("update pools set used = 1 where name = 'bulk'");
  expect((await whyOf(run, 'Bulk')).causes).toMatchObject([
    { code: 'room_kept', by: 'Wide', reason: 'pool bulk, needs 2, 1 of 3 used' },
  ]);
  const shown = (await operator.get(`/runs/${run}/flows/Bulk`)).body;
  expect(JSON.stringify(shown)).toContain('room is kept for Wide');
});

test('a paused platform is mended by P25, a paused run by its own verb', async () => {
  const run = await freshRun();
  await playAgent(api.pool, 'a1');
  await post('/platforms/yt/pause', {});
  expect((await whyOf(run, 'Bulk')).causes).toMatchObject([
    { code: 'paused', remedy: { verb: 'resume', procedure: 'P25', command: 'sluice platform resume yt' } },
  ]);
  await post('/platforms/yt/resume', {});
  await post(`/runs/${run}/pause`, {});
  expect((await whyOf(run, 'Bulk')).causes).toMatchObject([
    { code: 'paused', remedy: { verb: 'resume', procedure: null, command: `sluice run resume ${run}` } },
  ]);
});

test('an interface that a load table lacks is said to be so beside what keeps it otherwise', async () => {
  const run = await freshRun();
  const { causes } = await whyOf(run, 'Sum');
  expect(causes.map((json: Json) => `${json.flow} ${json.code} ${json.by}`).toSorted()).toEqual([
    'Gate gate_unconfirmed region',
    'Load interface_not_configured task',
    'Load no_live_agent yt',
  ]);
  expect(causes.find((json: Json) => json.code === 'interface_not_configured')).toMatchObject({
    chain: ['Sum', 'Load'],
    blocks: 2,
    remedy: { procedure: 'P34' },
  });
});

test('its own earlier period: not opened, open, frozen, and over', async () => {
  const run = await freshRun();
  expect((await whyOf(run, 'Series')).causes).toMatchObject([
    { run: `month-${year}-09`, code: 'run_not_opened', chain: ['Series', `month-${year}-09/Series`] },
  ]);
  const before = await openTestRun(api.pool, `${year}-09`);
  await api.coordinator!.settled(before);
  await api.pool.query("update runs set frozen = 'ahead of the record' where id = $1", [before]);
  const { causes } = await whyOf(run, 'Series');
  expect(causes.filter((json: Json) => json.run === before)).toMatchObject([
    { flow: null, code: 'run_frozen', remedy: { command: `sluice run reload ${before} --reason "..."` } },
  ]);
  await api.pool.query('update runs set frozen = null where id = $1', [before]);
});

test('closed, retired, not in the catalogue, not opened', async () => {
  const run = await freshRun();
  await post(`/runs/${run}/retire`, { flows: ['Load'] });
  expect((await whyOf(run, 'Sum')).causes.find((json: Json) => json.flow === 'Load')).toMatchObject({
    code: 'retired',
    by: 'wang',
    remedy: { verb: 'waive', procedure: 'P20' },
  });
  expect(await codesOf(run, 'Nobody')).toEqual(['not_in_catalogue']);
  expect(await codesOf('month-2050-01', 'Sum')).toEqual(['run_not_opened']);
  await post(`/runs/${run}/close`, {});
  await api.coordinator!.settled(run);
  expect((await whyOf(run, 'Sum')).causes[0]).toMatchObject({
    flow: null,
    code: 'run_closed',
    remedy: { verb: 'reopen', command: `sluice run reopen ${run} --reason "..."` },
  });
});

test('of a group only its own flows and their causes, with the chain from the nearest of them', async () => {
  const run = await freshRun();
  const front = await whyAll(run, 'group=front');
  expect(front).toMatchObject({ asked: 2, open: 2 });
  expect(front.items.map((json: Json) => json.flow).toSorted()).toEqual(['Gate', 'Load']);
  expect([...new Set(front.causes.map((json: Json) => json.flow))].toSorted()).toEqual(['Gate', 'Load']);
  const back = await whyAll(run, 'group=back');
  expect(back).toMatchObject({ asked: 3, open: 3 });
  expect(back.causes.find((json: Json) => json.flow === 'Gate')).toMatchObject({
    chain: ['Sum', 'Gate'],
    blocks: 2,
  });
  expect(back.text.en).toMatch(new RegExp(`^3 flows of the 3 asked about in ${run} are open`));
  const chosen = [
    await whyAll(run, 'layer=DWA'),
    await whyAll(run, 'procedure=P04'),
    await whyAll(run, 'flows=Sum'),
  ];
  for (const answer of chosen) expect(answer.items.map((json: Json) => json.flow)).toEqual(['Sum']);
  const one = await whyOf(run, 'Sum');
  expect(chosen[0]!.causes.map((json: Json) => json.chain)).toEqual(
    one.causes.map((json: Json) => json.chain),
  );
  expect((await whyAll(run, 'group=back&layer=ODS')).items).toEqual([]);
  expect(await operator.get(`/runs/${run}/why?flows=Nobody`)).toMatchObject({
    status: 404,
    body: { code: 'unknown_flow' },
  });
  const ways = await whyAll(run, 'chains=true');
  expect(ways.causes.find((json: Json) => json.flow === 'Gate').chain).toEqual(['End', 'Sum', 'Gate']);
  expect((await whyAll(run, '')).causes.find((json: Json) => json.flow === 'Gate').chain).toEqual(['Gate']);
});
