/** What people see of edges to other runs, and what they can do about them (protocol A11). */
import { expect, test } from 'vitest';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';

const database = await createTestDatabase('api-other-runs');
const api = await startTestApi(database);
const operator = await api.actor({ name: 'wang', kind: 'person', roles: ['operator', 'region', 'key'] });

await applyCatalogue(
  api.pool,
  catalogueText([
    { id: 'Gate', cycle: 'day', kind: 'gate', person: { role: 'region' }, owner: 'li' },
    { id: 'Sum', cycle: 'day', after: ['Gate', { flow: 'Sum', period: 'previous' }] },
    { id: 'Bill', after: [{ flow: 'Sum', period: 'everyDayOfMonth' }] },
    {
      id: 'Close',
      after: ['Bill', { flow: 'Bill', period: 'previous' }, { flow: 'Bill', period: { offset: -2 } }],
    },
  ]),
);

async function open(period: string, cycle: 'day' | 'month'): Promise<string> {
  const run = await openTestRun(api.pool, period, cycle);
  await api.coordinator!.settled(run);
  return run;
}

async function why(run: string, flow: string): Promise<Json> {
  const { status, body } = await operator.get(`/runs/${run}/flows/${flow}/why`);
  expect({ status, body }).toMatchObject({ status: 200 });
  return body;
}

const waive = (run: string, edges: Json[], rest: object = {}) =>
  operator.post(`/runs/${run}/waive`, { edges, reason: 'test', ...rest });

test('why goes on in the run that is waited for, to the final cause there', async () => {
  await open('2026-03-02', 'day');
  await open('2026-03-01', 'day');
  const { causes, text } = await why('day-2026-03-02', 'Sum');
  expect(causes.map((json: Json) => `${json.run} ${json.flow} ${json.code} ${json.blocks}`).sort()).toEqual([
    'day-2026-02-28 null run_not_opened 1',
    'day-2026-03-01 Gate gate_unconfirmed 1',
    'day-2026-03-02 Gate gate_unconfirmed 1',
  ]);
  const gate = causes.find((json: Json) => json.run === 'day-2026-03-01');
  expect(gate.chain).toEqual(['Sum', 'day-2026-03-01/Sum', 'day-2026-03-01/Gate']);
  expect(gate.remedy).toMatchObject({
    command: 'sluice confirm Gate --run day-2026-03-01',
    otherwise: expect.arrayContaining(['waive']),
  });
  expect(text.en).toMatch(/And 2 more final causes/);
  const all = await operator.get('/runs/day-2026-03-02/why');
  expect(all.body.causes.map((json: Json) => `${json.run} ${json.code}`).sort()).toEqual([
    'day-2026-02-28 run_not_opened',
    'day-2026-03-01 gate_unconfirmed',
    'day-2026-03-02 gate_unconfirmed',
  ]);
});

test('a flow that was retired in the other run is said to be', async () => {
  await open('2026-04-02', 'day');
  await open('2026-04-01', 'day');
  const retired = await operator.post('/runs/day-2026-04-01/retire', { flows: ['Sum'], reason: 'gone' });
  expect(retired).toMatchObject({ status: 200 });
  const { causes } = await why('day-2026-04-02', 'Sum');
  expect(causes.find((json: Json) => json.run === 'day-2026-04-01')).toMatchObject({
    flow: 'Sum',
    code: 'retired',
    by: 'wang',
  });
});

test('edges to several runs of one flow can be waived one at a time, by period or by run, or together', async () => {
  const run = await open('2026-05', 'month');
  const unmet = async (flow: string): Promise<string[]> => {
    const { body } = await operator.get(`/runs/${run}/flows/${flow}`);
    return body.upstream
      .filter((json: Json) => json.kind === 'other_run' && !json.met)
      .map((json: Json) => json.run);
  };
  expect(await unmet('Close')).toEqual(['month-2026-03', 'month-2026-04']);
  expect(await waive(run, [{ from: 'Bill', to: 'Close', period: '2026-04' }])).toMatchObject({ status: 200 });
  expect(await unmet('Close')).toEqual(['month-2026-03']);
  expect(await waive(run, [{ from: 'Bill', to: 'Close', run: 'month-2026-04' }])).toMatchObject({
    status: 409,
    body: { code: 'already_waived' },
  });
  expect(await waive(run, [{ from: 'Bill', to: 'Close', period: '2020-01' }])).toMatchObject({
    status: 404,
    body: { code: 'unknown_edge' },
  });
  // Without a run the edge within this run is meant.
  const own = await waive(run, [{ from: 'Bill', to: 'Close' }], { dryRun: true });
  expect(own.body.outcome.flows).toMatchObject([{ flow: 'Bill -> Close', code: null }]);
  expect(await unmet('Bill')).toHaveLength(31);
  expect(await waive(run, [{ from: 'Sum', to: 'Bill', period: '2026-05-17' }])).toMatchObject({
    status: 200,
  });
  expect(await unmet('Bill')).toHaveLength(30);
  expect(await waive(run, [{ from: 'Sum', to: 'Bill' }])).toMatchObject({ status: 200 });
  expect(await unmet('Bill')).toEqual([]);
  const back = { edges: [{ from: 'Sum', to: 'Bill', run: 'day-2026-05-17' }], reason: 'test' };
  expect(await operator.post(`/runs/${run}/unwaive`, back)).toMatchObject({ status: 200 });
  expect(await unmet('Bill')).toEqual(['day-2026-05-17']);
});

test('a flow that waits for a month of unopened days gives for each what that run itself would say', async () => {
  const run = await open('2026-07', 'month');
  const { causes } = await why(run, 'Bill');
  const days = causes.filter((json: Json) => json.code === 'run_not_opened').map((json: Json) => json.run);
  expect(days.toSorted()).toEqual(
    Array.from({ length: 31 }, (_, i) => `day-2026-07-${String(i + 1).padStart(2, '0')}`),
  );
  // How long ago a period ended goes on changing.
  const told = ({ code, since, until, reason }: Json) => ({
    code,
    since,
    until,
    reason: reason.replace(/\d+/g, 'N'),
  });
  for (const day of days) {
    const { body } = await operator.get(`/runs/${day}/why`);
    const cause = causes.find((json: Json) => json.run === day);
    expect(told(cause)).toEqual(told(body.causes[0]));
    expect(cause.chain).toEqual(['Bill', `${day}/Sum`]);
  }
});
