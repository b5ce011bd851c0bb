/** Protocol D8: a run moves to another catalogue version. */
import { expect, test } from 'vitest';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun, type ShortFlow } from '../../support/estate.ts';
import { playAgent } from '../../support/play.ts';

const database = await createTestDatabase('adopt');
const api = await startTestApi(database);
const ann = await api.actor({ name: 'ann', kind: 'person', roles: ['operator', 'maintainer', 'key'] });
const agent = await playAgent(api.pool, 'a1');

const apply = (flows: readonly ShortFlow[]): Promise<number> =>
  applyCatalogue(api.pool, catalogueText(flows));
const adopt = (run: string, body: object = {}, headers = {}) =>
  ann.post(`/runs/${run}/adopt`, { reason: 'mended', ...body }, headers);

let year = 2030;
async function open(): Promise<string> {
  await api.pool.query(
    "update runs set state = 'closed'; delete from outbox; delete from leases; delete from locks",
  );
  const run = await openTestRun(api.pool, `${++year}-01`);
  await api.coordinator!.settled(run);
  return run;
}

async function work(run: string, flows: readonly string[]): Promise<void> {
  await api.coordinator!.settled(run);
  const tasks = await agent.claim();
  await agent.start(tasks);
  await agent.end(tasks.filter((task) => flows.includes(task.flow)));
  await api.coordinator!.settled(run);
}

const state = async (run: string, flow: string): Promise<Json> =>
  (await ann.get(`/runs/${run}/flows/${flow}`)).body.state;

const BEFORE = [
  { id: 'A' },
  { id: 'B', after: ['A'] },
  { id: 'C', after: ['B'] },
  { id: 'Old', after: ['C'] },
];

test('state is mapped by flow id; new flows come, unstarted ones go, new blockers are listed first', async () => {
  const before = await apply(BEFORE);
  const run = await open();
  await work(run, ['A']);
  await ann.post(`/runs/${run}/hold`, { flows: ['C'], reason: 'wait' });
  // Numbers of vertices change, too: Early comes before everything.
  const after = await apply([
    { id: 'Early' },
    { id: 'A' },
    { id: 'B', after: ['A'] },
    { id: 'C', after: ['B', 'Early'] },
    { id: 'New', after: ['A'] },
  ]);
  const expected = {
    run,
    from: before,
    version: after,
    started: [],
    freed: [],
    lapsedWaives: [],
    newBlockers: [{ flow: 'C', code: 'upstream', from: 'Early', run: null }],
    added: ['Early', 'New'],
    removed: ['Old'],
  };
  const foreseen = await adopt(run, { dryRun: true });
  expect(foreseen).toMatchObject({ status: 200, body: { ...expected, dryRun: true } });
  expect((await ann.get(`/runs/${run}`)).body.catalogueVersion).toBe(before);
  expect(await adopt(run, {}, { 'idempotency-key': 'k1' })).toMatchObject({ status: 200, body: expected });
  expect(await adopt(run, {}, { 'idempotency-key': 'k1' })).toMatchObject({ status: 200, body: expected });
  expect(await adopt(run, { reason: 'other' }, { 'idempotency-key': 'k1' })).toMatchObject({ status: 422 });
  expect(await adopt(run)).toMatchObject({ status: 409, body: { code: 'already_adopted' } });
  await api.coordinator!.settled(run);
  expect((await ann.get(`/runs/${run}`)).body).toMatchObject({ catalogueVersion: after, flows: 5 });
  expect(await state(run, 'A')).toBe('succeeded');
  expect(await state(run, 'C')).toBe('held');
  expect(await state(run, 'New')).toBe('waiting_agent');
  expect((await ann.get(`/runs/${run}/flows/Old/why`)).body.causes).toMatchObject([{ code: 'retired' }]);
  await ann.post(`/runs/${run}/unhold`, { flows: ['C'] });
  for (let i = 0; i < 3; i++) await work(run, ['A', 'B', 'C', 'Early', 'New']);
  expect((await ann.get(`/runs/${run}`)).body.finishedAt).not.toBeNull();
  const audit = await api.pool.query(
    "select detail->'added' as added from audit where run_id = $1 and verb = 'adopt' and outcome = 'applied'",
    [run],
  );
  expect(audit.rows).toEqual([{ added: ['Early', 'New'] }]);
});

test('a version without a flow that has started is refused, and nothing is changed', async () => {
  await apply(BEFORE);
  const run = await open();
  const tasks = await agent.claim();
  await agent.start(tasks);
  await api.coordinator!.settled(run);
  await apply([{ id: 'B' }, { id: 'C', after: ['B'] }]);
  const foreseen = await adopt(run, { dryRun: true });
  expect(foreseen.body).toMatchObject({ started: ['A'], removed: ['A', 'Old'], freed: ['B'] });
  expect(await adopt(run)).toMatchObject({
    status: 409,
    body: { code: 'adopt_removes_started', facts: { flows: ['A'] } },
  });
  await agent.end(tasks);
  await api.coordinator!.settled(run);
  expect(await state(run, 'B')).toBe('waiting_agent');
});

test('what an agent has stays with it; what nobody has claimed is offered again, as it is defined now', async () => {
  await apply([{ id: 'A' }, { id: 'B' }, { id: 'C', after: ['A'] }]);
  const run = await open();
  const [a] = await agent.claim(1);
  await agent.start([a!]);
  const other = a!.flow === 'A' ? 'B' : 'A';
  await apply(
    [{ id: 'A' }, { id: 'B' }, { id: 'C', after: ['A'] }].map((entry) => ({
      ...entry,
      key: true,
      labels: ['big'],
    })),
  );
  expect(await adopt(run)).toMatchObject({ status: 200, body: { newBlockers: [], added: [], removed: [] } });
  await api.coordinator!.settled(run);
  const rows = await api.pool.query(
    'select flow_id, labels, claimed_epoch is not null as claimed from outbox where run_id = $1',
    [run],
  );
  expect(rows.rows.sort((x: Json, y: Json) => (x.claimed ? 1 : -1) - (y.claimed ? 1 : -1))).toEqual([
    { flow_id: other, labels: ['big'], claimed: false },
    { flow_id: a!.flow, labels: [], claimed: true },
  ]);
  expect(await agent.end([a!])).toHaveLength(1);
  await api.coordinator!.settled(run);
  expect(await state(run, a!.flow)).toBe('succeeded');
});

test('waives follow their edge or end with it; edges to other runs come and go', async () => {
  await apply([
    { id: 'A' },
    { id: 'B', after: ['A', { flow: 'B', period: 'previous' }] },
    { id: 'C', after: ['A', 'B'] },
  ]);
  const run = await open();
  for (const [from, to] of [
    ['A', 'B'],
    ['B', 'B'],
    ['A', 'C'],
  ])
    expect(await ann.post(`/runs/${run}/waive`, { edges: [{ from, to }], reason: 'r' })).toMatchObject({
      status: 200,
    });
  await ann.post(`/runs/${run}/hold`, { flows: ['B'], reason: 'r' });
  await apply([
    { id: 'Z' },
    { id: 'A' },
    { id: 'B', after: ['A', { flow: 'B', period: { offset: -2 } }] },
    { id: 'C', after: ['B'] },
  ]);
  const { body } = await adopt(run);
  expect(body.lapsedWaives).toEqual([
    { from: 'A', run: null, to: 'C' },
    { from: 'B', run: `month-${year - 1}-12`, to: 'B' },
  ]);
  expect(body.newBlockers).toEqual([
    { flow: 'B', code: 'other_run', from: 'B', run: `month-${year - 1}-11` },
  ]);
  await api.coordinator!.settled(run);
  const { body: b } = await ann.get(`/runs/${run}/flows/B`);
  expect(b.upstream).toMatchObject([
    { flow: 'A', kind: 'run', waived: true },
    { flow: 'B', kind: 'other_run', run: `month-${year - 1}-11`, met: false },
  ]);
});

test('an unknown version, a closed run and a missing reason are refused', async () => {
  await apply(BEFORE);
  const run = await open();
  expect(await adopt(run, { version: 9999 })).toMatchObject({
    status: 404,
    body: { code: 'unknown_version' },
  });
  expect(await adopt(run, { reason: ' ' })).toMatchObject({ status: 400, body: { code: 'reason_required' } });
  await ann.post(`/runs/${run}/close`, { reason: 'over' });
  await apply([...BEFORE, { id: 'More' }]);
  expect(await adopt(run)).toMatchObject({ status: 409, body: { code: 'run_closed' } });
});
