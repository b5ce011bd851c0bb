/** Lists of what is late, what failed and why (Q10 to Q22), over days that stand still in the middle. */
import { expect, test } from 'vitest';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { playAgent } from '../../support/play.ts';

const database = await createTestDatabase('queries_lists');
const api = await startTestApi(database);
const analyst = await api.actor({ name: 'zhao', kind: 'person', roles: ['analyst'] });
const operator = await api.actor({ name: 'wang', kind: 'person', roles: ['operator', 'key'] });

const day = { cycle: 'day' };
const LOAD = { ...day, kind: 'interface' };
const FLOWS = [
  {
    id: 'LoadA',
    ...LOAD,
    platform: 'yt',
    interface: { no: '04113', node: 'LOADYT' },
    referenceAt: '+1 day, 02:00',
  },
  { id: 'LoadB', ...LOAD, platform: 'mpp', interface: { no: '10010' }, referenceAt: '+9000 day, 02:00' },
  {
    id: 'Dwd',
    ...day,
    after: ['LoadA'],
    layer: 'DWD',
    groups: ['firstLevelBiPre'],
    owner: 'zhang',
    program: { type: 'sql', file: 'programs/DwdSum.sql', connection: 'yt' },
  },
  { id: 'Other', ...day, after: ['LoadB'], platform: 'mpp' },
  { id: 'Key', ...day, after: ['Dwd', 'Other'], key: true, groups: ['top'], referenceAt: '+1 day, 07:00' },
  { id: 'Month', step: 3 },
];
await applyCatalogue(
  api.pool,
  catalogueText(FLOWS, { connections: [{ id: 'yt', platform: 'yt' }] }),
  'apply',
  [{ path: 'programs/DwdSum.sql', text: 'select 1' }],
);
const yt = await playAgent(api.pool, 'agent-yt');
const mpp = await playAgent(api.pool, 'agent-mpp', { platform: 'mpp' });

async function verb(run: string, name: string, flows: string[], rest: object = {}): Promise<void> {
  const answer = await operator.post(`/runs/${run}/${name}`, { flows, reason: 'file asked for', ...rest });
  expect(answer).toMatchObject({ status: 200, body: { state: 'applied' } });
}

/** The 20th: LoadA has failed, LoadB runs, an operator holds the key flow. The 21st: LoadA runs, LoadB is loaded with 7 rows. */
const [first, second] = [
  await openTestRun(api.pool, '2026-11-20', 'day'),
  await openTestRun(api.pool, '2026-11-21', 'day'),
];
const month = await openTestRun(api.pool, '2026-09');
for (const run of [first, second, month]) await api.coordinator!.settled(run);
// LoadB runs before LoadA fails: of several causes the one that is open longest comes first.
for (const agent of [mpp, yt]) {
  const tasks = (await agent.claim()).filter((task) => task.run !== month);
  await agent.start(tasks);
  const of = (run: string, flow: string) => tasks.filter((task) => task.run === run && task.flow === flow);
  await agent.end(of(first, 'LoadA'), {
    outcome: 'failed',
    failure: 'program',
    message: 'no file',
    effect: false,
  });
  await agent.end(of(second, 'LoadB'), { rows: 7 });
}
for (const run of [first, second]) await api.coordinator!.settled(run);
await verb(first, 'hold', ['Key']);

async function ask(query: string): Promise<Json> {
  const { status, body } = await analyst.get(`/queries/${query}`);
  expect({ status, body }).toMatchObject({ status: 200 });
  return body;
}
const flowsOf = ({ items }: Json): string[] => items.map((json: Json) => json.flowId);

test('Q11 shows the load nodes of an interface with their last attempt and what they hold up', async () => {
  const failed = await ask('Q11?date=2026-11-20&interfaceNo=04113');
  expect(failed.items).toMatchObject([
    {
      interfaceNo: '04113',
      flowId: 'LoadA',
      target: 'yt',
      node: 'LOADYT',
      state: 'failed',
      finishedAt: null,
      affectedFlows: ['Dwd', 'Key'],
    },
  ]);
  const loaded = await ask('Q11?date=2026-11-21&interfaceNo=10010');
  expect(loaded.items).toMatchObject([{ flowId: 'LoadB', state: 'succeeded', rows: 7, affectedFlows: [] }]);
  expect(loaded.items[0].finishedAt).toBeGreaterThan(loaded.items[0].startedAt - 1);
});

test('Q13 lists interfaces that are not loaded, the latest first; one that is not due is not late', async () => {
  const asked = Date.now();
  const { items } = await ask('Q13?date=2026-11-20');
  expect(items).toMatchObject([
    { interfaceNo: '04113', affectedFlows: ['Dwd', 'Key'], affectedCount: 2, affectedKeyFlows: 1 },
    { interfaceNo: '10010', lateMin: 0, affectedFlows: ['Other', 'Key'] },
  ]);
  expect(items[0].referenceTime).toBe(Date.parse('2026-11-21T02:00:00+08:00'));
  const minutesAt = (now: number): number => (now - items[0].referenceTime) / 60_000;
  expect(items[0].lateMin).toBeGreaterThan(minutesAt(asked) - 0.1);
  expect(items[0].lateMin).toBeLessThan(minutesAt(Date.now()) + 0.1);
  expect(flowsOf(await ask('Q13?date=2026-11-20&platform=mpp'))).toEqual(['LoadB']);
});

test('Q21 lists only late interfaces above key flows', async () => {
  expect((await ask('Q21?date=2026-11-20')).items).toMatchObject([
    { interfaceNo: '04113', keyFlowsAffected: ['Key'] },
  ]);
});

test('Q14 lists key flows and what is late above them, with the distance', async () => {
  const { items } = await ask('Q14?date=2026-11-20&group=top');
  // Nothing says when Dwd and Other should be done.
  expect(items).toMatchObject([
    { keyFlow: 'Key', flowId: 'Key', depth: 0, state: 'held' },
    { keyFlow: 'Key', flowId: 'LoadA', depth: 2, state: 'failed', kind: 'interface' },
  ]);
  for (const query of [
    'Q14?group=tip',
    'Q12?group=tip',
    'Q18?group=top,tip',
    'Q15?group=tip',
    'Q16?group=tip',
  ])
    expect(await analyst.get(`/queries/${query}`)).toMatchObject({
      status: 404,
      body: { code: 'unknown_group', facts: { group: 'tip', near: ['top'] } },
    });
});

test('Q15 names the final causes of late key flows with the chain from the key flow', async () => {
  const { items } = await ask('Q15?date=2026-11-20');
  expect(items.map((json: Json) => [json.rootCauseNode, json.causeCode, json.chain])).toEqual(
    expect.arrayContaining([
      ['LoadA', 'interface_failed', ['Key', 'Dwd', 'LoadA']],
      ['LoadB', 'upstream_running', ['Key', 'Other', 'LoadB']],
    ]),
  );
  expect(items).toHaveLength(2);
});

test('Q16 lists the flows of the group that have not run', async () => {
  const { about, items } = await ask('Q16?date=2026-11-20');
  expect(about).toEqual({ date: '2026-11-20', group: 'firstLevelBiPre' });
  expect(items).toMatchObject([
    { flowId: 'Dwd', state: 'waiting_upstream', expectedAt: null, lateMin: 0, owner: 'zhang' },
  ]);
});

test('Q18 lists every day flow that is not complete with its first final cause', async () => {
  const { items } = await ask('Q18?date=2026-11-20');
  expect(items.map((json: Json) => [json.flowId, json.causeCode, json.causeFlow])).toEqual([
    ['LoadA', 'interface_failed', 'LoadA'],
    // Of several causes the one that is open longest.
    ['Key', 'upstream_running', 'LoadB'],
    ['LoadB', 'upstream_running', 'LoadB'],
    ['Dwd', 'interface_failed', 'LoadA'],
    ['Other', 'upstream_running', 'LoadB'],
  ]);
  expect(flowsOf(await ask('Q18?date=2026-11-20&layer=DWD'))).toEqual(['Dwd']);
});

test('Q19 and Q20 name the oldest open period of flows that are late by days, and what was said of them', async () => {
  const { items: all } = await ask('Q19');
  // Without a reference time and a deadline a flow should be done by the end of its period.
  expect(all.slice(0, 2)).toMatchObject([
    { flowId: 'Dwd', oldestOpenPeriod: '2026-11-20', openPeriods: 2, causeClass: 'interface_failed' },
    { flowId: 'Other', oldestOpenPeriod: '2026-11-20', openPeriods: 2 },
  ]);
  const items = all.slice(2);
  expect(items).toMatchObject([
    {
      flowId: 'LoadA',
      oldestOpenPeriod: '2026-11-20',
      openPeriods: 2,
      causeClass: 'interface_failed',
      note: null,
      handler: null,
    },
    {
      flowId: 'Key',
      oldestOpenPeriod: '2026-11-20',
      openPeriods: 2,
      note: 'file asked for',
      handler: 'wang',
    },
  ]);
  expect(items[0].daysLate).toBeGreaterThan(items[1].daysLate);
  const elder = items[1].daysLate - 1 > 1;
  const late = (days: number): string[] => all.flatMap((it: Json) => (it.daysLate > days ? it.flowId : []));
  expect(flowsOf(await ask('Q20'))).toEqual(late(2));
  expect(flowsOf(await ask('Q19?exclusive=true'))).toEqual(
    flowsOf({ items: all }).filter((flow) => !late(2).includes(flow)),
  );
  expect(elder).toBe(late(2).includes('Key'));
});

test('Q22 lists month flows that are due by the end of the 7th when nothing else is said', async () => {
  const { about, items } = await ask('Q22');
  expect(about).toEqual({ month: '2026-09' });
  expect(items).toMatchObject([{ flowId: 'Month', step: 3, causeFlow: 'Month' }]);
  expect(items[0].expectedDay).toBe(Date.parse('2026-10-08T00:00:00+08:00'));
});

test('Q10 lists what waits for long, and for what', async () => {
  const { items } = await ask('Q10?date=2026-11-20&minWaitMinutes=0');
  expect(items.map((json: Json) => [json.flowId, json.state, json.blockers])).toEqual([
    ['Dwd', 'waiting_upstream', ['upstream:LoadA']],
    ['Other', 'waiting_upstream', ['upstream:LoadB']],
  ]);
  expect((await ask('Q10?date=2026-11-20')).items).toEqual([]);
});

test('Q17 explains a flow by its id or its program, also one that does not exist', async () => {
  const { about, items } = await ask('Q17?flow=DwdSum,Nothing&run=day-2026-11-20');
  expect(about).toEqual({ run: 'day-2026-11-20' });
  expect(items).toMatchObject([
    {
      target: 'Dwd',
      node: 'LoadA',
      causeCode: 'interface_failed',
      chain: ['Dwd', 'LoadA'],
      suggestedProcedure: 'P26',
    },
    { target: 'Nothing', state: null, causeCode: 'not_in_catalogue' },
  ]);
  expect((await ask('Q17?flow=Dwd')).about).toEqual({ run: 'day-2026-11-21' });
  expect((await ask('Q17?flow=Month')).about).toEqual({ run: 'month-2026-09' });
  expect(await analyst.get('/queries/Q17')).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
});

test('Q12 lists failures with their reason, and who took them in hand afterwards', async () => {
  const before = await ask('Q12?date=2026-11-20');
  expect(before.items).toMatchObject([
    {
      platform: 'yt',
      flowId: 'LoadA',
      period: '2026-11-20',
      attempt: '1.1',
      reason: 'no file',
      reasonClass: 'program',
      handledBy: null,
    },
  ]);
  await verb(first, 'force-pass', ['LoadA'], { evidence: 'ticket 4711' });
  const { items } = await ask('Q12?date=2026-11-20');
  expect(items).toMatchObject([{ handledBy: 'wang' }]);
  expect(items[0].handledAt).toBeGreaterThanOrEqual(items[0].failedAt);
  expect((await ask('Q12?date=2026-11-20&platform=mpp')).items).toEqual([]);
});
