/** Protocol E: rerun plans over several runs are applied in all of them or in none. */
import { expect, test } from 'vitest';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { playAgent } from '../../support/play.ts';

const database = await createTestDatabase('rerun_across');
const api = await startTestApi(database);
const ann = await api.actor({ name: 'ann', kind: 'person', roles: ['operator', 'key'] });
const agent = await playAgent(api.pool, 'a1');

await applyCatalogue(
  api.pool,
  catalogueText([
    { id: 'A', cycle: 'day' },
    { id: 'B', cycle: 'day', after: ['A', { flow: 'B', period: 'previous' }] },
    { id: 'C', cycle: 'day', after: ['B'] },
    { id: 'M', after: [{ flow: 'C', period: 'lastDayOfMonth' }] },
    { id: 'N', after: ['M'], trigger: 'manual' },
  ]),
);

async function settleAll(): Promise<void> {
  const runs = await api.pool.query<{ id: string }>("select id from runs where state = 'open' order by id");
  for (let i = 0; i < 3; i++) for (const { id } of runs.rows) await api.coordinator!.settled(id);
}

/** Agents do whatever is offered, but for the named flows. */
async function work(except: readonly string[] = []): Promise<void> {
  for (;;) {
    await settleAll();
    const tasks = (await agent.claim()).filter((task) => !except.includes(task.flow));
    if (tasks.length === 0) return;
    await agent.start(tasks);
    await agent.end(tasks);
  }
}

let year = 2030;
/** The last two days of January and their month, all done but N, which waits for somebody. */
async function workedThrough(except: readonly string[] = []): Promise<[string, string, string]> {
  await api.pool.query(
    "update runs set state = 'closed'; delete from outbox; delete from leases; delete from locks",
  );
  year++;
  const runs: [string, string, string] = [
    await openTestRun(api.pool, `${year}-01-30`, 'day'),
    await openTestRun(api.pool, `${year}-01-31`, 'day'),
    await openTestRun(api.pool, `${year}-01`, 'month'),
  ];
  await settleAll();
  const edges = [{ from: 'B', to: 'B' }];
  expect(await ann.post(`/runs/${runs[0]}/waive`, { edges, reason: 'first day' })).toMatchObject({
    status: 200,
  });
  await work(except);
  return runs;
}

async function plan(run: string, flows: string[], rest: object = {}): Promise<Json> {
  const made = await ann.post(`/runs/${run}/rerun-plans`, { flows, keepWaives: true, ...rest });
  expect(made).toMatchObject({ status: 201 });
  return made.body;
}

const apply = (run: string, id: string, headers = {}) =>
  ann.post(`/runs/${run}/rerun-plans/${id}/apply`, { reason: 'wrong data' }, headers);

async function generations(runs: readonly string[]): Promise<string[]> {
  await settleAll();
  const found = await api.pool.query(
    "select run_id || ' ' || flow_id || ' ' || generation as it from run_flows where run_id = any($1) order by run_id, flow_id",
    [runs],
  );
  return found.rows.map((row) => row.it.replace(/^(day|month)-\d{4}-/, ''));
}

const ALL_REDONE = (runs: readonly string[]): string[] =>
  ['01-30 A 1', '01-30 B 2', '01-30 C 2', '01-31 A 1', '01-31 B 2', '01-31 C 2', '01 M 2', '01 N 1'].filter(
    () => runs.length === 3,
  );

test('the plan lists what started on the old results in other runs, and redoes it in order', async () => {
  const runs = await workedThrough();
  const made = await plan(runs[0], ['B']);
  expect(made.members.map((json: Json) => json.flow)).toEqual(['B', 'C']);
  expect(made.otherRuns.map((json: Json) => [json.run, json.members.map((m: Json) => m.flow)])).toEqual([
    [runs[1], ['B', 'C']],
    [runs[2], ['M']],
  ]);
  expect(await apply(runs[0], made.id)).toMatchObject({ status: 200, body: { state: 'applied' } });
  expect(await generations(runs)).toEqual(ALL_REDONE(runs));
  // Nothing goes before its upstream in the other run has its new result.
  const offered = async (): Promise<string[]> => {
    await settleAll();
    const found = await api.pool.query('select run_id, flow_id from outbox order by 1, 2');
    return found.rows.map((row) => `${row.run_id} ${row.flow_id}`);
  };
  expect(await offered()).toEqual([`${runs[0]} B`]);
  await work(['M']);
  expect(await offered()).toEqual([`${runs[2]} M`]);
  await api.pool.query('delete from leases; update outbox set claimed_epoch = null');
  await work();
  const stale = await api.pool.query('select 1 from run_flows where run_id = any($1) and flags & 512 <> 0', [
    runs,
  ]);
  expect(stale.rowCount).toBe(0);
  // The same key is the same request, in every run.
  expect(await apply(runs[0], made.id)).toMatchObject({ status: 200, body: { state: 'applied' } });
  expect(await generations(runs)).toEqual(ALL_REDONE(runs));
});

test('with other runs left out, what started there becomes stale', async () => {
  const runs = await workedThrough();
  const made = await plan(runs[0], ['B'], { otherRuns: false });
  expect(made.otherRuns).toEqual([]);
  expect(await apply(runs[0], made.id)).toMatchObject({ status: 200 });
  await settleAll();
  expect((await ann.get(`/runs/${runs[1]}/flows/B`)).body).toMatchObject({
    generation: 1,
    flags: expect.arrayContaining(['stale']),
  });
  expect((await ann.get(`/runs/${runs[2]}/flows/M`)).body).toMatchObject({
    generation: 1,
    flags: expect.arrayContaining(['stale']),
  });
});

test('a change in one run refuses the plan in all of them', async () => {
  const runs = await workedThrough();
  const made = await plan(runs[0], ['B']);
  const other = await plan(runs[2], ['M'], { scope: 'only' });
  expect(await apply(runs[2], other.id)).toMatchObject({ status: 200 });
  const before = await generations(runs);
  expect(await apply(runs[0], made.id)).toMatchObject({
    status: 409,
    body: { code: 'plan_stale', facts: { run: runs[2], flow: 'M' } },
  });
  expect(await generations(runs)).toEqual(before);
  const asked = await api.pool.query(
    "select run_id from operations where verb = 'rerun' and run_id = any($1)",
    [runs],
  );
  expect(asked.rows).toEqual([{ run_id: runs[2] }]);
});

test('an API that dies between preparing and committing leaves nothing half done', async () => {
  const runs = await workedThrough();
  const made = await plan(runs[0], ['B']);
  const before = await generations(runs);
  // The last run's counter row is held by somebody, so that the first two are prepared when the connection is cut.
  const holder = await api.pool.connect();
  await holder.query('begin');
  await holder.query('select 1 from run_counters where run_id = $1 for update', [runs[2]]);
  const answer = apply(runs[0], made.id);
  await expect
    .poll(
      async () =>
        (
          await api.pool.query(
            `select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
             and query like '%run_counters%order by run_id for update%'`,
          )
        ).rows[0].n,
      { interval: 5 },
    )
    .toBe(1);
  await api.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
     and query like '%run_counters%order by run_id for update%'`,
  );
  expect((await answer).status).toBeGreaterThanOrEqual(500);
  await holder.query('rollback');
  holder.release();
  expect(await generations(runs)).toEqual(before);
  const asked = await api.pool.query("select 1 from operations where verb = 'rerun' and run_id = any($1)", [
    runs,
  ]);
  expect(asked.rowCount).toBe(0);
  // Its client asks again.
  expect(await apply(runs[0], made.id)).toMatchObject({ status: 200, body: { state: 'applied' } });
  expect(await generations(runs)).toEqual(ALL_REDONE(runs));
});

test('an attempt that an agent takes after the plan was committed and before it is carried out is redone as well', async () => {
  // M is running when the plan is made: it is awaited, then redone.
  const runs = await workedThrough(['M']);
  await agent.start(await agent.claim());
  const leases = await api.pool.query("select epoch from leases where flow_id = 'M'");
  expect(leases.rowCount).toBe(1);
  const made = await plan(runs[0], ['B'], { running: 'supersede' });
  expect(made.otherRuns.at(-1)).toMatchObject({ run: runs[2], members: [{ flow: 'M' }] });
  expect(await apply(runs[0], made.id)).toMatchObject({ status: 200 });
  expect(await generations([runs[2]])).toEqual(['01 M 2', '01 N 1']);
});

test('runs that are closed, and rehearsals, are left out and named', async () => {
  const runs = await workedThrough();
  await ann.post(`/runs/${runs[2]}/close`, { reason: 'over' });
  const made = await plan(runs[0], ['B']);
  expect(made.leftOut).toEqual([{ run: runs[2], code: 'run_closed' }]);
});

test('a force-pass over several runs is done in all of them or in none', async () => {
  const runs = await workedThrough(['B']);
  const body = (flow: string) => ({
    flows: [flow],
    reason: 'by hand',
    evidence: 'ticket',
    otherRuns: [{ run: runs[1], flows: [flow] }],
  });
  const state = async (run: string, flow: string): Promise<string> =>
    (await ann.get(`/runs/${run}/flows/${flow}`)).body.state;
  // A is done in both.
  expect(
    await ann.post(`/runs/${runs[0]}/force-pass`, {
      ...body('C'),
      otherRuns: [{ run: runs[1], flows: ['A'] }],
    }),
  ).toMatchObject({
    status: 409,
    body: { code: 'wrong_state', facts: { run: runs[1] } },
  });
  expect(await state(runs[0], 'C')).toBe('waiting_upstream');
  const foreseen = await ann.post(`/runs/${runs[0]}/force-pass`, { ...body('C'), dryRun: true });
  expect(foreseen).toMatchObject({ status: 200, body: { state: 'applied' } });
  const headers = { 'idempotency-key': `both-${year}` };
  for (let i = 0; i < 2; i++)
    expect(await ann.post(`/runs/${runs[0]}/force-pass`, body('C'), headers)).toMatchObject({
      status: 200,
      body: { state: 'applied' },
    });
  expect([await state(runs[0], 'C'), await state(runs[1], 'C')]).toEqual(['force_passed', 'force_passed']);
  const asked = await api.pool.query(
    "select run_id from operations where verb = 'force-pass' and run_id = any($1) order by 1",
    [runs],
  );
  expect(asked.rows.map((row) => row.run_id)).toEqual([runs[0], runs[1]]);
  // What waits for the last day goes, tainted.
  await work(['B']);
  expect((await ann.get(`/runs/${runs[2]}/flows/M`)).body).toMatchObject({
    state: 'succeeded',
    flags: expect.arrayContaining(['tainted']),
  });
  expect(await ann.post(`/runs/${runs[0]}/hold`, body('B'))).toMatchObject({ status: 400 });
});
