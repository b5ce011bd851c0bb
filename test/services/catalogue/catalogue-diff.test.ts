/** What a change of the catalogue touches: flows below, open runs, and what adopting it would do there. */
import { expect, test } from 'vitest';
import { readClock } from '../../../store/record/snapshot.ts';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun, type ShortFlow } from '../../support/estate.ts';
import { playAgent } from '../../support/play.ts';

const database = await createTestDatabase('catalogue_diff');
const api = await startTestApi(database);
const reader = await api.actor({ name: 'li', kind: 'person', roles: ['viewer'] });
const max = await api.actor({ name: 'max', kind: 'person', roles: ['maintainer'] });

const frame = {
  calendars: [{ id: 'cn' }],
  connections: [{ id: 'yt', platform: 'yt' }],
  pools: [{ id: 'etl', size: 4 }],
  procedures: [{ id: 'P1', names: { en: 'p', zh: 'p' }, owner: 'team-a', cycle: 'month' }],
  schedules: [{ id: 'monthly', cycle: 'month', at: '06:00', calendar: 'cn', paused: true }],
};
const flows: ShortFlow[] = [
  { id: 'A', owner: 'ann', program: { type: 'sql', file: 'a.sql', connection: 'yt' } },
  { id: 'B', after: ['A'], procedure: 'P1', uses: [{ pool: 'etl' }], groups: ['top'] },
  { id: 'C', after: ['B'], key: true, deadline: '+1 month, day 1, 23:59', calendar: 'cn' },
  { id: 'D', after: [{ flow: 'C', period: 'lastDayOfMonth' }], cycle: 'month', key: true },
  { id: 'X' },
  { id: 'Y', after: ['X'] },
];
// D waits for a day flow: edges to other cycles count.
flows[3] = { id: 'D', after: [{ flow: 'DAY', period: 'lastDayOfMonth' }], key: true };
flows.push({ id: 'DAY', cycle: 'day', after: ['ETL'] }, { id: 'ETL', cycle: 'day' });
const sql = [{ path: 'programs/a.sql', text: 'select 1' }];
await applyCatalogue(api.pool, catalogueText(flows, frame), 'apply', sql);

const month = await openTestRun(api.pool, '2001-01');
const day = await openTestRun(api.pool, '2001-01-31', 'day');
const agent = await playAgent(api.pool, 'agent-1');
for (const run of [month, day]) await api.coordinator!.settled(run);
const tasks = (await agent.claim()).filter((task) => ['X', 'ETL'].includes(task.flow));
await agent.start(tasks);
await agent.end(tasks, { outcome: 'succeeded', failure: null, effect: true });
for (const run of [month, day]) await api.coordinator!.settled(run);

const filesOf = (list: readonly ShortFlow[], more = frame, programs = sql) => ({
  files: [{ path: 'test.yaml', text: catalogueText(list, more) }, ...programs],
});
const without = (...ids: string[]) => flows.filter(({ id }) => !ids.includes(id));
const diff = async (body: Json): Promise<Json> => {
  const answer = await reader.post('/catalogue/diff', body);
  expect(answer).toMatchObject({ status: 200 });
  return answer.body;
};

test('nothing changed: nothing is touched', async () => {
  const it = await diff(filesOf(flows));
  expect(it).toMatchObject({ changed: [], sections: [], touched: [], runs: [], impact: { flows: 0 } });
  expect(it.edges).toEqual({ added: [], removed: [] });
});

test('a changed flow: which fields, from what to what, and everything below it', async () => {
  const asked = await readClock(api.pool);
  const it = await diff(
    filesOf(flows.map((flow) => (flow.id === 'A' ? { ...flow, owner: 'bob', timeoutMs: 60_000 } : flow))),
  );
  const answered = await readClock(api.pool);
  expect(it.changed).toEqual([
    {
      flow: 'A',
      fields: ['owner', 'timeoutMs'],
      before: { owner: 'ann', timeoutMs: null },
      after: { owner: 'bob', timeoutMs: 60_000 },
    },
  ]);
  expect(it.impact).toEqual({
    flows: 2,
    keys: 1,
    keyFlows: [{ flow: 'C', way: ['A', 'B', 'C'] }],
    procedures: [{ procedure: 'P1', owner: 'team-a', flows: 1 }],
    owners: [{ owner: 'bob', flows: 1 }],
    groups: [{ group: 'top', flows: 1 }],
    deadlines: [{ flow: 'C', deadline: '+1 month, day 1, 23:59' }],
  });
  expect(it.touched).toEqual([
    {
      flow: 'A',
      change: 'changed',
      downstream: 2,
      keys: 1,
      keyFlows: ['C'],
      procedures: ['P1'],
      deadlines: 1,
      runs: [{ run: month, state: 'sent_to_agent' }],
    },
  ]);
  expect(it.runs).toMatchObject([
    {
      run: month,
      version: 1,
      holds: 1,
      gains: 0,
      states: { sent_to_agent: 1 },
      adopt: { refused: null, added: 0 },
    },
  ]);
  // The deadline of 2001 has passed: A, B and C would end later still, a minute each.
  const { late } = it.runs[0].adopt;
  expect(late).toMatchObject([{ flow: 'C', deadline: Date.parse('2001-02-01T23:59:00+08:00') }]);
  expect(late[0].endsAt - late[0].deadline).toBe(late[0].lateMs);
  expect(late[0].endsAt).toBeGreaterThanOrEqual(asked + 180_000);
  expect(late[0].endsAt).toBeLessThanOrEqual(answered + 180_000);
});

test('a change of a day flow touches the month flow that waits for its day', async () => {
  const it = await diff(
    filesOf(flows.map((flow) => (flow.id === 'ETL' ? { ...flow, timeoutMs: 1_000 } : flow))),
  );
  expect(it.impact).toMatchObject({ flows: 2, keyFlows: [{ flow: 'D', way: ['ETL', 'DAY', 'D'] }] });
  expect(it.runs).toMatchObject([{ run: day, states: { succeeded: 1 }, adopt: { refused: null } }]);
});

test('a removed flow that has started: adopt would be refused, as it is', async () => {
  const body = filesOf(without('X').map((flow) => (flow.id === 'Y' ? { id: 'Y', after: ['A'] } : flow)));
  const it = await diff(body);
  expect(it).toMatchObject({
    removed: ['X'],
    changed: [{ flow: 'Y', fields: ['after'] }],
    edges: {
      added: [{ from: 'A', to: 'Y', period: 'same', cycle: null }],
      removed: [{ from: 'X', to: 'Y', period: 'same', cycle: null }],
    },
    runs: [{ run: month, holds: 2, adopt: { refused: 'adopt_removes_started', started: ['X'], removed: 1 } }],
  });
  expect(it.touched).toMatchObject([
    { flow: 'Y', change: 'changed', downstream: 0 },
    // Y hung on it before.
    { flow: 'X', change: 'removed', downstream: 1, runs: [{ run: month, state: 'succeeded' }] },
  ]);
  const foreseen = it.runs[0].adopt;
  expect(foreseen.blockers).toEqual([{ flow: 'Y', code: 'upstream', from: 'A' }]);
  // What the diff foresees is what happens.
  expect((await max.post('/catalogue/apply', { ...body, remove: true })).status).toBe(200);
  expect(await max.post(`/runs/${month}/adopt`, { reason: 'try' })).toMatchObject({
    status: 409,
    body: { code: 'adopt_removes_started' },
  });
  expect((await max.post('/catalogue/apply', { ...filesOf(flows), remove: true })).status).toBe(200);
});

test('a new flow before an open one is a blocker to be; adopting brings exactly that', async () => {
  const body = filesOf([
    ...flows.map((flow) => (flow.id === 'Y' ? { ...flow, after: ['X', 'NEW'] } : flow)),
    { id: 'NEW' },
  ]);
  const it = await diff(body);
  expect(it.runs).toMatchObject([{ run: month, gains: 1, adopt: { newBlockers: 1, added: 1 } }]);
  expect((await max.post('/catalogue/apply', { ...body, remove: true })).status).toBe(200);
  const adopted = await max.post(`/runs/${month}/adopt`, { reason: 'new', dryRun: true });
  expect(adopted.body.newBlockers.map(({ run: _, ...rest }: Json) => rest)).toEqual(
    it.runs[0].adopt.blockers,
  );
  expect((await max.post('/catalogue/apply', { ...filesOf(flows), remove: true })).status).toBe(200);
});

test('pools, calendars, schedules and connections: whom their change concerns', async () => {
  const more = {
    ...frame,
    calendars: [{ id: 'cn', holidays: ['2026-10-01'] }],
    pools: [
      { id: 'etl', size: 2 },
      { id: 'new', size: 1 },
    ],
    schedules: [],
  };
  const it = await diff(filesOf(flows, more));
  expect(it.frame).toEqual(['calendars', 'pools', 'schedules']);
  expect(it.sections).toMatchObject([
    {
      section: 'calendars',
      id: 'cn',
      change: 'changed',
      fields: ['holidays'],
      flows: 1,
      named: ['C'],
      schedules: ['monthly'],
    },
    { section: 'pools', id: 'etl', before: { size: 4 }, after: { size: 2 }, flows: 1, named: ['B'] },
    { section: 'pools', id: 'new', change: 'added', flows: 0, named: [] },
    { section: 'schedules', id: 'monthly', change: 'removed', flows: 6, schedules: ['monthly'] },
  ]);
  expect(it.touched).toEqual([]);
});

test("a program's new text touches the flow that runs it", async () => {
  const it = await diff(filesOf(flows, frame, [{ path: 'programs/a.sql', text: 'select 2' }]));
  expect(it).toMatchObject({ programs: ['programs/a.sql'], changed: [], impact: { flows: 2 } });
  expect(it.touched).toMatchObject([{ flow: 'A', change: 'program' }]);
});
