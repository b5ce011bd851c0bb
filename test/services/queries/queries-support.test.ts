/** What procedures ask: conditions of event-triggered flows, the month-start board, distributions, decisions (Q06, Q28 to Q37). */
import { expect, test } from 'vitest';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { playAgent } from '../../support/play.ts';

const database = await createTestDatabase('queries_support');
const api = await startTestApi(database);
const analyst = await api.actor({ name: 'zhao', kind: 'person', roles: ['analyst'] });
const operator = await api.actor({ name: 'wang', kind: 'person', roles: ['operator', 'key', 'billing'] });

const day = { cycle: 'day' };
const names = { en: 'Rows of users', zh: '用户表' };
const table = { table: 'users' };
await applyCatalogue(
  api.pool,
  catalogueText(
    [
      { id: 'Load', ...day, kind: 'interface', interface: { no: '00123' } },
      { id: 'Rows', ...day, kind: 'check', reads: ['ctl.se_sub_control'], everyMs: 1_000 },
      { id: 'Go', ...day, trigger: 'event', event: 'billing.done', after: ['Load', 'Rows'] },
      {
        id: 'Gate',
        kind: 'gate',
        person: { role: 'billing' },
        procedure: 'P04',
        step: 1,
        deadline: '+1 month, day 1, 09:00',
      },
      { id: 'Chain', procedure: 'P04', step: 2, after: ['Gate'] },
      { id: 'Sum', procedure: 'P05', step: 1, trigger: 'manual' },
    ],
    {
      connections: [
        { id: 'yt', platform: 'yt' },
        { id: 'mpp', platform: 'mpp' },
      ],
      procedures: [
        { id: 'P04', names: { en: 'Chain', zh: '链' }, owner: 'li', cycle: 'month' },
        { id: 'P05', names: { en: 'Sum', zh: '汇总' }, owner: 'li', cycle: 'month' },
      ],
      distributions: ['Users', 'Bills'].map((id) => ({
        id,
        ...day,
        names,
        columns: ['id'],
        periodColumn: 'period',
        from: { connection: 'mpp', ...table },
        to: { connection: 'yt', ...table },
      })),
    },
  ),
);
const yt = await playAgent(api.pool, 'agent-yt');
const today = await openTestRun(api.pool, '2026-11-20', 'day');
const month = await openTestRun(api.pool, '2026-09');
for (const run of [today, month]) await api.coordinator!.settled(run);

async function ask(query: string): Promise<Json> {
  const { status, body } = await analyst.get(`/queries/${query}`);
  expect({ status, body }).toMatchObject({ status: 200 });
  return body;
}

/** Flows that agents were given end well; answers what else was claimed. */
async function end(...flows: string[]): Promise<void> {
  const tasks = await yt.claim();
  const mine = tasks.filter((task) => flows.includes(task.flow));
  await yt.start(mine);
  await yt.end(mine, { rows: 5 });
  await api.coordinator!.settled(today);
}

test('Q32 says of each attempt that an agent holds what a failover would do with it', async () => {
  const tasks = await yt.claim();
  const load = tasks.filter((task) => task.flow === 'Load');
  await yt.start(load);
  const { items } = await ask('Q32?agent=agent-yt');
  const of = (flow: string) => items.find((json: Json) => json.flowId === flow);
  expect(of('Load')).toMatchObject({ run: today, state: 'running', failover: 'lose' });
  expect(of('Rows')).toMatchObject({ state: 'sent_to_agent', failover: 'requeue', startedAt: null });
  expect((await ask('Q32?agent=nobody')).items).toEqual([]);
  await yt.end(tasks.filter((task) => task.flow === 'Load' || task.flow.endsWith('.export')));
  await api.coordinator!.settled(today);
});

test('Q06 lists the event, the interfaces and the sub-control tables that a flow waits for', async () => {
  const { items } = await ask(`Q06?flow=Go&run=${today}`);
  expect(items).toMatchObject([
    { conditionKind: 'event', required: 'billing.done', actual: null, met: false, metAt: null },
    {
      conditionKind: 'interface',
      interfaceNo: '00123',
      subControlTable: null,
      required: 'loaded',
      actual: 'Load: succeeded',
      met: true,
    },
    {
      conditionKind: 'check',
      interfaceNo: null,
      subControlTable: 'ctl.se_sub_control',
      required: 'yes',
      met: false,
    },
  ]);
  expect(items[1].metAt).toBeGreaterThan(0);
  const sent = await operator.post('/events', { event: 'billing.done', period: '2026-11-20' });
  expect(sent.status).toBeLessThan(300);
  await api.coordinator!.settled(today);
  expect((await ask(`Q06?flow=Go&run=${today}`)).items[0]).toMatchObject({
    actual: 'billing.done',
    met: true,
  });
  expect(await analyst.get(`/queries/Q06?flow=No&run=${today}`)).toMatchObject({
    status: 404,
    body: { code: 'unknown_flow' },
  });
});

test('Q29 counts distributions by target database; an import that nobody takes waits', async () => {
  const fresh = await ask('Q29?date=2026-11-20');
  // Both exports ended a moment ago: nothing has waited for ten minutes.
  expect(fresh.items).toMatchObject([
    { targetDb: 'yt', total: 2, completed: 0, importWaiting: 0, referenceByFive: null },
  ]);
  expect(fresh.items[0].exportsByHour).toHaveLength(1);
  expect(fresh.items[0].exportsByHour[0]).toMatch(/^\d\d:2$/);
  await api.pool.query(
    `update run_flows set result_ms = result_ms - 660000 where run_id = $1 and flow_id like '%.export'`,
    [today],
  );
  expect((await ask('Q29?date=2026-11-20')).items).toMatchObject([{ importWaiting: 2 }]);
  await end('Users.import');
  expect((await ask('Q29?date=2026-11-20')).items).toMatchObject([
    { completed: 1, completedByFive: 0, importWaiting: 1 },
  ]);
});

test('Q28 shows the procedures step by step, with roles, deadlines and causes', async () => {
  const { about, items } = await ask('Q28');
  expect(about).toEqual({ month: '2026-09', run: month });
  expect(
    items.map((json: Json) => [json.procedure, json.step, json.flowId, json.causeCode, json.causeFlow]),
  ).toEqual([
    ['P04', 1, 'Gate', 'gate_unconfirmed', 'Gate'],
    ['P04', 2, 'Chain', 'gate_unconfirmed', 'Gate'],
    ['P05', 1, 'Sum', 'not_triggered', 'Sum'],
  ]);
  expect(items[0]).toMatchObject({
    role: 'billing',
    kind: 'gate',
    expectedAt: Date.parse('2026-10-01T09:00:00+08:00'),
  });
  const confirmed = await operator.post(`/runs/${month}/confirm`, {
    flows: ['Gate'],
    reason: 'told by phone',
    evidence: 'call 1',
  });
  expect(confirmed).toMatchObject({ status: 200 });
  const after = await ask('Q28?procedure=P04');
  expect(after.items.map((json: Json) => [json.flowId, json.state, json.causeCode])).toEqual([
    ['Gate', 'succeeded', null],
    ['Chain', 'waiting_agent', 'waiting_agent'],
  ]);
  expect(after.items[0].lateMin).toBeGreaterThan(0);
});

test('Q33 lists what people decided in a period, with reason and evidence', async () => {
  const { about, items } = await ask('Q33');
  expect(about).toEqual({ month: '2026-09' });
  expect(items).toMatchObject([
    {
      actor: 'wang',
      verb: 'confirm',
      run: month,
      flows: ['Gate'],
      reason: 'told by phone',
      evidence: 'call 1',
      approvedBy: null,
    },
  ]);
  expect((await ask('Q33?verb=force-pass')).items).toEqual([]);
  expect((await ask('Q33?date=2026-11-20')).items).toEqual([]);
});

test('Q37 lists what was asked for outside the schedules', async () => {
  const started = await operator.post(`/runs/${month}/trigger`, {
    flows: ['Sum'],
    reason: 'for the auditors',
  });
  const backfill = await operator.post('/backfills', {
    cycle: 'day',
    from: '2026-11-01',
    to: '2026-11-02',
    reason: 'new source',
  });
  expect([started.status, backfill.status]).toEqual([200, 202]);
  const { items } = await ask('Q37');
  expect(items).toMatchObject([
    {
      requester: 'wang',
      kind: 'backfill',
      run: 'day 2026-11-01..2026-11-02',
      reason: 'new source',
      done: 0,
      total: 2,
    },
    {
      requester: 'wang',
      kind: 'trigger',
      run: month,
      flows: ['Sum'],
      reason: 'for the auditors',
      state: 'applied',
      done: 0,
      total: 1,
    },
  ]);
});

test('a month may be asked about as a day may', async () => {
  const { about, items } = await ask('Q01?date=2026-09');
  expect(about).toEqual({ date: '2026-09' });
  expect(items.map((json: Json) => [json.platform, json.total])).toEqual([
    ['-', 1],
    ['yt', 2],
  ]);
  expect((await ask('Q29?date=2026-09')).items).toEqual([]);
  expect((await ask('Q10?date=2026-09&minWaitMinutes=0')).items).toMatchObject([
    { flowId: 'Chain' },
    { flowId: 'Sum' },
  ]);
});
