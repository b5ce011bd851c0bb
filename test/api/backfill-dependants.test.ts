/** Backfills with the runs of other cycles that have used the results, on the real record. */
import { expect, test } from 'vitest';
import { openBackfills } from '../../store/schedules/backfills.ts';
import { startCliEstate } from '../cli/estate.ts';
import type { Json } from '../support/api.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';
import { playAgent } from '../support/play.ts';

const database = await createTestDatabase('backfill-dependants');
const { api, sluice, direct } = await startCliEstate(database);
await applyCatalogue(
  api.pool,
  catalogueText(
    [
      { id: 'Load', cycle: 'day' },
      { id: 'Other', cycle: 'day' },
      // Needs the bill of its own month: with the last day, day and month wait for each other, flow by flow.
      { id: 'Check', cycle: 'day', after: [{ flow: 'Bill', period: 'same' }], trigger: 'manual' },
      { id: 'Bill', after: [{ flow: 'Load', period: 'lastDayOfMonth' }] },
      { id: 'Plan' },
      { id: 'Close', after: ['Bill', 'Plan'] },
      { id: 'Carry', after: [{ flow: 'Close', period: 'previous' }] },
    ],
    { cycles: [{ id: 'month', begins: '2026-09' }] },
  ),
);
const operator = direct('operator');
const agent = await playAgent(api.pool, 'a1');
const days = (given: object = {}, as = operator) =>
  as.post('/backfills', {
    cycle: 'day',
    from: '2026-09-29',
    to: '2026-09-30',
    reason: 'bad source',
    flows: ['Load'],
    ...given,
  });
const pass = () =>
  openBackfills(api.deps, (facts, text) => {
    throw new Error(`${text} ${JSON.stringify(facts)}`);
  });
async function settled(): Promise<void> {
  const open = await api.pool.query<{ id: string }>(
    "select id from runs where finished_ms is null and state = 'open'",
  );
  for (let i = 0; i < 2; i++) for (const { id } of open.rows) await api.coordinator!.settled(id);
}
async function work(): Promise<string[]> {
  const done: string[] = [];
  for (;;) {
    await settled();
    const tasks = await agent.claim();
    if (tasks.length === 0) return done;
    done.push(...tasks.map((task) => `${task.run} ${task.flow}`));
    await agent.start(tasks);
    await agent.end(tasks);
  }
}
const lines = (runs: Json[]): string[] =>
  runs.map(
    (run) => `${run.run}: ${run.includes?.join(' ') ?? '*'}${run.dependant === false ? ' (own)' : ''}`,
  );

await openTestRun(api.pool, '2026-09-29', 'day');
await openTestRun(api.pool, '2026-09-30', 'day');
await openTestRun(api.pool, '2026-09', 'month');
await openTestRun(api.pool, '2026-10', 'month');

test('before anything has used the results there is nothing to redo', async () => {
  const { body } = await days({ dependants: true, dryRun: true });
  expect(lines(body.runs)).toEqual([
    'day-2026-09-29-backfill-1: * (own)',
    'day-2026-09-30-backfill-1: * (own)',
  ]);
  expect(body.dependants).toEqual([{ cycle: 'month', flow: 'Bill' }]);
});

test('a dry run lists the runs of what has used the results, in order, for just those flows', async () => {
  await work();
  const trigger = await operator.post('/runs/day-2026-09-30/trigger', { flows: ['Check'], reason: 'now' });
  expect(trigger).toMatchObject({ status: 200 });
  expect(await work()).toEqual(['day-2026-09-30 Check']);
  const { body } = await days({ dependants: true, dryRun: true });
  expect(lines(body.runs)).toEqual([
    'day-2026-09-29-backfill-1: * (own)',
    'day-2026-09-30-backfill-1: Check Load (own)',
    'month-2026-09-backfill-1: Bill Close',
    'month-2026-10-backfill-1: Carry',
  ]);
  expect(body.dependants).toEqual([]);
  expect(body.runs[2]).toMatchObject({ cycle: 'month', scheduled: 'month-2026-09', dependant: true });
  // As before without being asked.
  const alone = (await days({ dryRun: true })).body;
  expect([alone.runs.length, alone.dependants, alone.withDependants]).toEqual([
    2,
    [{ cycle: 'month', flow: 'Bill' }],
    false,
  ]);
  const range = [
    'backfill',
    'open',
    '2026-09-29',
    '2026-09-30',
    '--flow',
    'Load',
    '--dependants',
    '--dry-run',
  ];
  expect((await sluice(range)).out).toContain(
    'month-2026-09-backfill-1  (month-2026-09)  for flows that use the results: Bill Close',
  );
  expect((await sluice([...range, '--lang', 'zh'])).out).toContain('因使用其结果：Bill Close');
  expect((await sluice([...range, '--only'])).exit).toBe(2);
});

test('an actor who may not redo a dependant may not redo it by a backfill', async () => {
  const { token } = await api.actor({
    name: 'days-only',
    kind: 'person',
    roles: ['operator'],
    scope: { flows: ['Load', 'Check'] },
  });
  const answer = await api.app.inject({
    method: 'POST',
    url: '/api/v1/backfills',
    headers: { authorization: `Bearer ${token}` },
    payload: {
      cycle: 'day',
      from: '2026-09-29',
      to: '2026-09-30',
      reason: 'x',
      flows: ['Load'],
      dependants: true,
      dryRun: true,
    },
  });
  expect(answer.json().code).toBe('out_of_scope');
});

test('runs that wait for each other are open together whatever the concurrency; the rest come after what they wait for', async () => {
  const opened = await days({ dependants: true, concurrency: 1 });
  expect(opened).toMatchObject({ status: 202, body: { withDependants: true, includes: ['Load'] } });
  const { id } = opened.body;
  const states = async (): Promise<string[]> =>
    (await operator.get(`/backfills/${id}`)).body.runs.map((json: Json) => `${json.run} ${json.state}`);
  await Promise.all([pass(), pass()]);
  expect(await work()).toEqual(['day-2026-09-29-backfill-1 Load']);
  await Promise.all([pass(), pass()]);
  expect(await states()).toEqual([
    'day-2026-09-29-backfill-1 finished',
    'day-2026-09-30-backfill-1 open',
    'month-2026-09-backfill-1 open',
    'month-2026-10-backfill-1 pending',
  ]);
  const done = await work();
  expect(done).toEqual([
    'day-2026-09-30-backfill-1 Load',
    'month-2026-09-backfill-1 Bill',
    'month-2026-09-backfill-1 Close',
  ]);
  await operator.post('/runs/day-2026-09-30-backfill-1/trigger', { flows: ['Check'], reason: 'now' });
  expect(await work()).toEqual(['day-2026-09-30-backfill-1 Check']);
  await pass();
  expect(await work()).toEqual(['month-2026-10-backfill-1 Carry']);
  await pass();
  const { body } = await operator.get(`/backfills/${id}`);
  expect(body).toMatchObject({ state: 'finished', progress: { runs: 4, finished: 4 } });
  // Plan was not redone: what it had delivered was taken as it is.
  expect((await operator.get('/runs/month-2026-09-backfill-1')).body.counts).toMatchObject({
    succeeded: 2,
    not_triggered: 2,
  });
  const waits = await api.pool.query(
    `select flow_id || ' <- ' || upstream_run as what from subscriptions where run_id like '%-backfill-1' order by 1`,
  );
  expect(waits.rows.map((row) => row.what)).toEqual([
    'Bill <- day-2026-09-30-backfill-1',
    // Not part of it: nobody redoes the bill for that day, and nobody waits.
    'Bill <- day-2026-10-31',
    'Carry <- month-2026-09-backfill-1',
    'Check <- month-2026-09-backfill-1',
    'Check <- month-2026-09-backfill-1',
  ]);
});

test('the next backfill of any of these periods has the next number, also of another cycle', async () => {
  const { body } = await operator.post('/backfills', {
    cycle: 'month',
    from: '2026-10',
    to: '2026-10',
    dryRun: true,
  });
  expect(body.runs[0].run).toBe('month-2026-10-backfill-2');
});
