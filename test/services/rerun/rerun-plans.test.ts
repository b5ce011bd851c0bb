import { expect, test } from 'vitest';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';

const database = await createTestDatabase('rerun_plans');
const api = await startTestApi(database);
await applyCatalogue(
  api.pool,
  catalogueText([
    { id: 'A', writes: ['DWD.A'] },
    { id: 'B', after: ['A'], writes: ['DWD.B'], deadline: '+1 month, day 1, 23:59' },
    { id: 'C', after: ['B'], key: true },
    { id: 'Z', after: ['A'] },
  ]),
);
const ann = await api.actor({ name: 'ann', kind: 'person', roles: ['operator', 'key'] });
const bob = await api.actor({ name: 'bob', kind: 'person', roles: ['operator'] });

let year = 2000;
/** A run whose A and B are force-passed; C and Z wait for an agent. */
async function passedRun(): Promise<string> {
  const run = await openTestRun(api.pool, `${++year}-01`);
  const passed = await ann.post(`/runs/${run}/force-pass`, { flows: ['A', 'B'], reason: 'r', evidence: 'e' });
  expect(passed.status).toBe(200);
  return run;
}

test('a plan shows members upstream first, what is overwritten, key flows and deadlines; applying begins new generations', async () => {
  const run = await passedRun();
  const made = await ann.post(`/runs/${run}/rerun-plans`, { flows: ['B'] });
  expect(made.status).toBe(201);
  expect(made.body).toMatchObject({
    scope: 'downstream',
    roots: ['B'],
    keyFlows: ['C'],
    undecided: [],
    collisions: [],
    becomeStale: [],
    deadlines: [{ flow: 'B', passed: true }],
    members: [
      { flow: 'B', root: true, redone: true, state: 'force_passed', generation: 1, writes: ['DWD.B'] },
      { flow: 'C', root: false, redone: false, state: 'waiting_agent', key: true },
    ],
  });
  expect(made.body.expiresAt - made.body.createdAt).toBe(600_000);
  expect((await bob.get(`/runs/${run}/rerun-plans/${made.body.id}`)).body).toEqual(made.body);

  const address = `/runs/${run}/rerun-plans/${made.body.id}/apply`;
  expect(await ann.post(address)).toMatchObject({ status: 400, body: { code: 'reason_required' } });
  const applied = await ann.post(address, { reason: 'wrong source data' });
  expect(applied).toMatchObject({ status: 200, body: { verb: 'rerun', request: { plan: made.body.id } } });
  expect((await ann.get(`/runs/${run}/flows/B`)).body).toMatchObject({
    generation: 2,
    state: 'waiting_agent',
    generations: [{ generation: 1, result: 'force_passed', tainted: true }],
  });
  expect((await ann.get(`/runs/${run}/flows/C`)).body).toMatchObject({
    generation: 1,
    state: 'waiting_upstream',
  });
  // The same person again: the same outcome. Another one: too late.
  expect((await ann.post(address, { reason: 'wrong source data' })).body.id).toBe(applied.body.id);
  expect(await bob.post(address, { reason: 'again' })).toMatchObject({
    status: 409,
    body: { code: 'plan_stale' },
  });
});

test('a plan of a run that has changed is stale; moves among the waiting states do not count', async () => {
  const run = await passedRun();
  const plan = async (flows: string[], scope = 'downstream') =>
    (await ann.post(`/runs/${run}/rerun-plans`, { flows, scope })).body.id;
  const waits = await plan(['B']);
  await ann.post(`/runs/${run}/hold`, { flows: ['C'], reason: 'wait' });
  const stale = await plan(['A']);
  expect((await ann.post(`/runs/${run}/rerun-plans/${waits}/apply`, { reason: 'r' })).status).toBe(200);
  expect(await ann.post(`/runs/${run}/rerun-plans/${stale}/apply`, { reason: 'r' })).toMatchObject({
    status: 409,
    body: { code: 'plan_stale' },
  });
});

test('an expired plan is refused', async () => {
  const run = await passedRun();
  const made = await ann.post(`/runs/${run}/rerun-plans`, { flows: ['A'], scope: 'only' });
  await api.pool.query('update rerun_plans set expires_ms = clock_ms() - 1 where id = $1', [made.body.id]);
  expect(await ann.post(`/runs/${run}/rerun-plans/${made.body.id}/apply`, { reason: 'r' })).toMatchObject({
    status: 409,
    body: { code: 'plan_expired' },
  });
});

test('a plan says which started flows below become stale and which waives lapse', async () => {
  const run = await passedRun();
  await ann.post(`/runs/${run}/waive`, { edges: [{ from: 'B', to: 'C' }], reason: 'late' });
  const only = (await ann.post(`/runs/${run}/rerun-plans`, { flows: ['A'], scope: 'only' })).body;
  expect(only).toMatchObject({ becomeStale: ['B'], lapsingWaives: [] });
  const all = (await ann.post(`/runs/${run}/rerun-plans`, { flows: ['A'] })).body;
  expect(all.lapsingWaives).toEqual([{ from: 'B', to: 'C', reason: 'late' }]);
  expect(all.members.map((json: Json) => json.flow)).toEqual(['A', 'B', 'Z', 'C']);
});

test('two people applying one plan at once redo the flows once', async () => {
  const run = await passedRun();
  const made = await ann.post(`/runs/${run}/rerun-plans`, { flows: ['A'] });
  const address = `/runs/${run}/rerun-plans/${made.body.id}/apply`;
  const answers = await Promise.all([ann, bob, ann, bob].map((who) => who.post(address, { reason: 'r' })));
  expect(answers.map((answer) => answer.status).sort()).toEqual([200, 200, 409, 409]);
  expect((await ann.get(`/runs/${run}/flows/A`)).body.generation).toBe(2);
});

test('nothing failed below: there is nothing to plan', async () => {
  const run = await passedRun();
  expect(
    await ann.post(`/runs/${run}/rerun-plans`, { flows: ['A'], scope: 'failed-downstream' }),
  ).toMatchObject({
    status: 409,
    body: { code: 'wrong_state' },
  });
  expect(await ann.get(`/runs/${run}/rerun-plans/plan-1`)).toMatchObject({
    status: 404,
    body: { code: 'unknown_plan' },
  });
});
