/** Backfills: planned, started once per key, opened in order a few at a time, for some flows or all, watched, cancelled. */
import { expect, test } from 'vitest';
import { openBackfills } from '../../store/schedules/backfills.ts';
import { startCliEstate } from '../cli/estate.ts';
import type { Json } from '../support/api.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText } from '../support/estate.ts';
import { playAgent } from '../support/play.ts';

const database = await createTestDatabase('backfills');
const { api, sluice, direct } = await startCliEstate(database);
await applyCatalogue(
  api.pool,
  catalogueText([
    { id: 'Load', cycle: 'day' },
    { id: 'Other', cycle: 'day' },
    { id: 'Sum', cycle: 'day', after: ['Load', 'Other'] },
    { id: 'Stock', cycle: 'day', after: ['Sum', { flow: 'Stock', period: 'previous' }] },
    { id: 'Month', after: [{ flow: 'Sum', period: 'lastDayOfMonth', cycle: 'day' }] },
  ]),
);
const operator = direct('operator');
const agent = await playAgent(api.pool, 'a1');
const days = (given: object = {}, headers: Record<string, string> = {}) =>
  operator.post(
    '/backfills',
    { cycle: 'day', from: '2026-11-01', to: '2026-11-03', reason: 'bad source', ...given },
    headers,
  );
const pass = () =>
  openBackfills(api.deps, (facts, text) => {
    throw new Error(`${text} ${JSON.stringify(facts)}`);
  });
const show = async (id: string): Promise<Json> => (await operator.get(`/backfills/${id}`)).body;
const states = async (id: string): Promise<string[]> =>
  (await show(id)).runs.map((json: Json) => `${json.period} ${json.state}`);
/** Does whatever is offered until nothing comes any more. */
async function work(): Promise<string[]> {
  const done: string[] = [];
  for (;;) {
    const open = await api.pool.query<{ id: string }>(
      "select id from runs where finished_ms is null and state = 'open'",
    );
    for (const { id } of open.rows) await api.coordinator!.settled(id);
    const tasks = await agent.claim();
    if (tasks.length === 0) return done;
    done.push(...tasks.map((task) => `${task.run} ${task.flow}`));
    await agent.start(tasks);
    await agent.end(tasks);
  }
}

test('a dry run lists what would be opened, in which order, and whom it concerns; nothing is changed', async () => {
  const all = await days({ dryRun: true });
  expect(all).toMatchObject({
    status: 200,
    body: {
      includes: null,
      order: 'ascending',
      concurrency: 1,
      chained: { earlier: true, later: false },
      runs: [
        { period: '2026-11-01', run: 'day-2026-11-01-backfill-1', scheduled: null },
        { period: '2026-11-02' },
        { period: '2026-11-03' },
      ],
      dependants: [{ cycle: 'month', flow: 'Month' }],
    },
  });
  const some = await days({ dryRun: true, flows: ['Load'] });
  expect(some.body).toMatchObject({ includes: ['Load', 'Sum', 'Stock'], concurrency: 1 });
  const only = await days({ dryRun: true, flows: ['Load'], downstream: false, order: 'descending' });
  expect(only.body).toMatchObject({
    includes: ['Load'],
    concurrency: 4,
    dependants: [],
    order: 'descending',
  });
  expect(only.body.runs.map((json: Json) => json.period)).toEqual(['2026-11-03', '2026-11-02', '2026-11-01']);
  expect((await operator.get('/backfills')).body.items).toEqual([]);
});

test.each<[string, object, string]>([
  ['a range that goes backwards', { from: '2026-11-04' }, 'invalid_request'],
  ['more than 1,000 periods', { from: '2020-11-04' }, 'invalid_request'],
  ['a period that is none', { to: '2026-11-31' }, 'invalid_period'],
  ['a flow that nobody knows', { flows: ['Laod'] }, 'unknown_flow'],
  ['an order that the edges contradict', { order: 'descending' }, 'invalid_request'],
  ['a cycle without flows', { cycle: 'hour', from: '2026110100', to: '2026110100' }, 'no_flows'],
  ['no reason', { reason: ' ' }, 'reason_required'],
])('%s is refused', async (_name, given, code) => {
  expect((await days(given)).body.code).toBe(code);
});

test('runs that wait for each other are opened one after the other, the edge between periods means the runs of the backfill', async () => {
  const opened = await days({ flows: ['Load'] }, { 'idempotency-key': 'k1' });
  expect(opened).toMatchObject({
    status: 202,
    body: { state: 'open', flows: ['Load'], includes: ['Load', 'Sum', 'Stock'] },
  });
  const { id } = opened.body;
  expect((await days({ flows: ['Load'] }, { 'idempotency-key': 'k1' })).body.id).toBe(id);
  expect((await days({ flows: ['Other'] }, { 'idempotency-key': 'k1' })).body.code).toBe(
    'idempotency_key_reused',
  );

  await Promise.all([pass(), pass()]);
  expect(await states(id)).toEqual(['2026-11-01 open', '2026-11-02 pending', '2026-11-03 pending']);
  // Other is not part of it: its result of that day is taken as it is. Stock waits for the scheduled run of the day before.
  expect(await work()).toEqual(['day-2026-11-01-backfill-1 Load', 'day-2026-11-01-backfill-1 Sum']);
  const counts = (await operator.get('/runs/day-2026-11-01-backfill-1')).body;
  expect(counts).toMatchObject({
    counts: { not_triggered: 1, succeeded: 2, waiting_upstream: 1 },
    tainted: 1,
  });
  await pass();
  expect(await states(id)).toEqual(['2026-11-01 open', '2026-11-02 pending', '2026-11-03 pending']);
  await operator.post('/runs/day-2026-11-01-backfill-1/waive', {
    edges: [{ from: 'Stock', to: 'Stock' }],
    reason: 'the first day of all',
  });
  expect(await work()).toEqual(['day-2026-11-01-backfill-1 Stock']);
  await pass();
  expect(await states(id)).toEqual(['2026-11-01 finished', '2026-11-02 open', '2026-11-03 pending']);
  expect(await work()).toHaveLength(3);
  await pass();
  expect(await work()).toHaveLength(3);
  await pass();
  expect(await show(id)).toMatchObject({
    state: 'finished',
    progress: { runs: 3, pending: 0, open: 0, finished: 3, failing: 0 },
  });
  const audit = await api.pool.query("select actor, run_id from audit where verb = 'open' order by id");
  expect(audit.rows).toEqual(
    ['01', '02', '03'].map((day) => ({ actor: 'operator', run_id: `day-2026-11-${day}-backfill-1` })),
  );
});

test('runs that do not wait for each other are opened a few at a time; the next backfill of a period has the next number', async () => {
  const { body } = await days({ from: '2026-10-30', flows: ['Load'], downstream: false, concurrency: 2 });
  const why = async (run: string): Promise<string> => (await operator.get(`/runs/${run}/why`)).body.text.en;
  expect(await why('day-2026-10-30-backfill-2')).toContain(`it is the next of ${body.id}`);
  expect(await why('day-2026-11-01-backfill-2')).toContain(`2 runs of ${body.id} are opened before it`);
  await pass();
  expect(await states(body.id)).toEqual([
    '2026-10-30 open',
    '2026-10-31 open',
    ...['01', '02', '03'].map((day) => `2026-11-${day} pending`),
  ]);
  expect((await show(body.id)).runs[0].run).toBe('day-2026-10-30-backfill-2');
  const run = await operator.post('/runs', { cycle: 'day', period: '2026-11-02', purpose: 'backfill' });
  expect(run.body.id).toBe('day-2026-11-02-backfill-3');
  await operator.post('/runs/day-2026-11-02-backfill-3/close', { reason: 'not needed' });

  // A failed flow keeps its run unfinished: the others go on, the operator sees it.
  await api.coordinator!.settled('day-2026-10-30-backfill-2');
  await api.coordinator!.settled('day-2026-10-31-backfill-2');
  const tasks = await agent.claim();
  expect(tasks).toHaveLength(2);
  await agent.start(tasks);
  const bad = tasks.filter((task) => task.run.startsWith('day-2026-10-30'));
  await agent.end(bad, { outcome: 'failed', failure: 'program', message: 'x' });
  await agent.end(tasks.filter((task) => !bad.includes(task)));
  await api.coordinator!.settled('day-2026-10-30-backfill-2');
  await api.coordinator!.settled('day-2026-10-31-backfill-2');
  await pass();
  expect(await states(body.id)).toEqual([
    '2026-10-30 open',
    '2026-10-31 finished',
    '2026-11-01 open',
    '2026-11-02 pending',
    '2026-11-03 pending',
  ]);
  expect((await show(body.id)).progress).toMatchObject({ failing: 1, finished: 1 });

  expect((await operator.post(`/backfills/${body.id}/cancel`, {})).body.code).toBe('reason_required');
  const cancelled = await operator.post(`/backfills/${body.id}/cancel`, { reason: 'enough' });
  expect(cancelled.body).toMatchObject({ state: 'cancelled', endedBy: 'operator' });
  expect((await operator.post(`/backfills/${body.id}/cancel`, { reason: 'x' })).body.code).toBe(
    'backfill_over',
  );
  await pass();
  expect((await states(body.id)).slice(3)).toEqual(['2026-11-02 dropped', '2026-11-03 dropped']);
  expect(await why('day-2026-11-03-backfill-2')).toContain('was cancelled before its turn');
});

test('at the command line: foreseen, opened, listed, shown, cancelled', async () => {
  const range = ['backfill', 'open', '2026-11-05', '2026-11-06', '--flow', 'Load', '--only'];
  const foreseen = await sluice([...range, '--dry-run']);
  expect(foreseen).toMatchObject({ exit: 0, out: expect.stringContaining('would open 2 runs, 4 at a time') });
  expect((await sluice([...range])).exit).toBe(2);
  const opened = (await sluice([...range, '--reason', 'x', '--json'])).json();
  expect((await sluice(['backfill', 'list', '--lang', 'zh'])).out).toContain('进行中');
  expect((await sluice(['backfill', 'list', '--state', 'open', '--json'])).json().items[0].id).toBe(
    opened.id,
  );
  expect((await sluice(['backfill', 'show', opened.id])).out).toContain(
    'day-2026-11-06-backfill-1  not opened yet',
  );
  expect((await sluice(['backfill', 'cancel', opened.id, '--reason', 'x'])).out).toContain('dropped');
  expect((await sluice(['backfill', 'show', 'nothing'])).exit).toBe(3);
});

test('D8: a run of a backfill that adopts another version stays for its flows, and waits for the runs of its backfill', async () => {
  const { body } = await days({ from: '2026-12-01', to: '2026-12-02', flows: ['Load'], concurrency: 2 });
  await pass();
  const second = body.runs[1].run;
  const waitsFor = async (): Promise<string[]> => {
    const found = await api.pool.query<{ what: string }>(
      "select upstream_run || ' ' || upstream_flow as what from subscriptions where run_id = $1 order by 1",
      [second],
    );
    return found.rows.map((row) => row.what);
  };
  expect(await waitsFor()).toEqual([`${body.runs[0].run} Stock`]);
  await applyCatalogue(
    api.pool,
    catalogueText([
      { id: 'Load', cycle: 'day' },
      { id: 'Other', cycle: 'day' },
      { id: 'New', cycle: 'day' },
      { id: 'Sum', cycle: 'day', after: ['Load', 'Other', { flow: 'Other', period: 'previous' }] },
      { id: 'Stock', cycle: 'day', after: ['Sum', { flow: 'Stock', period: 'previous' }] },
    ]),
  );
  await api.coordinator!.settled(second);
  const adopted = await direct('admin').post(`/runs/${second}/adopt`, { reason: 'new rule' });
  expect(adopted).toMatchObject({ status: 200 });
  // Other is no part of the backfill: its day before is the scheduled one.
  expect(await waitsFor()).toEqual(['day-2026-12-01 Other', `${body.runs[0].run} Stock`]);
  await api.coordinator!.settled(second);
  const flows = (await operator.get(`/runs/${second}/flows?state=not_triggered`)).body.items;
  expect(flows.map((json: Json) => json.id ?? json.flow).sort()).toEqual(['New', 'Other']);
});
