/** What a rerun plan says before it is applied: how long, what is overwritten, who is late, what need not be redone. */
import { expect, test } from 'vitest';
import { lastDay, shiftPeriod } from '../../../graph/calendar/calendar.ts';
import { makePlan } from '../../../services/rerun/rerun-plan.ts';
import { learnExpected } from '../../../store/history/expected.ts';
import { actorOfToken } from '../../../store/operations/actors.ts';
import { readClock } from '../../../store/record/snapshot.ts';
import type { UsualOf } from '../../../store/record/usual-times.ts';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { playAgent } from '../../support/play.ts';

const database = await createTestDatabase('rerun_impact');
const api = await startTestApi(database);
const ann = await api.actor({ name: 'ann', kind: 'person', roles: ['operator', 'key', 'billing'] });
const agent = await playAgent(api.pool, 'a1');

const copy = {
  id: 'DIST',
  names: { en: 'copy', zh: 'copy' },
  cycle: 'month',
  after: ['B'],
  from: { connection: 'yt', table: 'DWD.B' },
  to: { connection: 'mpp', table: 'APP.B' },
  columns: ['a'],
  periodColumn: 'p',
  platform: 'yt',
};
const text = catalogueText(
  [
    { id: 'SRC', cycle: 'day', writes: ['ODS.SRC'], expectedMs: 600_000 },
    { id: 'A', after: [{ flow: 'SRC', period: 'lastDayOfMonth' }], writes: ['DWD.A'] },
    { id: 'B', after: ['A'], writes: ['DWD.B'], expectedMs: 120_000 },
    { id: 'C', after: ['B'], deadline: '+1 month, day 1, 23:59', key: true },
    { id: 'GATE', kind: 'gate', person: { role: 'billing' }, after: ['A'] },
    { id: 'K', after: ['GATE'], key: true, reads: ['ODS.OTHER'] },
    { id: 'K2', after: ['K'], reads: ['ods.other'] },
    { id: 'F', after: ['A'] },
    { id: 'G', after: ['F'] },
    { id: 'LATER', after: ['B'], trigger: 'manual' },
    { id: 'LAST', after: ['LATER'] },
  ],
  {
    connections: [
      { id: 'yt', platform: 'yt' },
      { id: 'mpp', platform: 'mpp' },
    ],
    distributions: [copy],
  },
);
await applyCatalogue(api.pool, text);

async function settleAll(): Promise<void> {
  const runs = await api.pool.query<{ id: string }>("select id from runs where state = 'open' order by id");
  for (let i = 0; i < 3; i++) for (const { id } of runs.rows) await api.coordinator!.settled(id);
}

async function work(except: readonly string[] = []): Promise<void> {
  for (;;) {
    await settleAll();
    const tasks = (await agent.claim()).filter((task) => !except.includes(task.flow));
    if (tasks.length === 0) return;
    await agent.start(tasks);
    await agent.end(tasks);
  }
}

let period = '2000-12';
/** A day and its month: everything has run but what waits for somebody; F was passed. */
async function workedThrough(): Promise<{ day: string; month: string }> {
  period = shiftPeriod('month', period, 1);
  const day = await openTestRun(api.pool, lastDay('month', period), 'day');
  const month = await openTestRun(api.pool, period);
  const passed = await ann.post(`/runs/${month}/force-pass`, { flows: ['F'], reason: 'r', evidence: 'e' });
  expect(passed).toMatchObject({ status: 200, body: { state: 'applied' } });
  const said = await ann.post(`/runs/${month}/confirm`, { flows: ['GATE'], evidence: 'mail' });
  expect(said).toMatchObject({ status: 200, body: { state: 'applied' } });
  await work();
  return { day, month };
}

async function plan(run: string, flows: string[], rest: object = {}): Promise<Json> {
  const made = await ann.post(`/runs/${run}/rerun-plans`, { flows, ...rest });
  expect(made).toMatchObject({ status: 201 });
  return made.body;
}

test('a plan says how long it takes at least, along which way, and by which figures', async () => {
  const { month } = await workedThrough();
  const asked = await readClock(api.pool);
  const it = await plan(month, ['A']);
  // A and C a minute each, B two; the copy's halves a minute each.
  expect(it.estimate).toMatchObject({
    ms: 300_000,
    path: [
      { run: month, flow: 'A', ms: 60_000 },
      { flow: 'B', ms: 120_000 },
      { flow: 'DIST.export', ms: 60_000 },
      { flow: 'DIST.import', ms: 60_000 },
    ],
    origins: { configured: 1, default: 10 },
  });
  expect(it.estimate.endsAt - it.createdAt).toBeLessThanOrEqual(300_000);
  expect(it.estimate.endsAt).toBeGreaterThanOrEqual(asked + 300_000);
  // Nobody is asked at the gate, its word is kept; the manual trigger was never given.
  expect(it.estimate.persons).toEqual([{ run: month, flow: 'LATER' }]);
  expect((await ann.get(`/runs/${month}/rerun-plans/${it.id}`)).body).toEqual(it);
});

test('a plan lists tables that are overwritten, also those that a copy fills', async () => {
  const { month } = await workedThrough();
  expect((await plan(month, ['A'])).overwrites).toEqual([
    { run: month, table: 'DWD.A', connection: null, flows: ['A'] },
    { run: month, table: 'DWD.B', connection: null, flows: ['B'] },
    { run: month, table: 'APP.B', connection: 'mpp', flows: ['DIST.import'] },
  ]);
});

test('key flows with the shortest way, deadlines and by how much they would be missed', async () => {
  const { month } = await workedThrough();
  const it = await plan(month, ['A']);
  expect(it.keysHit.toSorted((a: Json, b: Json) => (a.flow < b.flow ? -1 : 1))).toEqual([
    { run: month, flow: 'C', way: ['A', 'B', 'C'], effect: 'redone' },
    { run: month, flow: 'K', way: ['A', 'GATE', 'K'], effect: 'redone' },
  ]);
  const deadline = Date.parse(`${shiftPeriod('month', period, 1)}-01T23:59:00+08:00`);
  expect(it.deadlines).toMatchObject([{ run: month, flow: 'C', deadline, passed: true }]);
  const [{ endsAt, lateMs }] = it.deadlines;
  expect(lateMs).toBe(endsAt - deadline);
  // A, B and C.
  expect(endsAt).toBe(it.estimate.endsAt - 300_000 + 240_000);
  const only = await plan(month, ['B'], { scope: 'only' });
  expect(only.keysHit).toEqual([{ run: month, flow: 'C', way: ['B', 'C'], effect: 'stale' }]);
  expect(only.deadlines).toEqual([]);
  expect(only.estimate.ms).toBe(120_000);
});

test('what reads nothing that is written again need not be rerun; what has not started runs anyway', async () => {
  const { month } = await workedThrough();
  const it = await plan(month, ['A']);
  // F and G say nothing of what they read: it may be anything.
  expect(it.untouched).toEqual(['K', 'K2']);
  expect(it.runAnyway.toSorted()).toEqual(['LAST', 'LATER']);
  // K says nothing of what it writes: what waits for it may read that.
  expect((await plan(month, ['K'])).untouched).toEqual([]);
});

test('a plan over several runs takes as long as they take one after the other', async () => {
  const { day, month } = await workedThrough();
  const it = await plan(day, ['SRC']);
  expect(it.otherRuns).toMatchObject([{ run: month }]);
  expect(it.estimate.ms).toBe(600_000 + 300_000);
  expect(it.estimate.path.map((step: Json) => `${step.run} ${step.flow}`)).toEqual([
    `${day} SRC`,
    ...['A', 'B', 'DIST.export', 'DIST.import'].map((flow) => `${month} ${flow}`),
  ]);
  expect(it.overwrites.map((row: Json) => row.table)).toEqual(['ODS.SRC', 'DWD.A', 'DWD.B', 'APP.B']);
  expect(it.keysHit).toContainEqual({
    run: month,
    flow: 'K',
    way: ['SRC', 'A', 'GATE', 'K'],
    effect: 'redone',
  });
  expect(it.deadlines).toMatchObject([{ run: month, flow: 'C' }]);
});

test('a running member that is waited for counts twice, one that is superseded once', async () => {
  const { month } = await workedThrough();
  const first = await plan(month, ['B'], { scope: 'only' });
  expect((await ann.post(`/runs/${month}/rerun-plans/${first.id}/apply`, { reason: 'r' })).status).toBe(200);
  await settleAll();
  const tasks = (await agent.claim()).filter((task) => task.run === month && task.flow === 'B');
  await agent.start(tasks);
  await settleAll();
  const waits = await plan(month, ['B'], { scope: 'only' });
  expect(waits.collisions).toMatchObject([{ flow: 'B', run: month, member: true }]);
  expect(waits.estimate.ms).toBe(240_000);
  const ends = await plan(month, ['B'], { scope: 'only', running: 'supersede' });
  expect(ends.estimate.ms).toBe(120_000);
  await agent.end(tasks);
});

test('durations may come from elsewhere', async () => {
  const { month } = await workedThrough();
  const actor = (await actorOfToken(api.pool, ann.token))!;
  const asked = {
    flows: ['A'],
    scope: 'downstream',
    running: 'wait',
    keepWaives: false,
    otherRuns: true,
  } as const;
  const learned = ({ run, version }: UsualOf) => {
    const { n } = version.graphOf(run.cycle).graph;
    return {
      ms: new Float64Array(n).fill(1_000),
      origin: Array.from({ length: n }, () => 'own' as const),
    };
  };
  const it = await makePlan(api.deps, actor, month, { ...asked, flows: [...asked.flows] }, learned);
  expect(it.estimate).toMatchObject({ ms: 4_000, origins: { own: it.members.length } });
});

test('durations are those that were learned from the past', async () => {
  const ran = "run_id in (select id from runs where cycle = 'month') and flow_id = 'A'";
  await api.pool.query(`update attempts set started_ms = ended_ms - 180000 where ${ran}`);
  await api.pool.query('update runs set finished_ms = opened_ms + 1000');
  // What was read of the version before is trusted for a minute.
  await applyCatalogue(api.pool, `${text}\n`);
  expect(await learnExpected(api.pool, api.deps.versionOf)).toMatchObject([
    { cycle: 'day' },
    { cycle: 'month' },
  ]);
  const { month } = await workedThrough();
  const it = await plan(month, ['A'], { scope: 'only' });
  expect(it.estimate).toMatchObject({ ms: 180_000, origins: { class: 1 } });
});

test('what SQL touches counts as what is declared: such flows are not called untouched', async () => {
  const sql = (file: string) => ({ type: 'sql' as const, file, connection: 'yt' });
  const after = { after: ['A'], reads: ['ods.other'] };
  const flows = [
    { id: 'A', writes: ['dwd.a'] },
    { id: 'APART', ...after, program: sql('apart.sql') },
    { id: 'UNDECLARED', ...after, program: sql('undeclared.sql') },
    { id: 'UNREAD', ...after, program: sql('unread.sql') },
    { id: 'BELOW', after: ['UNDECLARED'], reads: ['app.undeclared'] },
  ];
  const programs = [
    { path: 'programs/apart.sql', text: 'insert into app.apart select * from ods.other' },
    {
      path: 'programs/undeclared.sql',
      text: 'insert into app.undeclared select * from ods.other join dwd.a using (a)',
    },
    { path: 'programs/unread.sql', text: 'insert into app.unread select from from ods.other' },
  ];
  const frame = { connections: [{ id: 'yt', platform: 'yt' }] };
  await applyCatalogue(api.pool, catalogueText(flows, frame), 'apply', programs);
  const run = await openTestRun(api.pool, '2000-01');
  await work();
  const { untouched, members } = await plan(run, ['A']);
  expect(members).toHaveLength(5);
  expect(untouched).toEqual(['APART']);
});
